//! Installation, upgrade, rollback and removal of a release on a real control plane.
//!
//! `--wait` needs Pods that become ready. The controllers create them. The stand-in node runs each as a process with
//! the rights of its `ServiceAccount`, and reports what its probes say.

mod released;

use std::collections::BTreeMap;

use e2e::binaries;
use e2e::cluster::{Cluster, Options};
use e2e::folder::Folder;
use e2e::kubectl::Kubectl;
use e2e::node::Node;
use e2e::oracle::Login;
use e2e::scenario::SOON;
use e2e::wait::{blocking, eventually};
use e2e::workspace;
use serde_json::{Value, json};

use crate::helm::chart::{CHART, Helm, USUAL};
use crate::readme::blocks::run;
use crate::readme::left::nothing_is_left;
use crate::upgrade::version::{NEW, OLD, previous, this};
use released::Released;

/// The images of both versions and of the chart's own values, each with its binary.
async fn node(released: &Released<'_>, folder: &Folder) -> (Node, String) {
    let place = folder.path().to_owned();
    let old = blocking(move || previous(&place)).await.unwrap();
    let rendered = released.helm.render(USUAL, &json!({})).unwrap();
    let container = &rendered["Deployment pullsecrets"]["spec"]["template"]["spec"]["containers"][0];
    let shipped = container["image"].as_str().unwrap();
    let binary = blocking(binaries::operator).await.unwrap();
    let images = [(OLD, old.binary.clone()), (NEW, this().binary), (shipped, binary)];
    let images = images.map(|(image, binary)| (image.to_owned(), binary));
    let node = Node::start_for(&released.cluster, released.release.1, BTreeMap::from(images)).await;
    // A commit from before there was a chart has its operator, under the chart of this version.
    let chart = old.tree.join(CHART);
    let chart = if chart.exists() { chart } else { workspace().join(CHART) };
    (node.unwrap(), packaged(released.helm, &chart, folder))
}

/// Packs a chart as an earlier version than any.
fn packaged(helm: Helm, chart: &std::path::Path, folder: &Folder) -> String {
    let arguments = [
        "package",
        chart.to_str().unwrap(),
        "--version",
        "0.0.1",
        "--destination",
    ];
    let mut command = helm.command(&arguments).unwrap();
    command.arg(folder.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder.join("pullsecrets-0.0.1.tgz").to_str().unwrap().to_owned()
}

/// Installs the version before, upgrades, rolls back, uninstalls, and installs again: nothing that is served changes.
async fn from_install_to_uninstall(released: &Released<'_>, folder: &Folder) {
    let (node, before) = node(released, folder).await;
    let login = Login::new("robot", "token-of-the-robot");
    let (name, namespace) = released.release;
    let parts = ["payments", "checkout"];
    for part in parts {
        released.namespace(part).await;
    }
    released.put("install", &before, OLD).await;
    assert_eq!(released.image().await, OLD);
    released.declare(&login).await;
    released.serves(&parts, &login).await;

    released
        .changes(&parts, &login, released.put("upgrade", CHART, NEW))
        .await;
    assert_eq!(released.image().await, NEW);
    let back = async || drop(released.helm(&["rollback", name, "1"]).await);
    released.changes(&parts, &login, back()).await;
    assert_eq!(released.image().await, OLD);
    let history = ["history", name, "--namespace", namespace, "--output", "json"];
    let history = released
        .helm
        .run(released.cluster.kubeconfig_path(), &history)
        .await
        .unwrap();
    let history: Value = serde_json::from_str(&history).unwrap();
    let revisions: Vec<&Value> = history.as_array().unwrap().iter().map(|one| &one["chart"]).collect();
    assert_eq!(revisions[0], revisions[2], "{history}");
    assert_ne!(revisions[0], revisions[1], "{history}");

    // Only the operator goes. What it served stays as it is, and the next release takes it up.
    let gone = async || drop(released.helm(&["uninstall", name]).await);
    released.changes(&parts, &login, gone()).await;
    let label = format!("app.kubernetes.io/instance={name}");
    let kinds = "deployments,clusterroles,clusterrolebindings,roles,rolebindings,poddisruptionbudgets,\
                 validatingadmissionpolicies,validatingadmissionpolicybindings";
    let left = released
        .kubectl(&["get", kinds, "-A", "-l", &label, "-o", "name"])
        .await;
    assert_eq!(left, "");
    assert_eq!(node.troubles(), Vec::<String>::new());
    drop(node);
}

/// With Helm 4, under the usual names. The last installation and the removal are the commands of the README.
#[tokio::test]
async fn helm_4_installs_upgrades_rolls_back_and_uninstalls() {
    let released = Released::new(Helm::Four, USUAL).await;
    let folder = Folder::new("pullsecrets-helm").unwrap();
    from_install_to_uninstall(&released, &folder).await;
    taken_up_and_removed(&released).await;
}

/// With Helm 3, under another name and in another namespace.
#[tokio::test]
async fn helm_3_installs_upgrades_rolls_back_and_uninstalls() {
    let released = Released::new(Helm::Three, ("night", "tools")).await;
    let folder = Folder::new("pullsecrets-helm").unwrap();
    from_install_to_uninstall(&released, &folder).await;
    refused_nothing(&released);
}

/// The operator lacked no right and no policy held it up, under names that are not the usual ones.
fn refused_nothing(released: &Released<'_>) {
    let records = released.cluster.audit().since(e2e::audit::Mark::default()).unwrap();
    let ours: Vec<_> = records.iter().filter(|record| record.user == released.user()).collect();
    assert!(ours.len() > 20, "{} requests", ours.len());
    // While Helm removes the release, its rights go before its Pods.
    let end = ours
        .iter()
        .filter(|record| record.is_write() && record.code < 300)
        .map(|record| record.timestamp)
        .max();
    let refused: Vec<String> = ours
        .iter()
        .filter(|record| Some(record.timestamp) < end && [403, 422].contains(&record.code))
        // The operator proves its policies by dry runs that they refuse.
        .filter(|record| !record.is_dry_run())
        .map(|record| record.summary())
        .collect();
    assert_eq!(refused, Vec::<String>::new());
}

/// A new release under the same name serves what was there and what is new, and all of it can be removed.
async fn taken_up_and_removed(released: &Released<'_>) {
    let login = Login::new("robot", "token-of-the-robot");
    let folder = Folder::new("pullsecrets-reader").unwrap();
    let kubectl = reader(released, &folder);
    let shipped = released.helm.render(USUAL, &json!({})).unwrap();
    let container = &shipped["Deployment pullsecrets"]["spec"]["template"]["spec"]["containers"][0];
    let image = container["image"].as_str().unwrap().to_owned();
    released.kubectl(&["delete", "node", "--all"]).await;
    let images = BTreeMap::from([(image, this().binary)]);
    let node = Node::start_for(&released.cluster, released.release.1, images)
        .await
        .unwrap();
    run(&kubectl, folder.path(), "helm-install").await;
    released.namespace("search").await;
    released.serves(&["payments", "checkout", "search"], &login).await;

    run(&kubectl, folder.path(), "helm-uninstall").await;
    eventually("no trace is left", SOON, async || {
        nothing_is_left(&released.client).await
    })
    .await;
    assert_eq!(node.troubles(), Vec::<String>::new());
}

/// What a reader of the README has: `helm` and `kubectl` on the path, and a checkout.
fn reader(released: &Released<'_>, folder: &Folder) -> Kubectl {
    let programs = folder.join("programs");
    std::fs::create_dir(&programs).unwrap();
    let link = |target: &std::path::Path, name: &str| {
        std::os::unix::fs::symlink(target, programs.join(name)).unwrap();
        programs.join(name)
    };
    link(&released.helm.binary().unwrap(), "helm");
    let kubectl = link(&binaries::binaries().unwrap().kubectl, "kubectl");
    std::os::unix::fs::symlink(workspace().join("config"), folder.join("config")).unwrap();
    Kubectl::new(
        &kubectl,
        released.cluster.kubeconfig_path(),
        &folder.join("kubectl-cache"),
    )
}

/// A release takes over what `kubectl apply -k` installed, as the README says for Helm 4 and Helm 3.
#[tokio::test]
async fn release_takes_over_a_kustomize_installation() {
    for helm in [Helm::Four, Helm::Three] {
        let cluster = Cluster::start(Options::default()).await.unwrap();
        cluster.install().await.unwrap();
        let client = cluster.admin().await.unwrap();
        let released = Released {
            helm,
            release: USUAL,
            cluster,
            client,
        };
        let account = [
            "get",
            "serviceaccount",
            "pullsecrets",
            "-n",
            "pullsecrets-system",
            "-o",
            "jsonpath={.metadata.uid}",
        ];
        let uid = released.kubectl(&account).await;
        if helm == Helm::Four {
            let folder = Folder::new("pullsecrets-reader").unwrap();
            run(&reader(&released, &folder), folder.path(), "helm-take-over").await;
        } else {
            let install = [
                "install",
                "pullsecrets",
                CHART,
                "--namespace",
                "pullsecrets-system",
                "--take-ownership",
            ];
            helm.run(released.cluster.kubeconfig_path(), &install).await.unwrap();
        }
        assert_eq!(released.kubectl(&account).await, uid, "it is the same object");
        let rendered = helm.render(USUAL, &json!({})).unwrap();
        let label = "app.kubernetes.io/instance=pullsecrets";
        let kinds = "crd,sa,deployments,clusterroles,clusterrolebindings,roles,rolebindings,pdb,\
                     validatingadmissionpolicies,validatingadmissionpolicybindings";
        let labelled = released.kubectl(&["get", kinds, "-A", "-l", label, "-o", "name"]).await;
        assert_eq!(labelled.lines().count(), rendered.len(), "{labelled}");
    }
}

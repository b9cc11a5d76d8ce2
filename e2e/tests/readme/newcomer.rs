//! A user with a cluster and README: installs, serves a namespace, looks at a conflict, and uninstalls.
//!
//! The Deployment runs as it is. The controllers create its Pods, and the API server admits them under Pod Security
//! `restricted`. The harness runs them with their own arguments, environment, account and probes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use e2e::SYSTEM_NAMESPACE;
use e2e::binaries;
use e2e::cluster::{Cluster, Options};
use e2e::folder::Folder;
use e2e::node::Node;
use e2e::oracle::{self, Expected, Foreign, Login};
use e2e::wait::eventually;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, ObjectMeta, PostParams};
use kube::{Api, Client};
use serde_json::json;

use crate::readme::blocks::{block, replay, run};
use crate::readme::left::nothing_is_left;

const SOON: Duration = Duration::from_mins(2);

/// The namespaces of a company. README creates the first one, the others are older than the operator.
const TEAMS: [&str; 4] = ["payments", "checkout", "search", "web"];

/// A newcomer who follows README word for word reaches Ready and can take everything away.
#[tokio::test]
async fn newcomer_reaches_ready_and_uninstalls() {
    let options = Options {
        workloads: true,
        ..Options::default()
    };
    let cluster = Cluster::start(options).await.unwrap();
    let (client, kubectl) = (cluster.admin().await.unwrap(), cluster.kubectl());
    for team in &TEAMS[1..] {
        kubectl.run(&["create", "namespace", team], "").await.unwrap();
    }
    theirs(&cluster).await;
    let older: Vec<String> = TEAMS[1..].iter().map(|&team| team.to_owned()).collect();
    let before = Foreign::in_namespaces(&client, &older, &["company"]).await.unwrap();
    let folder = folder();
    let image = image(&cluster, folder.path()).await;
    let node = Node::start(&cluster, BTreeMap::from([(image, binaries::operator().unwrap())]));
    let node = node.await.unwrap();

    run(&kubectl, folder.path(), "install").await;
    the_pods_run_as_they_are_admitted(&client).await;
    std::fs::write(folder.join("company.yaml"), block("example")).unwrap();
    run(&kubectl, folder.path(), "first-object").await;
    eventually("kubectl prints what README shows", SOON, async || {
        replay(&kubectl, folder.path(), "first-look").await
    })
    .await;
    oracle::check(&client, &expected(&["payments"])).await.unwrap();
    run(&kubectl, folder.path(), "upgrade").await;
    oracle::check(&client, &expected(&["payments"])).await.unwrap();

    a_conflict_reads_as_the_readme_shows_it(&cluster, folder.path()).await;
    eventually("once it is gone, that namespace is served too", SOON, async || {
        oracle::check(&client, &expected(&TEAMS)).await
    })
    .await;

    run(&kubectl, folder.path(), "uninstall").await;
    eventually("no trace is left", SOON, async || nothing_is_left(&client).await).await;
    before.check_unchanged(&client).await.unwrap();
    assert_eq!(node.troubles(), Vec::<String>::new());

    run(&kubectl, folder.path(), "without-an-image").await;
}

/// A working folder with a link to `config`, and room for the reader's own file.
pub(crate) fn folder() -> Folder {
    let folder = Folder::new("pullsecrets-newcomer").unwrap();
    std::os::unix::fs::symlink(e2e::workspace().join("config"), folder.join("config")).unwrap();
    folder
}

/// The image that the kustomization names.
async fn image(cluster: &Cluster, folder: &Path) -> String {
    let script = "kubectl kustomize config/default | sed -n 's/^ *image: //p'";
    let output = cluster.kubectl().script(script, folder, SOON).await.unwrap();
    let images: BTreeSet<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(images.len(), 1, "{images:?}");
    images.into_iter().next().unwrap()
}

/// An entry of another writer in each older account. The operator's entries come and go beside it.
async fn theirs(cluster: &Cluster) {
    let client = cluster.admin().await.unwrap();
    let patch = r#"{"imagePullSecrets":[{"name":"theirs"}]}"#;
    for team in &TEAMS[1..] {
        let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> = Api::namespaced(client.clone(), team);
        eventually("it has its account", SOON, async || {
            accounts
                .get("default")
                .await
                .map(drop)
                .map_err(|error| error.to_string())
        })
        .await;
        let arguments = ["patch", "serviceaccount", "default", "-n", team, "-p", patch];
        cluster.kubectl().run(&arguments, "").await.unwrap();
    }
}

fn expected(namespaces: &[&str]) -> Expected {
    let accounts = BTreeSet::from(["default".to_owned()]);
    Expected {
        object: "company".to_owned(),
        secret: "company".to_owned(),
        logins: BTreeMap::from([("harbor.example.com".to_owned(), Login::new("ROBOT_NAME", "ROBOT_TOKEN"))]),
        holders: namespaces
            .iter()
            .map(|&name| (name.to_owned(), accounts.clone()))
            .collect(),
    }
}

/// Two Pods run. The API server enforces the standard that admits them, and refuses a Pod that may gain privileges.
async fn the_pods_run_as_they_are_admitted(client: &Client) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let running = pods.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(running.len(), 2);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let template = deployments.get("pullsecrets").await.unwrap().spec.unwrap().template;
    let mut pod = Pod {
        metadata: ObjectMeta {
            name: Some("probe".to_owned()),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        ..Pod::default()
    };
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let admitted = pods.create(&dry, &pod).await;
    assert!(admitted.is_ok(), "{admitted:?}");
    let container = &mut pod.spec.as_mut().unwrap().containers[0];
    container.security_context.as_mut().unwrap().allow_privilege_escalation = Some(true);
    let refused = pods.create(&dry, &pod).await.unwrap_err().to_string();
    assert!(refused.contains("violates PodSecurity \"restricted"), "{refused}");
}

/// A foreign Secret has the copy's name in one of four namespaces.
async fn a_conflict_reads_as_the_readme_shows_it(cluster: &Cluster, folder: &Path) {
    let kubectl = cluster.kubectl();
    kubectl
        .run(&["label", "namespace", "payments", "pulls-"], "")
        .await
        .unwrap();
    let client = cluster.admin().await.unwrap();
    eventually("it is cleared", SOON, async || {
        oracle::check(&client, &expected(&[])).await
    })
    .await;
    let squat = [
        "create",
        "secret",
        "generic",
        "company",
        "-n",
        "payments",
        "--from-literal=a=b",
    ];
    kubectl.run(&squat, "").await.unwrap();
    let label = [&["label", "namespace"], &TEAMS[..], &["pulls=company"]].concat();
    kubectl.run(&label, "").await.unwrap();
    eventually("kubectl prints what README shows", SOON, async || {
        replay(&kubectl, folder, "conflict").await
    })
    .await;
    kubectl
        .run(&["delete", "secret", "company", "-n", "payments"], "")
        .await
        .unwrap();
    let wait = ["wait", "cps/company", "--for=condition=Ready", "--timeout=120s"];
    kubectl.run(&wait, "").await.unwrap();
}

#[tokio::test]
async fn argo_cd_is_told_as_the_readme_says() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let kubectl = cluster.kubectl();
    kubectl.run(&["create", "namespace", "argocd"], "").await.unwrap();
    let theirs = [
        "create",
        "configmap",
        "argocd-cm",
        "-n",
        "argocd",
        "--from-literal=theirs=kept",
    ];
    kubectl.run(&theirs, "").await.unwrap();
    run(&kubectl, folder().path(), "argo-cd").await;
    let client = cluster.admin().await.unwrap();
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::namespaced(client, "argocd");
    let data = json!(maps.get("argocd-cm").await.unwrap().data);
    assert_eq!(data["theirs"], "kept");
    assert!(data.to_string().contains("ClusterPullSecret"), "{data}");
}

//! `rollout --install`.

use std::collections::{BTreeMap, BTreeSet};

use e2e::binaries;
use e2e::canary::Canary;
use e2e::cluster::{Cluster, Options};
use e2e::node::Node;
use e2e::oracle::{self, Expected, Login};
use e2e::scenario::{SERVER, Scenario};
use e2e::wait::blocking;
use serde_json::{Value, json};

use super::{done, left, rollout};
use crate::cli::tool::Tool;

/// An image by a digest, which a stand-in node runs.
pub(in crate::cli) const IMAGE: &str =
    "registry.example.com/pullsecrets@sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

/// Runs the verb with flags for all namespaces of a cluster but one.
async fn run(tool: &Tool, login: &Login, more: &[&str]) -> (Option<i32>, Value) {
    let given = [
        "rollout",
        "--server",
        SERVER,
        "--name",
        "company",
        "--username",
        &login.username,
    ];
    let how = ["--password-stdin", "--ignore", "default", "--yes", "-o", "json"];
    let ran = tool.run_with(&[&given[..], &how, more].concat(), &login.password).await;
    let report = serde_json::from_str(&ran.out);
    (ran.code, report.unwrap_or_else(|error| panic!("{error}: {ran:#?}")))
}

/// One command takes a cluster without the definition to one where each namespace is served. The second run changes
/// nothing.
#[tokio::test]
async fn an_empty_cluster_is_installed_and_served() {
    let options = Options {
        workloads: true,
        ..Options::default()
    };
    let cluster = Cluster::start(options).await.unwrap();
    let binary = blocking(binaries::operator).await.unwrap();
    let node = Node::start(&cluster, BTreeMap::from([(IMAGE.to_owned(), binary)]))
        .await
        .unwrap();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}});
    cluster.kubectl().apply(&namespace.to_string()).await.unwrap();
    let login = Canary::new().login("first");
    let tool = Tool::new(cluster.kubeconfig_path()).await;
    let install = ["--install", "--image", IMAGE];

    let (code, report) = run(&tool, &login, &[]).await;
    assert_eq!(
        (code, left(&report, 0)),
        (Some(2), vec!["- - NotInstalled".to_owned()]),
        "{report:#}"
    );
    let (code, report) = run(&tool, &login, &install).await;
    assert_eq!(code, Some(0), "{report:#}\nthe node: {:#?}", node.troubles());
    let created = done(&report, 0);
    assert!(created.iter().all(|one| one.ends_with(" Created")), "{created:#?}");
    for object in [
        "customresourcedefinition/clusterpullsecrets.pullsecrets.dev",
        "validatingadmissionpolicy/pullsecrets-operator-secrets",
        "deployment/pullsecrets",
        "secret/company",
        "clusterpullsecret/company",
    ] {
        assert!(created.contains(&format!("{object} Created")), "{object}: {created:#?}");
    }
    let expected = Expected {
        object: "company".to_owned(),
        secret: "company".to_owned(),
        logins: BTreeMap::from([(SERVER.to_owned(), login.clone())]),
        holders: BTreeMap::from([("payments".to_owned(), BTreeSet::from(["default".to_owned()]))]),
    };
    let admin = cluster.admin().await.unwrap();
    oracle::check(&admin, &expected).await.unwrap();
    let (code, report) = run(&tool, &login, &install).await;
    assert_eq!(code, Some(0), "{report:#}");
    let unchanged = done(&report, 0);
    assert!(
        unchanged.iter().all(|one| one.ends_with(" Unchanged")),
        "{unchanged:#?}"
    );
    assert_eq!(node.troubles(), Vec::<String>::new());
}

/// The installation is refused with this reason, and nothing is written. Returns the reason in words.
async fn refused(scenario: &Scenario, tool: &Tool, expected: &str) -> String {
    let install = ["--install", "--image", IMAGE];
    let (code, report) = rollout(scenario, tool, &scenario.login("first"), &install).await;
    assert_eq!((code, left(&report, 0)), (Some(2), vec![expected.to_owned()]));
    assert_eq!(done(&report, 0), Vec::<String>::new());
    report["contexts"][0]["left"][0]["why"].as_str().unwrap().to_owned()
}

/// Nothing is written to an installation of Helm, Argo CD or Flux, nor to one of a later or an unknown version.
#[tokio::test]
async fn installations_of_others_stay_as_they_are() {
    let scenario = Scenario::own("others").await;
    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    for (manager, name) in [
        ("helm", "Helm"),
        ("argocd-controller", "Argo CD"),
        ("kustomize-controller", "Flux"),
    ] {
        let manager = format!("--field-manager={manager}");
        let annotate = ["annotate", "clusterrole", "pullsecrets", &manager];
        let with = |more: &'static str| [&annotate[..], &[more]].concat();
        scenario.kubectl(&with("example.com/mark=x")).await;
        let why = refused(&scenario, &tool, "clusterrole/pullsecrets - Owned").await;
        assert!(why.contains(name), "{manager}: {why}");
        scenario.kubectl(&with("example.com/mark-")).await;
    }
    for (version, image, reason) in [
        ("999.0.0", "a.example.com/a:dev", "Downgrade"),
        ("main", "a.example.com/a:999.0.0", "Downgrade"),
        ("main", "a.example.com/a:dev", "VersionUnknown"),
    ] {
        let (label, image) = (
            format!("app.kubernetes.io/version={version}"),
            format!("pullsecrets={image}"),
        );
        let (deployment, namespace) = ("deployment/pullsecrets", ["-n", "pullsecrets-system"]);
        let labelled = ["label", deployment, &label, "--overwrite"];
        scenario.kubectl(&[&labelled[..], &namespace].concat()).await;
        let set = ["set", "image", deployment, &image];
        scenario.kubectl(&[&set[..], &namespace].concat()).await;
        refused(&scenario, &tool, &format!("{deployment} - {reason}")).await;
    }
    let path = super::file(&scenario, &scenario.login("first")).display().to_string();
    let unnamed = tool.run(&["rollout", "-f", &path, "--yes", "--install"]).await;
    assert_eq!(unnamed.code, Some(2), "{unnamed:#?}");
    assert!(unnamed.err.contains("give --image NAME@sha256:DIGEST"), "{unnamed:#?}");
}

//! `rollout --install`.

use std::collections::{BTreeMap, BTreeSet};

use e2e::binaries;
use e2e::canary::Canary;
use e2e::cluster::{Cluster, Options};
use e2e::node::Node;
use e2e::oracle::{self, Expected};
use e2e::scenario::{SERVER, Scenario};
use e2e::wait::blocking;
use serde_json::{Value, json};

use super::{done, left, rollout};
use crate::cli::tool::Tool;

/// An image by a digest, which a stand-in node runs.
const IMAGE: &str =
    "registry.example.com/pullsecrets@sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

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
    let given = [
        "rollout",
        "--server",
        SERVER,
        "--name",
        "company",
        "--username",
        &login.username,
    ];
    let given = [
        &given[..],
        &["--password-stdin", "--ignore", "default", "--yes", "-o", "json"],
    ]
    .concat();
    let run = async |more: &[&str]| {
        let ran = tool.run_with(&[&given, more].concat(), &login.password).await;
        let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:#?}"));
        (ran.code, report)
    };

    let (code, report) = run(&[]).await;
    assert_eq!(
        (code, left(&report, 0)),
        (Some(2), vec!["- - NotInstalled".to_owned()]),
        "{report:#}"
    );
    let (code, report) = run(&["--install", "--image", IMAGE]).await;
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
    oracle::check(&cluster.admin().await.unwrap(), &expected).await.unwrap();

    let (code, report) = run(&["--install", "--image", IMAGE]).await;
    assert_eq!(code, Some(0), "{report:#}");
    let unchanged = done(&report, 0);
    assert!(
        unchanged.iter().all(|one| one.ends_with(" Unchanged")),
        "{unchanged:#?}"
    );
    assert_eq!(node.troubles(), Vec::<String>::new());
}

/// Nothing is written to an installation of Helm, Argo CD or Flux, nor to one of a later or an unknown version.
#[tokio::test]
async fn installations_of_others_stay_as_they_are() {
    let scenario = Scenario::own("others").await;
    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    let login = scenario.login("first");
    let install = ["--install", "--image", IMAGE];
    for (manager, tool_name) in [
        ("helm", "Helm"),
        ("argocd-controller", "Argo CD"),
        ("kustomize-controller", "Flux"),
    ] {
        let field_manager = format!("--field-manager={manager}");
        let mark = [
            "annotate",
            "clusterrole",
            "pullsecrets",
            "example.com/mark=x",
            "--overwrite",
            &field_manager,
        ];
        scenario.kubectl(&mark).await;
        let (code, report) = rollout(&scenario, &tool, &login, &install).await;
        assert_eq!(
            (code, left(&report, 0)),
            (Some(2), vec!["clusterrole/pullsecrets - Owned".to_owned()])
        );
        let why = report["contexts"][0]["left"][0]["why"].as_str().unwrap();
        assert!(why.contains(tool_name), "{manager}: {why}");
        assert_eq!(done(&report, 0), Vec::<String>::new());
        let unmark = [
            "annotate",
            "clusterrole",
            "pullsecrets",
            "example.com/mark-",
            &field_manager,
        ];
        scenario.kubectl(&unmark).await;
    }
    for (version, reason) in [("999.0.0", "Downgrade"), ("main", "Downgrade")] {
        let label = format!("app.kubernetes.io/version={version}");
        let image = if version == "main" {
            "a.example.com/a:999.0.0"
        } else {
            "a.example.com/a:dev"
        };
        let image = format!("pullsecrets={image}");
        let (deployment, namespace) = ("deployment/pullsecrets", ["-n", "pullsecrets-system"]);
        scenario
            .kubectl(&[&["label", deployment, &label, "--overwrite"][..], &namespace].concat())
            .await;
        scenario
            .kubectl(&[&["set", "image", deployment, &image][..], &namespace].concat())
            .await;
        let (code, report) = rollout(&scenario, &tool, &login, &install).await;
        assert_eq!(
            (code, left(&report, 0)),
            (Some(2), vec![format!("{deployment} - {reason}")]),
            "{report:#}"
        );
        assert_eq!(done(&report, 0), Vec::<String>::new());
    }
    let path = super::file(&scenario, &login).display().to_string();
    let unnamed = tool.run(&["rollout", "-f", &path, "--yes", "--install"]).await;
    assert_eq!(unnamed.code, Some(2), "{unnamed:#?}");
    assert!(unnamed.err.contains("give --image NAME@sha256:DIGEST"), "{unnamed:#?}");
}

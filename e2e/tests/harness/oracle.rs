//! The oracles notice errors. No operator runs here: the test writes a correct state by hand, and then one error after
//! the other.

use std::collections::{BTreeMap, BTreeSet};

use e2e::cluster::{Cluster, Options};
use e2e::kubectl::Kubectl;
use e2e::oracle::{self, Allowed, Expected, Foreign, Login, Made, Needles};
use e2e::{OPERATOR_ACCOUNT, SYSTEM_NAMESPACE};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};
use serde_json::json;

use super::{SOON, create_namespace, wait_for_account};
use e2e::wait::eventually;

use crate::MACHINE;

/// One error: the commands that make and undo it, and a word of the oracle's report.
const WRONGS: [(&str, &str, &str); 12] = [
    (
        "label secret company -n a app.kubernetes.io/managed-by-",
        "label secret company -n a app.kubernetes.io/managed-by=pullsecrets",
        "keeper",
    ),
    (
        "label secret company -n a pullsecrets.dev/cluster-pull-secret-",
        "label secret company -n a pullsecrets.dev/cluster-pull-secret=company",
        "names its object",
    ),
    ("delete secret company -n a", "RESTORE", "missing in [\"a\"]"),
    (
        r#"patch secret company -n a -p {"data":{"spare":"Y29ycmVjdCBob3JzZSBiYXR0ZXJ5"}}"#,
        "RESTORE",
        "secret a/company holds a login beside",
    ),
    (
        "create secret generic spare -n b --from-literal=key=Y29ycmVjdCBob3JzZSBiYXR0ZXJ5 --field-manager=pullsecrets",
        "delete secret spare -n b",
        "should not be in the secrets [\"b/spare\"]",
    ),
    (
        // {"auths":{"r":{"auth":"…"}}}, with the pair in base64 once more.
        "create secret generic company -n b --from-literal=x={\"auths\":{\"r\":{\"auth\":\"cm9ib3Q6Y29ycmVjdCBob3JzZSBiYXR0ZXJ5\"}}} --field-manager=pullsecrets",
        "delete secret company -n b",
        "should not be in the secrets [\"b/company\"]",
    ),
    (
        r#"patch secret company -n a -p {"data":{".dockerconfigjson":"eyJhdXRocyI6e319"}}"#,
        "RESTORE",
        "has logins for",
    ),
    (
        r#"patch secret company -n a --type=merge -p {"metadata":{"ownerReferences":null}}"#,
        "RESTORE",
        "0 owners",
    ),
    (
        r#"patch sa default -n a --type=merge -p {"imagePullSecrets":[{"name":"theirs"}]}"#,
        r#"patch sa default -n a --type=merge -p {"imagePullSecrets":[{"name":"theirs"},{"name":"company"}]}"#,
        "refers 0 times",
    ),
    (
        r#"patch sa default -n a --type=merge -p {"imagePullSecrets":[{"name":"company"},{"name":"company"}]}"#,
        r#"patch sa default -n a --type=merge -p {"imagePullSecrets":[{"name":"theirs"},{"name":"company"}]}"#,
        "refers 2 times",
    ),
    (
        "annotate sa default -n a pullsecrets.dev/attached-",
        "annotate sa default -n a pullsecrets.dev/attached=company",
        "records it 0 times",
    ),
    (
        r#"patch sa default -n b --type=merge -p {"imagePullSecrets":[{"name":"company"}]}"#,
        r#"patch sa default -n b --type=merge -p {"imagePullSecrets":null}"#,
        "serviceaccount b/default",
    ),
];

/// The login of the copy.
const CONFIG: &str = r#"{"auths":{"registry.example.com":{"auth":"cm9ib3Q6Y29ycmVjdCBob3JzZSBiYXR0ZXJ5","password":"correct horse battery","username":"robot"}}}"#;

#[tokio::test]
async fn each_way_to_be_wrong_is_seen() {
    let _beside = MACHINE.read().await;
    let cluster = Cluster::start(Options::default()).await.unwrap();
    cluster.install().await.unwrap();
    let client = cluster.admin().await.unwrap();
    let kubectl = cluster.kubectl();
    for namespace in ["a", "b"] {
        create_namespace(&client, namespace).await;
        wait_for_account(&client, namespace).await;
    }
    let expected = expected();
    write_by_hand(&kubectl, &client).await;
    oracle::check(&client, &expected).await.unwrap();

    for (there, back, word) in WRONGS {
        run(&kubectl, there).await;
        let told = oracle::check(&client, &expected).await.err().unwrap_or_default();
        assert!(told.contains(word), "{there}: {told}");
        if back == "RESTORE" {
            run(&kubectl, "delete secret company -n a --ignore-not-found").await;
            write_copy(&kubectl, &client).await;
        } else {
            run(&kubectl, back).await;
        }
        oracle::check(&client, &expected).await.unwrap();
    }

    what_a_deleted_object_left_is_seen(&kubectl, &client, &expected).await;
    what_the_operator_wrote_is_its_own(&cluster, &kubectl, &client, &expected).await;
}

async fn what_a_deleted_object_left_is_seen(kubectl: &Kubectl, client: &Client, expected: &Expected) {
    run(kubectl, "delete cps company --cascade=orphan").await;
    let needles = Needles::of(expected.logins.values());
    let gone = async || oracle::check_gone(client, "company", "company", &needles, &Allowed::default()).await;
    let told = gone().await.unwrap_err();
    assert!(told.contains("should not be in [\"a\"]"), "{told}");
    run(
        kubectl,
        "label secret company -n a pullsecrets.dev/cluster-pull-secret-",
    )
    .await;
    let told = gone().await.unwrap_err();
    assert!(told.contains("should not be in the secrets [\"a/company\"]"), "{told}");
    run(kubectl, "delete secret company -n a").await;
    let told = gone().await.unwrap_err();
    assert!(told.contains("serviceaccount a/default"), "{told}");
    run(
        kubectl,
        r#"patch sa default -n a --type=merge -p {"imagePullSecrets":[{"name":"theirs"}]}"#,
    )
    .await;
    run(kubectl, "annotate sa default -n a pullsecrets.dev/attached-").await;
    gone().await.unwrap();
}

/// Checks that this holds even if managedFields name another manager.
async fn what_the_operator_wrote_is_its_own(
    cluster: &Cluster,
    kubectl: &Kubectl,
    client: &Client,
    expected: &Expected,
) {
    let needles = Needles::of(expected.logins.values());
    let allowed = Allowed {
        made: Made::Recorded(cluster.audit()),
        ..Allowed::default()
    };
    let gone = async || oracle::check_gone(client, "company", "company", &needles, &allowed).await;
    let mut holder = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "holder", "namespace": "b"},
        "stringData": {".dockerconfigjson": CONFIG},
    });
    kubectl.apply(&holder.to_string()).await.unwrap();
    gone().await.unwrap();
    run(kubectl, "delete secret holder -n b").await;
    holder["metadata"]["labels"] = json!({"pullsecrets.dev/cluster-pull-secret": "company"});
    let operator = cluster
        .service_account_kubeconfig(SYSTEM_NAMESPACE, OPERATOR_ACCOUNT)
        .await;
    let operator = format!("--kubeconfig={}", operator.unwrap().display());
    let disguised = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=kubectl",
        "-f",
        "-",
    ];
    let arguments: Vec<&str> = std::iter::once(operator.as_str()).chain(disguised).collect();
    kubectl.run(&arguments, &holder.to_string()).await.unwrap();
    run(kubectl, "label secret holder -n b pullsecrets.dev/cluster-pull-secret-").await;
    cluster.audit().settle(client).await.unwrap();
    let told = gone().await.unwrap_err();
    assert!(told.contains("should not be in the secrets [\"b/holder\"]"), "{told}");
}

/// A change of a foreign object is seen; a change of the operator's own part of an account is not.
#[tokio::test]
async fn foreign_changes_are_seen_own_are_not() {
    let _beside = MACHINE.read().await;
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let client = cluster.admin().await.unwrap();
    let kubectl = cluster.kubectl();
    create_namespace(&client, "a").await;
    wait_for_account(&client, "a").await;
    run(&kubectl, "create secret generic theirs -n a --from-literal=k=v").await;
    run(
        &kubectl,
        r#"patch sa default -n a -p {"imagePullSecrets":[{"name":"one"},{"name":"two"}]}"#,
    )
    .await;
    let foreign = Foreign::in_namespaces(&client, &["a".to_owned()], &["company"])
        .await
        .unwrap();

    let ours = r#"{"imagePullSecrets":[{"name":"one"},{"name":"company"},{"name":"two"}],"metadata":{"annotations":{"pullsecrets.dev/attached":"company"}}}"#;
    run(&kubectl, &format!("patch sa default -n a --type=merge -p {ours}")).await;
    foreign.check_unchanged(&client).await.unwrap();

    let swapped = r#"{"imagePullSecrets":[{"name":"two"},{"name":"company"},{"name":"one"}]}"#;
    run(&kubectl, &format!("patch sa default -n a --type=merge -p {swapped}")).await;
    let told = foreign.check_unchanged(&client).await.unwrap_err();
    assert!(told.contains("serviceaccount a/default"), "{told}");
    run(&kubectl, &format!("patch sa default -n a --type=merge -p {ours}")).await;

    run(&kubectl, "label secret theirs -n a touched=yes").await;
    let told = foreign.check_unchanged(&client).await.unwrap_err();
    assert!(told.contains("secret a/theirs"), "{told}");
    run(&kubectl, "delete secret theirs -n a").await;
    let told = foreign.check_unchanged(&client).await.unwrap_err();
    assert!(told.contains("secret a/theirs is gone"), "{told}");
}

/// Runs a command. Its words must have no blanks.
async fn run(kubectl: &Kubectl, command: &str) {
    kubectl.run(&command.split(' ').collect::<Vec<_>>(), "").await.unwrap();
}

fn expected() -> Expected {
    Expected {
        object: "company".to_owned(),
        secret: "company".to_owned(),
        logins: BTreeMap::from([(
            "registry.example.com".to_owned(),
            Login::new("robot", "correct horse battery"),
        )]),
        holders: BTreeMap::from([("a".to_owned(), BTreeSet::from(["default".to_owned()]))]),
    }
}

async fn write_by_hand(kubectl: &Kubectl, client: &Client) {
    let object = json!({
        "apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret", "metadata": {"name": "company"},
        "spec": {
            "registries": [{
                "server": "registry.example.com",
                "credentials": {"basicAuth": {"secretRef": {"name": "company"}}},
            }],
            "namespaces": {"names": ["a"]},
        },
    });
    kubectl.apply(&object.to_string()).await.unwrap();
    write_copy(kubectl, client).await;
    run(
        kubectl,
        r#"patch sa default -n a -p {"imagePullSecrets":[{"name":"theirs"},{"name":"company"}]}"#,
    )
    .await;
    run(kubectl, "annotate sa default -n a pullsecrets.dev/attached=company").await;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "a");
    assert!(accounts.get("default").await.unwrap().metadata.annotations.is_some());
}

async fn write_copy(kubectl: &Kubectl, client: &Client) {
    let uid = eventually("the object is there", SOON, async || {
        let object = oracle::object(client, "company").await?.ok_or("no object")?;
        object.metadata.uid.ok_or_else(|| "no uid".to_owned())
    })
    .await;
    let copy = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {
            "name": "company", "namespace": "a",
            "labels": {
                "pullsecrets.dev/cluster-pull-secret": "company",
                "app.kubernetes.io/managed-by": "pullsecrets",
            },
            "ownerReferences": [{
                "apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret", "name": "company", "uid": uid,
            }],
        },
        "stringData": {".dockerconfigjson": CONFIG},
    });
    // Under the operator's field manager, so that it counts as the operator's.
    let arguments = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=pullsecrets",
        "-f",
        "-",
    ];
    kubectl.run(&arguments, &copy.to_string()).await.unwrap();
}

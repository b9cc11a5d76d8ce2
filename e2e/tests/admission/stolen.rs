//! What a thief of the operator's token can do, with and without the policy on the operator.

use e2e::client;
use e2e::cluster::Cluster;
use e2e::wait::eventually;
use e2e::{OPERATOR_ACCOUNT, SYSTEM_NAMESPACE};
use kube::Client;
use serde_json::{Value, json};

use crate::admission::bare::{self, SOON};

/// Description, verb, path and body, and the result without the policy and with it: `done`, `no right` (refused by
/// RBAC) or `policy`. Admission does not see reads, so there the rule on Secrets in `config/rbac/cluster_role.yaml`
/// decides alone.
const ROWS: &str = include_str!("stolen.json");

/// As [`ROWS`], where the names `company` and `base` are managed: verb by verb and name by name, for Secrets only.
const NAMED: &str = include_str!("stolen_named.json");

const CORE: &str = "/api/v1/namespaces/victim";
const OBJECTS: &str = "/apis/pullsecrets.dev/v1alpha1/clusterpullsecrets";
const LABEL: &str = "pullsecrets.dev/cluster-pull-secret";

/// A stolen token reads every Secret, and writes only pull Secrets with the operator's label and references.
#[tokio::test]
async fn stolen_token_writes_only_copies_and_references() {
    let cluster = bare::own().await.unwrap();
    bare::apply(&cluster, &victims(SYSTEM_NAMESPACE)).await;
    let thief = thief(&cluster).await;
    let rows: Vec<Value> = serde_json::from_str(ROWS).unwrap();
    check(&thief, &rows, "with").await;
    what_much_there_is_may_be_rotated(&cluster, &thief).await;
    take_the_policy_away(&cluster, &thief, "victim", "probe").await;
    check(&thief, &rows, "without").await;
}

/// Checks the cost of the policy with large copies and accounts. The server refuses a write whose expression costs too
/// much, so a tenant's additions must not make it so.
async fn what_much_there_is_may_be_rotated(cluster: &Cluster, thief: &Client) {
    let many = |value: &str| -> Value { (0..5_000).map(|at| (format!("x{at}"), json!(value))).collect() };
    let mut copy = secret("victim", "crowded", "kubernetes.io/dockerconfigjson", &many("a"));
    copy["metadata"]["labels"][LABEL] = json!("object");
    copy["metadata"]["annotations"] = many("a");
    copy["data"] = many("");
    copy["data"][".dockerconfigjson"] = json!("e30=");
    copy["data"]["large"] = json!("QUFB".repeat(300_000));
    let entries: Vec<Value> = (0..1_000).map(|at| json!({"name": format!("x{at}")})).collect();
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "imagePullSecrets": [{"name": "ours"}],
        "metadata": {"name": "crowded", "namespace": "victim", "annotations": {"pullsecrets.dev/attached": "ours"}}});
    let mut crowded = account.clone();
    crowded["imagePullSecrets"]
        .as_array_mut()
        .unwrap()
        .extend(entries.clone());
    bare::apply(cluster, &[copy, crowded]).await;
    let rotated =
        json!({"data": {".dockerconfigjson": "eyJhIjoxfQ=="}, "metadata": {"labels": {"app.kubernetes.io/name": "a"}}});
    let path = format!("{CORE}/secrets/crowded");
    assert_eq!(answer(thief, "merge", &path, &rotated).await, "done");
    let path = format!("{CORE}/serviceaccounts/crowded");
    let detached = json!({"imagePullSecrets": entries});
    assert_eq!(answer(thief, "merge", &path, &detached).await, "done");
}

/// A stolen token of the named installation reads no other Secret and gains no right.
#[tokio::test]
async fn stolen_named_token_reads_no_other_secret() {
    let cluster = bare::own_named(&["company", "base"]).await.unwrap();
    bare::apply(&cluster, &victims(SYSTEM_NAMESPACE)).await;
    let foreign = secret("victim", "base", "Opaque", &json!({}));
    let copy = secret(
        "victim",
        "company",
        "kubernetes.io/dockerconfigjson",
        &json!({LABEL: "object"}),
    );
    bare::apply(&cluster, &[foreign, copy]).await;
    let thief = thief(&cluster).await;

    let mut rows: Vec<Value> = serde_json::from_str(ROWS).unwrap();
    let own = format!("/api/v1/namespaces/{SYSTEM_NAMESPACE}/");
    for row in &mut rows {
        let path = row["path"].as_str().unwrap();
        if path.contains("/secrets") && !path.starts_with(&own) {
            row["with"] = json!("no right");
            row["without"] = json!("no right");
        }
    }
    rows.extend(serde_json::from_str::<Vec<Value>>(NAMED).unwrap());
    check(&thief, &rows, "with").await;
    take_the_policy_away(&cluster, &thief, "default", "base").await;
    check(&thief, &rows, "without").await;
}

/// Removes the policy. `probe` is the name of a missing Secret that RBAC lets the thief create in `namespace`.
pub(super) async fn take_the_policy_away(cluster: &Cluster, thief: &Client, namespace: &str, probe: &str) {
    cluster
        .kubectl()
        .run(&["delete", "-k", "config/admission/operator"], "")
        .await
        .unwrap();
    let forbidden = secret(namespace, probe, "Opaque", &json!({}));
    let path = format!("/api/v1/namespaces/{namespace}/secrets/{probe}");
    eventually("no policy is in force", SOON, async || {
        match answer(thief, "apply", &path, &forbidden).await {
            "done" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;
}

/// A role that is bound by mistake does not widen the operator's writes.
#[tokio::test]
async fn mistaken_role_binding_widens_no_write() {
    let cluster = bare::own().await.unwrap();
    bare::apply(&cluster, &victims(SYSTEM_NAMESPACE)).await;
    let thief = thief(&cluster).await;
    let role = "create clusterrole everything --verb=* --resource=*.*,*.*/status,serviceaccounts/token,pods/exec";
    let bind =
        "create clusterrolebinding everything --clusterrole=everything --serviceaccount=pullsecrets-system:pullsecrets";
    for command in [role, bind] {
        let arguments: Vec<&str> = command.split(' ').collect();
        cluster.kubectl().run(&arguments, "").await.unwrap();
    }
    let configmap = json!({"metadata": {"name": "c"}});
    let container = json!([{"name": "a", "image": "a"}]);
    let pod = json!({"metadata": {"name": "a"}, "spec": {"containers": container}});
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"});
    let binding = json!({"metadata": {"name": "b"}, "roleRef": role, "subjects": []});
    let object = bare::object("new", &json!({"namespaces": {"selectors": [{}]}}));
    eventually("the role is in force", SOON, async || {
        match answer(&thief, "post", &format!("{CORE}/configmaps"), &configmap).await {
            "policy" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;
    for (verb, path, body) in [
        ("post", format!("{CORE}/pods"), &pod),
        (
            "post",
            format!("{CORE}/serviceaccounts/default/token"),
            &json!({"spec": {"audiences": ["a"]}}),
        ),
        (
            "post",
            format!("{CORE}/serviceaccounts"),
            &json!({"metadata": {"name": "new"}}),
        ),
        ("delete", format!("{CORE}/serviceaccounts/default"), &Value::Null),
        (
            "post",
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings".to_owned(),
            &binding,
        ),
        ("merge", CORE.to_owned(), &json!({"metadata": {"labels": {"a": "b"}}})),
        ("post", OBJECTS.to_owned(), &object),
        ("delete", format!("{OBJECTS}/object"), &Value::Null),
    ] {
        assert_eq!(answer(&thief, verb, &path, body).await, "policy", "{verb} {path}");
    }
}

/// Checks each row of the table for an installation under other names, with its policies. It has no operator yet.
pub(crate) async fn each_row_holds_for(cluster: &Cluster, namespace: &str, account: &str) {
    bare::apply(cluster, &victims(namespace)).await;
    let rows = ROWS
        .replace("pullsecrets-system", namespace)
        .replace(
            "validatingadmissionpolicies/pullsecrets-",
            &format!("validatingadmissionpolicies/{account}-"),
        )
        .replace("clusterroles/pullsecrets", &format!("clusterroles/{account}"));
    let rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
    let thief = thief_of(cluster, namespace, account).await;
    let forbidden = secret("victim", "probe", "Opaque", &json!({}));
    eventually("the policies are in force", SOON, async || {
        match answer(&thief, "apply", &format!("{CORE}/secrets/probe"), &forbidden).await {
            "policy" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;
    check(&thief, &rows, "with").await;
}

pub(super) async fn thief(cluster: &Cluster) -> Client {
    thief_of(cluster, SYSTEM_NAMESPACE, OPERATOR_ACCOUNT).await
}

async fn thief_of(cluster: &Cluster, namespace: &str, account: &str) -> Client {
    let kubeconfig = cluster.service_account_kubeconfig(namespace, account).await;
    client::connect(&kubeconfig.unwrap()).await.unwrap()
}

pub(super) async fn check(thief: &Client, rows: &[Value], when: &str) {
    for row in rows {
        let (verb, path) = (row["verb"].as_str().unwrap(), row["path"].as_str().unwrap());
        let seen = answer(thief, verb, path, &row["body"]).await;
        assert_eq!(row[when], seen, "{when} the policy: {}", row["the thief"]);
    }
}

/// Returns the objects that the thief is after; `own` is the namespace of the operator.
fn victims(own: &str) -> Vec<Value> {
    let (ours, none) = (json!({LABEL: "object"}), json!({}));
    let mut object = bare::object("object", &json!({"namespaces": {"names": ["nowhere"]}}));
    object["metadata"]["finalizers"] = json!(["example.com/theirs"]);
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "victim"}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": "victim", "annotations": {"theirs": "kept"}}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "builder", "namespace": "victim", "annotations": {"pullsecrets.dev/attached": "ours"}},
            "imagePullSecrets": [{"name": "theirs"}, {"name": "ours"}, {"name": "theirs too"}]}),
        added_to(),
        secret("victim", "foreign", "Opaque", &none),
        secret("victim", "foreign-pull", "kubernetes.io/dockerconfigjson", &none),
        secret("victim", "copy", "kubernetes.io/dockerconfigjson", &ours),
        secret("victim", "retyped", "Opaque", &ours),
        secret(own, "source", "Opaque", &none),
        secret(own, "pullsecrets-state-1", "pullsecrets.dev/state", &none),
        object,
    ]
}

/// Returns a copy of an object from an older schema, with a tenant's additions.
fn added_to() -> Value {
    let labels = json!({LABEL: "object", "team": "a", "argocd.argoproj.io/secret-type": "cluster"});
    let mut copy = secret("victim", "shared-copy", "kubernetes.io/dockerconfigjson", &labels);
    copy["metadata"]["annotations"] = json!({"pullsecrets.dev/declared": "team", "example.com/theirs": "kept"});
    copy["metadata"]["finalizers"] = json!(["example.com/theirs"]);
    copy["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "ServiceAccount", "name": "default", "uid": "theirs"}]);
    copy["data"]["theirs"] = json!("a2VwdA==");
    copy
}

fn secret(namespace: &str, name: &str, kind: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "type": kind, "data": {".dockerconfigjson": "e30="},
        "metadata": {"name": name, "namespace": namespace, "labels": labels}})
}

/// Returns the result of a dry run, which passes every check of a real request.
pub(super) async fn answer(client: &Client, verb: &str, path: &str, body: &Value) -> &'static str {
    let method = match verb {
        "apply" | "merge" => http::Method::PATCH,
        verb => verb.to_uppercase().parse().unwrap(),
    };
    let kind = match verb {
        "apply" => "application/apply-patch+yaml",
        "merge" => "application/merge-patch+json",
        _ => "application/json",
    };
    let more = if path.contains('?') { '&' } else { '?' };
    let dry = if verb == "get" {
        String::new()
    } else {
        format!("{more}dryRun=All&fieldManager=thief")
    };
    match e2e::client::send(client, method, &format!("{path}{dry}"), (kind, body)).await {
        Ok(_) => "done",
        Err(kube::Error::Api(status)) if is_of_a_policy_on_the_operator(&status.message) => "policy",
        Err(kube::Error::Api(status)) if status.code == 403 => "no right",
        Err(error) => panic!("{verb} {path}: {error}"),
    }
}

/// Whether an answer is that of a policy of `config/admission/operator`, under the name of any installation.
fn is_of_a_policy_on_the_operator(message: &str) -> bool {
    let name = message
        .split_once("ValidatingAdmissionPolicy '")
        .and_then(|(_, rest)| rest.split_once('\''));
    name.is_some_and(|(name, _)| name.contains("pullsecrets-operator-"))
}

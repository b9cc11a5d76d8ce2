//! The search for leaked credentials finds them everywhere, and accepts allowed ones. No operator runs here: the test
//! leaks them by hand.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::canary::Canary;
use e2e::cluster::{Cluster, Options};
use e2e::kubectl::Kubectl;
use e2e::oracle::{Declared, Place};
use e2e::secrecy::{Holders, Places, Written, search};
use kube::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::MACHINE;

/// A leak, and the kubectl command that makes it.
struct Leak {
    object: Value,
    arguments: &'static [&'static str],
}

const APPLY: &[&str] = &["apply", "--server-side", "--force-conflicts", "-f", "-"];
const AS_THE_OPERATOR: &[&str] = &[
    "apply",
    "--server-side",
    "--force-conflicts",
    "--field-manager=pullsecrets",
    "-f",
    "-",
];

/// A credential is found wherever it leaks, and may be where it belongs.
#[tokio::test]
async fn leaks_are_found_and_holders_are_allowed() {
    let _beside = MACHINE.read().await;
    let cluster = Cluster::start(Options::default()).await.unwrap();
    cluster.install().await.unwrap();
    let (kubectl, client) = (cluster.kubectl(), cluster.admin().await.unwrap());
    let canary = Canary::new();
    let log = cluster.folder().join("operator.log");
    std::fs::write(&log, "nothing\n").unwrap();
    let written = ["company", "leak", "pullsecrets-state-u"].map(|name| ("default".to_owned(), name.to_owned()));
    let state = ("pullsecrets-system".to_owned(), "pullsecrets-state-u".to_owned());
    let written: BTreeSet<Place> = written.into_iter().chain([state]).collect();
    let places = Places {
        files: vec![log.clone()],
        health: None,
        metrics: None,
        holders: Holders {
            declared: vec![company()],
            written: Written::Only(written),
        },
    };

    for object in allowed(&canary) {
        run(&kubectl, AS_THE_OPERATOR, &object.to_string()).await;
    }
    let source = [
        "create",
        "secret",
        "generic",
        "source",
        "-n",
        "pullsecrets-system",
        "--save-config",
        &format!("--from-literal=password={}", canary.login("one").password),
    ];
    run(&kubectl, &source, "").await;
    search(&canary, &client, &places).await.unwrap();

    each_leak_is_found(&canary, &client, &kubectl, &places).await;

    std::fs::write(&log, format!("a line\n{:?}\n", canary.login("one").password.as_bytes())).unwrap();
    let told = search(&canary, &client, &places).await.unwrap_err().to_string();
    assert!(told.contains("operator.log, as a list of bytes"), "{told}");

    std::fs::write(&log, "nothing\n").unwrap();
    let leaky = format!("x{{user=\"{}\"}} 1\n", canary.login("one").username);
    let places = Places {
        metrics: Some(says(leaky).await),
        ..places
    };
    let told = search(&canary, &client, &places).await.unwrap_err().to_string();
    assert!(told.contains("/metrics, as it is"), "{told}");
}

async fn each_leak_is_found(canary: &Canary, client: &Client, kubectl: &Kubectl, places: &Places) {
    for Leak { object, arguments } in leaks(canary) {
        let (kind, name) = (
            object["kind"].as_str().unwrap(),
            object["metadata"]["name"].as_str().unwrap(),
        );
        run(kubectl, arguments, &object.to_string()).await;
        let told = search(canary, client, places).await.unwrap_err().to_string();
        assert!(told.contains(&format!("/{name}, ")), "{kind}: {told}");
        assert!(
            canary.found_in(&told).is_none(),
            "{kind}: the report contains the canary itself"
        );
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        run(kubectl, &["delete", kind, name, "-n", namespace], "").await;
        search(canary, client, places).await.unwrap();
    }
}

/// Returns the address of a server that always answers with this text.
async fn says(text: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut asks, _)) = listener.accept().await {
            let _ = asks.read(&mut [0; 1024]).await;
            let _ = asks
                .write_all(format!("HTTP/1.0 200 OK\r\n\r\n{text}").as_bytes())
                .await;
        }
    });
    address
}

/// Returns an object that selects one namespace.
fn company() -> Declared {
    Declared {
        name: "company".to_owned(),
        uid: "u".to_owned(),
        secret: "company".to_owned(),
        retains: false,
        spec: json!({}),
        home: e2e::SYSTEM_NAMESPACE.to_owned(),
        namespaces: BTreeSet::from(["default".to_owned()]),
    }
}

/// Returns a declared copy without a mark, and the operator's state. Both may hold the login.
fn allowed(canary: &Canary) -> [Value; 2] {
    let login = canary.login("one");
    let config =
        json!({"auths": {"r.io": {"auth": STANDARD.encode(format!("{}:{}", login.username, login.password))}}});
    let copy = secret("company", &json!({}), &config.to_string());
    let mut state = secret("pullsecrets-state-u", &json!({}), &config.to_string());
    state["metadata"]["namespace"] = json!("pullsecrets-system");
    state["type"] = json!("pullsecrets.dev/state");
    [copy, state]
}

fn secret(name: &str, labels: &Value, config: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "data": {".dockerconfigjson": STANDARD.encode(config)},
    })
}

fn leaks(canary: &Canary) -> Vec<Leak> {
    let login = canary.login("one");
    let once = STANDARD.encode(&login.password);
    let annotated = |version: &str, kind: &str| {
        json!({
            "apiVersion": version, "kind": kind,
            "metadata": {"name": "leak", "namespace": "default", "annotations": {"a": login.password}},
        })
    };
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "leak", "namespace": "default"},
        "data": {"a": STANDARD.encode(format!("x{once}"))},
    });
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "leak", "namespace": "default"},
        "involvedObject": {"namespace": "default"}, "message": format!("cannot read {once}"),
    });
    let mut noted = secret("leak", &json!({"pullsecrets.dev/cluster-pull-secret": "company"}), "{}");
    noted["metadata"]["annotations"] = json!({"a": once});
    // The mark alone does not allow a login.
    let labels = json!({"pullsecrets.dev/cluster-pull-secret": "company"});
    let mut marked = secret("leak", &labels, &json!({"a": login.password}).to_string());
    marked["metadata"]["annotations"] = json!({"pullsecrets.dev/retained": "company"});
    let mut spare = secret("leak", &json!({}), "{}");
    spare["data"]["other"] = json!(once);
    let mut elsewhere = secret("pullsecrets-state-u", &json!({}), "{}");
    elsewhere["data"]["other"] = json!(once);
    let object = json!({
        "apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret",
        "metadata": {"name": "leak", "annotations": {"a": login.username}},
        "spec": {
            "registries": [{"server": "r.io", "credentials": {"basicAuth": {"secretRef": {"name": "s"}}}}],
            "namespaces": {"names": ["a"]},
        },
    });
    let leak = |object, arguments| Leak { object, arguments };
    vec![
        leak(annotated("v1", "ServiceAccount"), APPLY),
        leak(annotated("coordination.k8s.io/v1", "Lease"), APPLY),
        leak(map, APPLY),
        leak(event, APPLY),
        leak(noted, AS_THE_OPERATOR),
        leak(marked, AS_THE_OPERATOR),
        leak(spare, AS_THE_OPERATOR),
        leak(elsewhere, AS_THE_OPERATOR),
        leak(object, APPLY),
    ]
}

async fn run(kubectl: &Kubectl, arguments: &[&str], input: &str) {
    kubectl.run(arguments, input).await.unwrap();
}

//! Accounts and Pods with thousands of entries: what the policies on their creation cost.

use std::time::{Duration, Instant};

use e2e::wait::eventually;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::bare;

/// The policies ignore objects of this namespace.
const EXCLUDED: &str = "crowded-excluded";
const SERVED: &str = "crowded";

/// Returns `count` elements, each made from its number in few characters.
fn many(count: usize, element: impl Fn(&str) -> Value) -> Value {
    (0..count).map(|at| element(&format!("{at:x}"))).collect()
}

fn entries(count: usize) -> Value {
    many(count, |at| json!({"name": format!("s{at}")}))
}

/// Returns objects that a tenant may create: what is crowded, the resource, and the object. With more entries, the server
/// itself takes seconds.
fn crowded() -> Vec<(&'static str, &'static str, Value)> {
    let image = |at: &str| format!("r{at}.example.org/a");
    let containers = |count| many(count, |at| json!({"name": format!("c{at}"), "image": image(at)}));
    let volumes = many(
        6_000,
        |at| json!({"name": format!("v{at}"), "image": {"reference": image(at)}}),
    );
    let name = json!({"name": "crowded"});
    let pod = |containers, entries| json!({"metadata": name, "spec": {"containers": containers, "imagePullSecrets": entries}});
    let mut with_volumes = pod(containers(1), entries(1));
    with_volumes["spec"]["volumes"] = volumes;
    vec![
        (
            "imagePullSecrets",
            "serviceaccounts",
            json!({"metadata": name, "imagePullSecrets": entries(27_000)}),
        ),
        ("imagePullSecrets", "pods", pod(containers(1), entries(27_000))),
        ("containers", "pods", pod(containers(6_000), entries(1))),
        ("volumes", "pods", with_volumes),
    ]
}

/// Creates the object by a dry run, which the server may refuse. Returns how long the server took.
async fn create(client: &Client, namespace: &str, resource: &str, object: &str) -> Duration {
    let path = format!("/api/v1/namespaces/{namespace}/{resource}?dryRun=All");
    let request = http::Request::post(path).header("Content-Type", "application/json");
    let request = request.body(object.to_owned().into_bytes()).unwrap();
    let began = Instant::now();
    match client.request_text(request).await {
        Ok(_) | Err(kube::Error::Api(_)) => began.elapsed(),
        Err(error) => panic!("{resource}: {error}"),
    }
}

/// Whether a creation costs little more with the policies than without. Without their limits it takes 4 to 10 s more.
fn is_little(with: Duration, without: Duration) -> bool {
    with <= without * 3 + Duration::from_secs(1)
}

/// A creation of any size costs the server a bounded time more than without the policies.
#[tokio::test]
async fn crowded_creations_cost_the_server_little() {
    let cluster = bare::own().await.unwrap();
    let client = cluster.admin().await.unwrap();
    for policy in ["accounts", "pods"] {
        cluster.kubectl().apply(&bare::manifest(policy)).await.unwrap();
    }
    bare::namespace(&client, EXCLUDED, &[("pullsecrets.dev/exclude", "true")]).await;
    bare::namespace(&client, SERVED, &[]).await;
    let selector = json!({"matchLabels": {"a": "b", "c": "d"},
        "matchExpressions": [{"key": "x", "operator": "In", "values": ["y"]}]});
    let accounts = json!({"names": ["*a*a*a*"], "selectors": vec![selector; 8], "excluded": ["*x*x*x*"]});
    let registries = many(16, |at| {
        let server = format!("*.*.s{at}.example.com/team");
        json!({"server": server, "credentials": {"dockerConfig": {"secretRef": {"name": "any"}}}})
    });
    let spec = json!({"namespaces": {"selectors": [{}]}, "serviceAccounts": accounts, "registries": registries});
    bare::apply(&cluster, &[bare::object("crowd", &spec)]).await;
    bare::wait_until_seen(&cluster, &client, "zz-crowded").await;
    // The server refuses a Pod without an account before it runs a policy.
    for namespace in [EXCLUDED, SERVED] {
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
        eventually("the namespace has its account", bare::SOON, async || {
            let account = accounts.get("default").await;
            account.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    for (what, resource, object) in crowded() {
        let object = object.to_string();
        let (mut without, mut with) = (Duration::MAX, Duration::MAX);
        // Other tests may delay either.
        for _ in 0..3 {
            without = create(&client, EXCLUDED, resource, &object).await.min(without);
            with = create(&client, SERVED, resource, &object).await.min(with);
            if is_little(with, without) {
                break;
            }
        }
        println!("{resource} with many {what}: {without:?} without the policies, {with:?} with them");
        assert!(
            is_little(with, without),
            "{resource} with many {what}: {with:?}, {without:?}"
        );
    }
    for (count, is_added) in [(100, true), (101, false)] {
        let account = json!({"metadata": {"name": "few", "namespace": SERVED}, "imagePullSecrets": entries(count)});
        let seen = bare::names(bare::would_be(&client, &account).await.unwrap().image_pull_secrets);
        let is_seen = seen.iter().any(|name| name == "zz-crowded");
        assert_eq!(is_seen, is_added, "{count} entries");
    }
}

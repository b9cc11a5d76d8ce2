//! `adopt` on a real server, beside a writer for each tool that plays its objects and its writes.
//!
//! A writer runs before, during and after the adoption. It looks at the same switches as the tool: the replicas of its
//! Deployment, `synchronize` of its policy, its annotations. The tests run the commands that the plan prints, word for
//! word, and judge every state that a watch has shown.

pub(crate) mod history;
pub(crate) mod left;
pub(crate) mod stories;
pub(crate) mod tools;
pub(crate) mod writers;

use e2e::cluster::Cluster;
use serde_json::Value;

/// Creates an object, and returns it as stored.
async fn create(cluster: &Cluster, object: &Value) -> Value {
    let create = ["create", "-f", "-", "-o", "json"];
    let created = cluster.kubectl().run(&create, &object.to_string()).await;
    serde_json::from_str(&created.unwrap()).unwrap()
}

/// Reads an object by its path, if it exists.
async fn read(client: &kube::Client, path: &str) -> Option<Value> {
    let body = e2e::client::get(client, path).await.ok()?;
    serde_json::from_str(&body).ok()
}

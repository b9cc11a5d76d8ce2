//! The whole content of the store, of every kind.

use futures::{StreamExt, TryStreamExt, stream};
use kube::Client;
use serde::Deserialize;
use serde_json::Value;

use crate::client::get;

/// Requests the resources of all groups in one response.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Concurrent lists; the API server is on the same machine.
const AT_ONCE: usize = 8;

/// One list from the API server.
#[derive(Debug)]
pub struct Listed {
    /// Its path, for instance `/api/v1/secrets`.
    pub path: String,
    /// The response as text: a search needs no parsing.
    pub text: String,
}

impl Listed {
    /// Returns the objects in it.
    ///
    /// # Errors
    ///
    /// When the response is not a list.
    pub fn items(&self) -> anyhow::Result<Vec<Value>> {
        #[derive(Deserialize)]
        struct Items {
            items: Vec<Value>,
        }
        let Items { items } = serde_json::from_str(&self.text)?;
        Ok(items)
    }
}

/// Lists every resource of the API, each in one version, over all namespaces.
///
/// # Errors
///
/// Any response other than success.
pub async fn everything(client: &Client) -> anyhow::Result<Vec<Listed>> {
    let paths = paths(client).await?;
    let lists = paths.into_iter().map(|path| async move {
        let text = get(client, &path).await?;
        anyhow::Ok(Listed { path, text })
    });
    stream::iter(lists).buffer_unordered(AT_ONCE).try_collect().await
}

async fn paths(client: &Client) -> anyhow::Result<Vec<String>> {
    let mut paths = Vec::new();
    for root in ["/api", "/apis"] {
        let request = http::Request::get(root).header(http::header::ACCEPT, AGGREGATED);
        let Groups { items } = client.request(request.body(Vec::new())?).await?;
        for group in items {
            group.list_into(root, &mut paths);
        }
    }
    Ok(paths)
}

#[derive(Deserialize)]
struct Groups {
    items: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: Metadata,
    versions: Vec<Version>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Version {
    version: String,
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    resource: String,
    #[serde(default)]
    verbs: Vec<String>,
}

impl Group {
    /// Adds the paths of a group. Its preferred version comes first, and each resource is listed in the first version
    /// that has it.
    fn list_into(&self, root: &str, paths: &mut Vec<String>) {
        let Self { metadata, versions } = self;
        let mut seen = Vec::new();
        for Version { version, resources } in versions {
            let base = match metadata.name.as_str() {
                "" => format!("{root}/{version}"),
                group => format!("{root}/{group}/{version}"),
            };
            for Resource { resource, verbs } in resources {
                if verbs.iter().any(|verb| verb == "list") && !seen.contains(&resource) {
                    seen.push(resource);
                    paths.push(format!("{base}/{resource}"));
                }
            }
        }
    }
}

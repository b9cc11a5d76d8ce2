//! No object of any kind names the product any more.

use e2e::store;
use kube::Client;
use serde_json::Value;

/// Searches every object of the API for the name of the product. `managedFields` may name a former writer forever, and
/// Events may name it for an hour.
pub(crate) async fn nothing_is_left(client: &Client) -> Result<(), String> {
    let lists = store::everything(client).await.map_err(|error| format!("{error:#}"))?;
    for list in lists.iter().filter(|list| !list.path.ends_with("/events")) {
        for mut item in list.items().map_err(|error| format!("{}: {error}", list.path))? {
            item["metadata"]["managedFields"].take();
            if names_us(&item) {
                let metadata = &item["metadata"];
                return Err(format!("{} {}/{}", list.path, metadata["namespace"], metadata["name"]));
            }
        }
    }
    Ok(())
}

fn names_us(value: &Value) -> bool {
    value.to_string().contains("pullsecrets")
}

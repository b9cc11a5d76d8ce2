//! Concurrent edits of the object that the operator has just written.

use http::Request;
use serde_json::{Value, json};

use super::about::About;
use super::answers::Error;
use super::shared::{Shared, lock};

/// The entry of another party in the list of an account from the beginning.
const FOREIGN: &str = "theirs";

/// The entry that another writer adds to an account.
pub const LATE: &str = "late";

impl Shared {
    /// Edits the same object in a way that the operator must leave alone. Skips an object that does not exist.
    pub(super) async fn edit_concurrently(&self, about: &About) -> Result<(), Error> {
        let patch = if about.resource == "serviceaccounts" {
            let mut entries = self.entries(about).await?;
            entries.push(json!({"name": LATE}));
            json!({"imagePullSecrets": entries})
        } else {
            json!({"metadata": {"annotations": {"example.com/theirs": "late"}}})
        };
        self.patch(about, &patch).await
    }

    /// Undoes a write of the operator.
    pub(super) async fn undo(&self, about: &About, what: &str) -> Result<(), Error> {
        let patch = if about.resource == "serviceaccounts" {
            let mut entries = self.entries(about).await?;
            // Undoes additions only: a removal by the operator stays.
            entries.retain(|entry| entry["name"] == FOREIGN || entry["name"] == LATE);
            json!({"imagePullSecrets": entries})
        } else {
            json!({"data": {".dockerconfigjson": "eyJhdXRocyI6e319"}})
        };
        *lock(&self.undone).entry(what.to_owned()).or_default() += 1;
        self.patch(about, &patch).await
    }

    async fn entries(&self, about: &About) -> Result<Vec<Value>, Error> {
        let request = Request::get(about.path()).body(Vec::new())?;
        let seen: Value = self.targets.admin.request(request).await?;
        Ok(seen["imagePullSecrets"].as_array().cloned().unwrap_or_default())
    }

    async fn patch(&self, about: &About, patch: &Value) -> Result<(), Error> {
        let request = Request::patch(about.path())
            .header(http::header::CONTENT_TYPE, "application/merge-patch+json")
            .body(patch.to_string().into_bytes())?;
        // Without an object of that name there is nothing to edit.
        let _ = self.targets.admin.request::<Value>(request).await;
        Ok(())
    }
}

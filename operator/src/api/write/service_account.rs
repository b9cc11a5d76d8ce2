//! Writes to `ServiceAccount`s.

use crd::names::{ANNOTATION_ATTACHED, FIELD_MANAGER_UNPROVEN};
use kube::Api;
use kube::api::Patch;
use plan::action::AccountAction;
use plan::observed::{Account, Entry};
use serde_json::{Value, json};

use super::{Writer, merging, outcome};
use crate::api::call::{call, found};
use crate::api::partial::PartialServiceAccount;
use crate::outcome::{ApiError, Outcome};

impl Writer {
    /// Writes the list and the record of the action to the account `name` in `namespace`, in one request.
    ///
    /// The request is a JSON merge patch with the resourceVersion, so any race is a 409. A JSON patch would not do:
    /// adding an absent parent wipes unseen fields, and its 422 looks like a refusal.
    pub async fn account(&self, namespace: &str, name: &str, action: &AccountAction) -> Outcome<Account> {
        let api: Api<PartialServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let patch = Patch::Merge(body(action));
        let mut params = merging();
        if !action.proves {
            params.field_manager = Some(FIELD_MANAGER_UNPROVEN.to_owned());
        }
        let written = call(api.patch(name, &params, &patch))
            .await
            .map(PartialServiceAccount::facts);
        let outcome = outcome(written, || async {
            call(api.get(name)).await.map(PartialServiceAccount::facts)
        })
        .await;
        self.counted("account", outcome)
    }

    /// The field manager that last wrote the list, if it is not ours.
    pub async fn last_writer_of_account(&self, namespace: &str, name: &str) -> Result<Option<String>, ApiError> {
        let managed = self.managed::<PartialServiceAccount>(namespace, name).await?;
        Ok(managed.last_writer(|fields| fields.get("f:imagePullSecrets").is_some()))
    }

    /// Reads one `ServiceAccount`.
    pub async fn read_account(&self, namespace: &str, name: &str) -> Result<Option<Account>, ApiError> {
        let api: Api<PartialServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        Ok(found(call(api.get(name)).await)?.map(PartialServiceAccount::facts))
    }
}

fn body(action: &AccountAction) -> Value {
    let attached = (!action.attached.is_empty()).then(|| action.attached.join(","));
    let entries: Vec<Value> = action.entries.iter().map(element).collect();
    json!({
        "metadata": {
            "uid": action.version.uid.to_string(),
            "resourceVersion": action.version.resource_version.to_string(),
            "annotations": {ANNOTATION_ATTACHED: attached},
        },
        "imagePullSecrets": entries,
    })
}

/// An element of the list as it was read.
fn element(entry: &Entry) -> Value {
    let raw = entry.raw_json().and_then(|json| serde_json::from_str(json).ok());
    raw.unwrap_or_else(|| json!({"name": entry.name()}))
}

#[cfg(test)]
mod tests {
    use plan::identity::Version;

    use super::*;

    #[test]
    fn the_patch_carries_version_list_and_record() {
        let mut action = AccountAction {
            version: Version::new("u", "7"),
            entries: vec![Entry::raw("", "{}"), Entry::named("a")],
            attached: vec!["a".into(), "b".into()],
            proves: true,
        };
        assert_eq!(
            body(&action),
            json!({
                "metadata": {"uid": "u", "resourceVersion": "7", "annotations": {"pullsecrets.dev/attached": "a,b"}},
                "imagePullSecrets": [{}, {"name": "a"}],
            })
        );
        action.attached.clear();
        assert_eq!(
            body(&action)["metadata"]["annotations"],
            json!({"pullsecrets.dev/attached": null})
        );
    }
}

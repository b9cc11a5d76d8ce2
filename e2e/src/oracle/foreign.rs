//! Objects of other parties, before and after.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use super::{ATTACHED, LABEL, list};

/// The state of everything in some namespaces that the operator does not own, at one moment.
///
/// For a foreign Secret the `resourceVersion` counts, so that even a write without a change is noticed. For a
/// `ServiceAccount` all fields count, except references to one Secret and the operator's own annotation. The operator
/// shares the object, but not its other parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    secrets: Vec<String>,
    namespaces: Vec<String>,
    found: BTreeMap<String, String>,
}

impl Foreign {
    /// Reads these namespaces now. References to `secrets` belong to the operator.
    ///
    /// # Errors
    ///
    /// The error of the API server.
    pub async fn in_namespaces(client: &Client, namespaces: &[String], secrets: &[&str]) -> Result<Self, String> {
        let ours: Vec<String> = secrets.iter().map(|&name| name.to_owned()).collect();
        let mut found = BTreeMap::new();
        for namespace in namespaces {
            let all: Api<Secret> = Api::namespaced(client.clone(), namespace);
            for foreign in list(&all, &ListParams::default().labels(&format!("!{LABEL}"))).await? {
                let (uid, version) = (foreign.uid().unwrap_or_default(), foreign.resource_version());
                let what = format!("secret uid {uid} version {version:?}");
                found.insert(format!("secret {namespace}/{}", foreign.name_any()), what);
            }
            let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
            for account in list(&accounts, &ListParams::default()).await? {
                let place = format!("serviceaccount {namespace}/{}", account.name_any());
                found.insert(place, theirs(account, &ours));
            }
        }
        Ok(Self {
            secrets: ours,
            namespaces: namespaces.to_vec(),
            found,
        })
    }

    /// Leaves out Secrets of the operator that lack its label at the moment. `ours` decides by uid.
    #[must_use]
    pub fn without(mut self, ours: impl Fn(&str) -> bool) -> Self {
        self.found
            .retain(|_, what| !what.strip_prefix("secret uid ").is_some_and(|rest| ours(uid_of(rest))));
        self
    }

    /// Leaves out an object that users change: `secret NAMESPACE/NAME` or `serviceaccount NAMESPACE/NAME`.
    #[must_use]
    pub fn except(mut self, place: &str) -> Self {
        self.found.remove(place);
        self
    }

    /// Checks that every object still exists unchanged. Additions of other writers do not count.
    ///
    /// # Errors
    ///
    /// The first object that differs, with both states (never data of a Secret).
    pub async fn check_unchanged(&self, client: &Client) -> Result<(), String> {
        let secrets: Vec<&str> = self.secrets.iter().map(String::as_str).collect();
        let now = Self::in_namespaces(client, &self.namespaces, &secrets).await?;
        for (place, before) in &self.found {
            match now.found.get(place) {
                Some(after) if after == before => {}
                Some(after) => return Err(format!("{place} was {before} and is {after}")),
                None => return Err(format!("{place} is gone")),
            }
        }
        Ok(())
    }
}

/// Returns the first word.
fn uid_of(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// Returns the parts of an account that the operator must not change, in one line.
fn theirs(account: ServiceAccount, ours: &[String]) -> String {
    let mut annotations = account.metadata.annotations.unwrap_or_default();
    annotations.remove(ATTACHED);
    let entries: Vec<String> = account
        .image_pull_secrets
        .into_iter()
        .flatten()
        .map(|entry| entry.name)
        .filter(|name| !ours.contains(name))
        .collect();
    let labels = account.metadata.labels.unwrap_or_default();
    let mounted = account.secrets.unwrap_or_default();
    let token = account.automount_service_account_token;
    format!(
        "uid {:?} entries {entries:?} annotations {annotations:?} labels {labels:?} secrets {mounted:?} token {token:?}",
        account.metadata.uid
    )
}

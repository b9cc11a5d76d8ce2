//! Gives adopted Secrets back.
//!
//! The operator itself leaves the copies: with `deletionPolicy: Retain`, the deletion of the object takes its label and its
//! owner off them and touches no list. Only then do the marks of the other tool return.

use serde_json::json;

use super::single::{Place, Work};
use crate::adopt::{Leftovers, Undo, write};
use crate::cluster::Failure;

impl Work<'_> {
    /// Gives back the Secrets of one name. `written` gets a line for each write.
    pub(super) async fn undo(&self, seen: &Leftovers, undo: &Undo, written: &mut Vec<String>) -> Result<(), String> {
        if let Some(object) = &undo.object {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            let uid = object.metadata.uid.as_deref().unwrap_or_default();
            self.left(name, uid, written).await?;
        }
        for namespace in &undo.namespaces {
            let place = Place::of_secret(namespace, &undo.secret);
            let restored = self.patched(place, |json| {
                let secret = json.map(|json| seen.secret_of(json)).transpose();
                let secret = secret.map_err(|error| error.to_string())?;
                Ok(secret.and_then(|secret| write::restore(seen, &secret)))
            });
            if restored.await? {
                self.say(written, format!("put the marks of its tool on {place} again"));
            }
        }
        for (namespace, name) in &undo.accounts {
            let unrecorded = self.account((namespace, name), |account| {
                let records = account.attached.contains(&undo.secret);
                records.then(|| write::unrecord(account, &undo.secret))
            });
            if unrecorded.await? {
                let line = format!("took the record off serviceaccount {namespace}/{name}, whose entry stays");
                self.say(written, line);
            }
        }
        if let Some((namespace, name, uid)) = &undo.source {
            self.delete(Place::of_secret(namespace, name), uid, written).await?;
        }
        Ok(())
    }

    /// Deletes the object so that the operator leaves the copies to their namespaces.
    async fn left(&self, name: &str, uid: &str, written: &mut Vec<String>) -> Result<(), String> {
        self.spec(name, "set deletionPolicy Retain on", written, |object| {
            let retains = object.spec.deletion_policy == crd::DeletionPolicy::Retain;
            (!retains).then(|| json!({"deletionPolicy": "Retain"}))
        })
        .await?;
        self.delete(Place::of_object(name), uid, written).await?;
        if self.dry_run {
            return Ok(());
        }
        let what = format!("the operator did not let ClusterPullSecret {name} go: does it run?");
        self.until(&what, async || match self.cps(name).await {
            Ok(_) => Ok(1),
            Err(Failure::NotFound) => Ok(0),
            Err(failure) => Err(failure),
        })
        .await
    }
}

//! Gives adopted Secrets back.
//!
//! The operator itself leaves the copies: with `deletionPolicy: Retain`, the deletion of the object takes its label and its
//! owner off them and touches no list. Only then do the marks of the other tool return.

use serde_json::json;

use super::single::{Run, TRIES};
use crate::adopt::{Leftovers, Undo, write};
use crate::cluster::{Failure, Place};
use crate::world::Kind;

impl Run<'_> {
    /// Gives back the Secrets of one name. `written` gets a line for each write.
    pub(super) async fn undo(&self, seen: &Leftovers, undo: &Undo, written: &mut Vec<String>) -> Result<(), String> {
        if let Some(object) = &undo.object {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            let uid = object.metadata.uid.as_deref().unwrap_or_default();
            self.left(name, uid, written).await?;
        }
        for namespace in &undo.namespaces {
            self.restore(seen, namespace, &undo.secret, written).await?;
        }
        for (namespace, name) in &undo.accounts {
            let done = self
                .account(namespace, name, |account| {
                    let records = account.attached.contains(&undo.secret);
                    records.then(|| write::unrecord(account, &undo.secret))
                })
                .await?;
            if done {
                self.say(
                    written,
                    format!("took the record off serviceaccount {namespace}/{name}, whose entry stays"),
                );
            }
        }
        if let Some((namespace, name, uid)) = &undo.source {
            let place = Place {
                kind: Kind::Secret,
                namespace: Some(namespace),
                name,
            };
            match self.writer.delete(place, uid).await {
                Ok(()) => self.say(written, format!("deleted secret {namespace}/{name}")),
                Err(Failure::NotFound) => {}
                Err(failure) => return Err(format!("secret {namespace}/{name}: {failure}")),
            }
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
        let place = Place {
            kind: Kind::ClusterPullSecret,
            namespace: None,
            name,
        };
        match self.writer.delete(place, uid).await {
            Ok(()) => self.say(written, format!("deleted clusterpullsecret {name}")),
            Err(Failure::NotFound) => {}
            Err(failure) => return Err(format!("clusterpullsecret {name}: {failure}")),
        }
        if self.writer.dry_run {
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

    async fn restore(
        &self,
        seen: &Leftovers,
        namespace: &str,
        name: &str,
        written: &mut Vec<String>,
    ) -> Result<(), String> {
        let place = Place {
            kind: Kind::Secret,
            namespace: Some(namespace),
            name,
        };
        let shown = format!("secret {namespace}/{name}");
        for _ in 0..TRIES {
            let body = match self.read(place).await {
                Ok(body) => body,
                Err(Failure::NotFound) => return Ok(()),
                Err(failure) => return Err(format!("{shown}: {failure}")),
            };
            let secret = seen.secret_of(&String::from_utf8_lossy(&body));
            let secret = secret.map_err(|error| format!("{shown}: {error}"))?;
            let Some(patch) = write::restore(seen, &secret) else {
                return Ok(());
            };
            match self.writer.patch(place, &patch).await {
                Ok(_) => {
                    self.say(written, format!("put the marks of its tool on {shown} again"));
                    return Ok(());
                }
                Err(Failure::Conflict) => {}
                Err(failure) => return Err(format!("{shown}: {failure}")),
            }
        }
        Err(format!("{shown}: another writer keeps changing it"))
    }
}

//! Single reads and writes of a run, and what it waits for.

use std::time::Duration;

use bytes::Bytes;
use crd::ClusterPullSecret;
use serde_json::Value;

use crate::adopt::{Account, Options, write};
use crate::cluster::{Failure, Place, Writer};
use crate::output::{Bar, note};
use crate::world::Kind;

/// How often the operator is asked how far it is.
const EVERY: Duration = Duration::from_millis(500);

/// How long the operator may make no progress.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often a write that lost a race is planned again.
pub(super) const TRIES: usize = 8;

/// One run against one cluster.
pub(super) struct Run<'a> {
    pub(super) writer: Writer<'a>,
    pub(super) options: Options<'a>,
    pub(super) bar: &'a Bar,
    pub(super) quiet: bool,
}

impl Run<'_> {
    /// Patches an account as it is now, unless `patch` finds no work.
    pub(super) async fn account(
        &self,
        namespace: &str,
        name: &str,
        patch: impl Fn(&Account) -> Option<Value>,
    ) -> Result<bool, String> {
        let place = Place {
            kind: Kind::ServiceAccount,
            namespace: Some(namespace),
            name,
        };
        let shown = format!("serviceaccount {namespace}/{name}");
        for _ in 0..TRIES {
            let body = match self.read(place).await {
                Ok(body) => body,
                Err(Failure::NotFound) => return Ok(false),
                Err(failure) => return Err(format!("{shown}: {failure}")),
            };
            let account = Account::of(&String::from_utf8_lossy(&body));
            let account = account.map_err(|error| format!("{shown}: {error}"))?;
            let Some(patch) = patch(&account) else {
                return Ok(false);
            };
            match self.writer.patch(place, &patch).await {
                Ok(_) => return Ok(true),
                Err(Failure::Conflict) => {}
                Err(failure) => return Err(format!("{shown}: {failure}")),
            }
        }
        Err(format!("{shown}: another writer keeps changing it"))
    }

    /// Patches the spec of the object, unless `patch` finds no work.
    pub(super) async fn spec(
        &self,
        name: &str,
        what: &str,
        written: &mut Vec<String>,
        patch: impl Fn(&ClusterPullSecret) -> Option<Value>,
    ) -> Result<(), String> {
        let shown = format!("clusterpullsecret {name}");
        for _ in 0..TRIES {
            let object = self.cps(name).await.map_err(|failure| format!("{shown}: {failure}"))?;
            let Some(spec) = patch(&object) else {
                return Ok(());
            };
            let place = Place {
                kind: Kind::ClusterPullSecret,
                namespace: None,
                name,
            };
            match self.writer.patch(place, &write::object(&object, &spec)).await {
                Ok(_) => {
                    self.say(written, format!("{what} {shown}"));
                    return Ok(());
                }
                // The status changes often.
                Err(Failure::Conflict) => {}
                Err(failure) => return Err(format!("{shown}: {failure}")),
            }
        }
        Err(format!("{shown}: another writer keeps changing it"))
    }

    /// Waits until `left` is 0. The time starts again whenever less is left.
    pub(super) async fn until(
        &self,
        what: &str,
        mut left: impl AsyncFnMut() -> Result<usize, Failure>,
    ) -> Result<(), String> {
        let mut least = usize::MAX;
        let mut since = tokio::time::Instant::now();
        loop {
            let now = left().await.map_err(|failure| format!("{what}: {failure}"))?;
            if now == 0 {
                return Ok(());
            }
            if now < least {
                (least, since) = (now, tokio::time::Instant::now());
            }
            if since.elapsed() > PATIENCE {
                return Err(what.to_owned());
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    pub(super) async fn cps(&self, name: &str) -> Result<ClusterPullSecret, Failure> {
        self.writer.connected.cluster_pull_secret(name).await
    }

    pub(super) async fn read(&self, place: Place<'_>) -> Result<Bytes, Failure> {
        self.writer.connected.read_object(place).await
    }

    pub(super) async fn object(&self, kind: Kind, namespace: Option<&str>, name: &str) -> Result<Bytes, String> {
        let read = self.read(Place { kind, namespace, name }).await;
        read.map_err(|failure| format!("{kind} {}/{name}: {failure}", namespace.unwrap_or_default()))
    }

    pub(super) fn say(&self, written: &mut Vec<String>, line: String) {
        if !self.quiet {
            note(&line);
        }
        written.push(line);
    }
}

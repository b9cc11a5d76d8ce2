//! Single writes of a run, and what it waits for.

use std::fmt;
use std::time::Duration;

use crd::ClusterPullSecret;
use serde_json::Value;

use crate::adopt::{Account, Options, write};
use crate::cluster::{Connected, Failure, path_to};
use crate::output::{Bar, note};
use crate::world::Kind;

/// How often the operator is asked how far it is.
const EVERY: Duration = Duration::from_millis(500);

/// How long the operator may make no progress.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often a write that lost a race is planned again.
const TRIES: usize = 8;

/// The work of one run on one cluster.
pub(super) struct Work<'a> {
    pub(super) connected: &'a Connected,
    /// The key of all digests.
    pub(super) key: [u8; 16],
    /// The server checks each write and stores none.
    pub(super) dry_run: bool,
    pub(super) options: Options<'a>,
    pub(super) bar: &'a Bar,
    pub(super) quiet: bool,
}

/// Where an object is.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    kind: Kind,
    namespace: Option<&'a str>,
    name: &'a str,
}

impl<'a> Place<'a> {
    pub(super) fn of_secret(namespace: &'a str, name: &'a str) -> Self {
        Self {
            kind: Kind::Secret,
            namespace: Some(namespace),
            name,
        }
    }

    pub(super) fn of_object(name: &'a str) -> Self {
        Self {
            kind: Kind::ClusterPullSecret,
            namespace: None,
            name,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.namespace.map(|namespace| format!("{namespace}/"));
        let kind = self.kind.as_str().to_lowercase();
        write!(f, "{kind} {}{}", namespace.unwrap_or_default(), self.name)
    }
}

impl Work<'_> {
    /// Patches an object as it is now, unless `patch` finds no work. `patch` gets none if it is gone. Returns whether
    /// anything was written.
    pub(super) async fn patched(
        &self,
        place: Place<'_>,
        mut patch: impl FnMut(Option<&str>) -> Result<Option<Value>, String>,
    ) -> Result<bool, String> {
        let said = |why: String| format!("{place}: {why}");
        let at = path_to(place.kind, place.namespace, place.name);
        for _ in 0..TRIES {
            let found = match self.json(place).await {
                Ok(json) => Some(json),
                Err(Failure::NotFound) => None,
                Err(failure) => return Err(said(failure.to_string())),
            };
            let Some(patch) = patch(found.as_deref()).map_err(said)? else {
                return Ok(false);
            };
            match self.connected.patch(&at, &patch, self.dry_run).await {
                Ok(()) => return Ok(true),
                Err(Failure::Changed) => {}
                Err(failure) => return Err(said(failure.to_string())),
            }
        }
        Err(said("another writer keeps changing it".to_owned()))
    }

    /// Patches an account as it is now, unless `patch` finds no work.
    pub(super) async fn account(
        &self,
        (namespace, name): (&str, &str),
        patch: impl Fn(&Account) -> Option<Value>,
    ) -> Result<bool, String> {
        let place = Place {
            kind: Kind::ServiceAccount,
            namespace: Some(namespace),
            name,
        };
        let patched = self.patched(place, |json| {
            let account = json.map(Account::of).transpose();
            let account = account.map_err(|error| error.to_string())?;
            Ok(account.as_ref().and_then(&patch))
        });
        patched.await
    }

    /// Patches the spec of the object, unless `patch` finds no work.
    pub(super) async fn spec(
        &self,
        name: &str,
        what: &str,
        written: &mut Vec<String>,
        patch: impl Fn(&ClusterPullSecret) -> Option<Value>,
    ) -> Result<(), String> {
        let place = Place::of_object(name);
        let patched = self.patched(place, |json| {
            let json = json.ok_or_else(|| Failure::NotFound.to_string())?;
            let object = serde_json::from_str(json).map_err(|error| Failure::unreadable(&error).to_string())?;
            Ok(patch(&object).map(|spec| write::object(&object, &spec)))
        });
        if patched.await? {
            self.say(written, format!("{what} {place}"));
        }
        Ok(())
    }

    /// Deletes an object, if it is still the one with this uid.
    pub(super) async fn delete(&self, place: Place<'_>, uid: &str, written: &mut Vec<String>) -> Result<(), String> {
        let path = path_to(place.kind, place.namespace, place.name);
        match self.connected.delete(&path, uid, self.dry_run).await {
            Ok(()) => self.say(written, format!("deleted {place}")),
            Err(Failure::NotFound) => {}
            Err(failure) => return Err(format!("{place}: {failure}")),
        }
        Ok(())
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
        self.connected.cluster_pull_secret(name).await
    }

    /// Returns the JSON of an object.
    pub(super) async fn json(&self, place: Place<'_>) -> Result<String, Failure> {
        let body = self.connected.object(place.kind, place.namespace, place.name).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Notes a write.
    pub(super) fn say(&self, written: &mut Vec<String>, mut line: String) {
        if self.dry_run {
            line.push_str(" (server dry run)");
        }
        if !self.quiet {
            note(&line);
        }
        written.push(line);
    }
}

//! The removals in one context: first the objects, then the sources that no object reads any more.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use crd::names::{LABEL_MANAGED_BY, LABEL_OBJECT, MANAGED_BY};
use plan::object::sources;
use tokio::time::Instant;

use super::report::{ContextReport, Done, Left};
use super::source::Source;
use super::task::Rollout;
use super::writing::{failed, is_defined, not_begun};
use crate::cluster::{Connected, FIELD_MANAGER, Failure, path_of};
use crate::output::Bar;
use crate::status::deletion;
use crate::world::Kind;

/// How often the objects are looked for.
const EVERY: Duration = Duration::from_secs(2);

/// Removes everything in one context, and waits until it is gone. What came of it goes into the report as it happens.
pub async fn remove(
    connected: &Connected,
    bar: &Bar,
    (rollout, operator_namespace): (Rollout<'_>, &str),
    report: &RefCell<ContextReport>,
) {
    let removing = Removing {
        connected,
        bar,
        rollout,
        operator_namespace,
        report,
    };
    if let Err(left) = removing.all().await {
        report.borrow_mut().left.push(left);
    }
    report.borrow_mut().finished = true;
}

struct Removing<'a> {
    connected: &'a Connected,
    bar: &'a Bar,
    rollout: Rollout<'a>,
    operator_namespace: &'a str,
    report: &'a RefCell<ContextReport>,
}

/// An object whose deletion was asked for.
struct Going<'a> {
    name: &'a str,
    path: String,
    uid: String,
}

impl Removing<'_> {
    async fn all(&self) -> Result<(), Left> {
        let is_defined = is_defined(self.connected).await?;
        let mut going = Vec::new();
        for object in &self.rollout.wanted.objects {
            let called = format!("clusterpullsecret/{}", object.name);
            if !is_defined {
                self.report.borrow_mut().wrote(called, None, Done::Absent);
                continue;
            }
            let path = path_of(&object.manifest);
            match self.delete(&path, &called, None).await? {
                Some(uid) if !self.rollout.dry_run => going.push(Going {
                    name: &object.name,
                    path,
                    uid,
                }),
                _ => {}
            }
        }
        self.until_gone(&going).await;
        if !self.report.borrow().left.is_empty() {
            // What an object that is still there reads stays.
            return Ok(());
        }
        let read = if is_defined {
            self.read_by_others().await?
        } else {
            BTreeSet::new()
        };
        for source in &self.rollout.wanted.sources {
            if let Err(left) = self.source(source, &read).await {
                self.report.borrow_mut().left.push(left);
            }
        }
        Ok(())
    }

    /// Deletes what is at the path, and returns its uid, or nothing if nothing is there.
    async fn delete(&self, path: &str, called: &str, namespace: Option<&str>) -> Result<Option<String>, Left> {
        if self.rollout.stop.is_set() {
            return Err(not_begun(called.to_owned()));
        }
        let failed = |failure: Failure| failed(called, &failure);
        let found = self.connected.metadata(path).await.map_err(failed)?;
        let Some(found) = found else {
            self.report
                .borrow_mut()
                .wrote(called.to_owned(), namespace, Done::Absent);
            return Ok(None);
        };
        match self.connected.delete(path, &found.uid, self.rollout.dry_run).await {
            Ok(()) | Err(Failure::NotFound) => {
                let done = if self.rollout.dry_run {
                    Done::Accepted
                } else {
                    Done::Deleted
                };
                self.report.borrow_mut().wrote(called.to_owned(), namespace, done);
                Ok(Some(found.uid))
            }
            Err(failure) => Err(failed(failure)),
        }
    }

    /// Waits until the objects are gone, and the operator has removed their copies.
    async fn until_gone(&self, going: &[Going<'_>]) {
        let began = Instant::now();
        let mut most = 0;
        loop {
            let (mut there, mut copies) = (Vec::new(), 0);
            for object in going {
                let found = self.connected.metadata(&object.path).await;
                let is_gone =
                    matches!(&found, Ok(None)) || matches!(&found, Ok(Some(found)) if found.uid != object.uid);
                if !is_gone {
                    let ours = format!("{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_OBJECT}={}", object.name);
                    let left = self.connected.names(Kind::Secret, Some(&ours)).await;
                    copies += left.map_or(0, |left| left.len());
                    there.push(object);
                }
            }
            most = most.max(copies);
            self.bar.removed(most - copies, most);
            let left = self.rollout.timeout.saturating_sub(began.elapsed());
            if there.is_empty() || left.is_zero() || self.rollout.stop.is_set() {
                for object in there {
                    let left = self.waits(object).await;
                    self.report.borrow_mut().left.push(left);
                }
                return;
            }
            self.rollout.stop.sleep(EVERY.min(left)).await;
        }
    }

    /// What the deletion of an object waits for.
    async fn waits(&self, going: &Going<'_>) -> Left {
        let called = format!("clusterpullsecret/{}", going.name);
        let advice = match self.connected.cluster_pull_secret(going.name).await {
            Ok(object) => deletion(self.connected, &object)
                .await
                .map(|deletion| deletion.advice()),
            Err(failure) => Some(failure.to_string()),
        };
        let why = advice.unwrap_or_else(|| "its deletion was not seen".to_owned());
        Left::unready(
            called,
            None,
            "Deleting",
            format!("it is not gone yet, and its sources stay: {why}"),
        )
    }

    /// Deletes a source, unless something reads it, or the flags have named it by chance.
    async fn source(&self, source: &Source, read: &BTreeSet<(String, String)>) -> Result<(), Left> {
        let called = format!("secret/{}", source.name);
        let keeps = |reason: &str, why: &str| Left::incomplete(Some(called.clone()), reason, why);
        if read.contains(&(source.namespace.clone(), source.name.clone())) {
            return Err(keeps("InUse", "another ClusterPullSecret reads it, so it stays"));
        }
        let path = path_of(&source.manifest);
        if self.rollout.wanted.made {
            let found = self
                .connected
                .metadata(&path)
                .await
                .map_err(|failure| failed(&called, &failure))?;
            if found.is_some_and(|found| !found.managers().any(|manager| manager == FIELD_MANAGER)) {
                return Err(keeps(
                    "NotOurs",
                    "rollout has not made it, so it stays: kubectl delete secret removes it",
                ));
            }
        }
        self.delete(&path, &called, Some(&source.namespace)).await.map(|_| ())
    }

    /// The sources of all other objects.
    async fn read_by_others(&self) -> Result<BTreeSet<(String, String)>, Left> {
        let objects = self.connected.cluster_pull_secrets().await.map_err(|failure| {
            let why = format!("the sources stay, since it is not known whether other objects read them: {failure}");
            Left::incomplete(None, "NotSeen", why)
        })?;
        let is_other = |object: &crd::ClusterPullSecret| {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            !self.rollout.wanted.names().any(|wanted| wanted == name)
        };
        let others = objects.iter().filter(|object| is_other(object));
        Ok(others
            .flat_map(|object| sources(&object.spec, self.operator_namespace))
            .collect())
    }
}

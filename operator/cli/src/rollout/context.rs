//! The work in one context.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crd::names::ANNOTATION_RECONCILE;
use serde_json::json;

use super::installing::{install, until_running};
use super::object::API_VERSION;
use super::report::{ContextReport, Done, Left};
use super::task::Rollout;
use super::waiting::{self, Expected, Times};
use super::writing::{Failed, Writing, is_defined};
use crate::cluster::{Applying, Connected, Failure, Metadata};
use crate::output::Bar;
use crate::world::LAST_APPLIED;

/// The field manager of the annotation that asks the operator to look again. Another one than that of the object, so that
/// the next apply of the object does not take the annotation away.
const REQUESTS: &str = "kubectl-pullsecrets-request";

/// Applies everything in one context, and waits until it is ready. What came of it goes into the report as it happens.
pub async fn apply(connected: &Connected, bar: &Bar, rollout: Rollout<'_>, report: &RefCell<ContextReport>) {
    let writing = Writing {
        connected,
        rollout,
        report,
    };
    match writing.all(bar).await {
        Ok(_) if rollout.dry_run => {}
        Ok(expected) => {
            let times = Times::new(rollout.timeout);
            waiting::until_ready(connected, bar, (rollout, times), &expected, report).await;
            if rollout.install.is_some() {
                let left = until_running(writing, times).await.err();
                report.borrow_mut().left.extend(left);
            }
        }
        Err(left) => report.borrow_mut().left.push(left),
    }
    report.borrow_mut().finished = true;
}

impl Writing<'_> {
    /// Writes sources and objects. Returns what to wait for, or what could not be written, after which nothing else was.
    async fn all(&self, bar: &Bar) -> Result<Vec<Expected<'_>>, Left> {
        if let Some(installation) = self.rollout.install {
            install(*self, bar, installation).await?;
        }
        if !is_defined(self.connected).await? {
            let why = "the cluster does not have the definition of ClusterPullSecrets: --install brings it";
            return Err(Left::incomplete(None, "NotInstalled", why));
        }
        let changed = self.sources().await?;
        let mut expected = Vec::new();
        for object in &self.rollout.wanted.objects {
            let called = format!("clusterpullsecret/{}", object.name);
            let written = self.one(&object.manifest, &called).await;
            let (done, metadata) = written.map_err(|failed| failed.left(&called))?;
            self.report.borrow_mut().wrote(called, None, done);
            let versions = object
                .sources
                .iter()
                .filter_map(|(namespace, name)| changed.get(&(namespace.as_str(), name.as_str())));
            let versions: Vec<&str> = versions.map(String::as_str).collect();
            let mut request = None;
            // The status of an object that has not changed is that of the old login.
            if !versions.is_empty() && done != Done::Created && !self.rollout.dry_run {
                request = self.request(&object.name, &metadata, &versions.join("-")).await;
            }
            expected.push(Expected {
                name: object.name.clone(),
                spec: &object.spec,
                request,
            });
        }
        Ok(expected)
    }

    /// Writes the sources. Returns the versions of those that have changed, by namespace and name.
    async fn sources(&self) -> Result<BTreeMap<(&str, &str), String>, Left> {
        let mut changed = BTreeMap::new();
        for source in &self.rollout.wanted.sources {
            let called = format!("secret/{}", source.name);
            let (done, metadata) = self
                .one(&source.manifest, &called)
                .await
                .map_err(|failure| match failure {
                    Failed::Write(Failure::NotFound) => Left::incomplete(
                        Some(called.clone()),
                        "NotApplied",
                        format!(
                            "the namespace {} does not exist: --install makes that of the operator",
                            source.namespace
                        ),
                    ),
                    failed => failed.left(&called),
                })?;
            self.report.borrow_mut().wrote(called, Some(&source.namespace), done);
            if metadata.repeats_the_object() {
                let note = format!(
                    "kubectl apply has left the login in an annotation of Secret {}. Remove it: kubectl annotate secret \
                     {} -n {} {LAST_APPLIED}-",
                    source.called(),
                    source.name,
                    source.namespace
                );
                self.report.borrow_mut().notes.push(note);
            }
            if done == Done::Configured {
                changed.insert(
                    (source.namespace.as_str(), source.name.as_str()),
                    metadata.resource_version,
                );
            }
        }
        Ok(changed)
    }

    /// Asks the operator to look at the object, and returns what its status then repeats. It may fail: the operator sees
    /// the source without it.
    async fn request(&self, name: &str, metadata: &Metadata, versions: &str) -> Option<String> {
        let request = format!("rollout-{versions}");
        let object = json!({
            "apiVersion": API_VERSION, "kind": "ClusterPullSecret",
            // The uid: it must not make an object that was deleted meanwhile.
            "metadata": {"name": name, "uid": metadata.uid, "annotations": {ANNOTATION_RECONCILE: request}},
        });
        let how = Applying {
            dry_run: false,
            force: true,
            manager: REQUESTS,
        };
        self.connected.apply(&object, how).await.ok().map(|_| request)
    }
}

//! Pods that wait for an image because they are older than the reference on their account: which of them are known, which
//! is replaced next, and what is reported of them. [`plan::recovery`] decides about each.
//!
//! # Invariants
//!
//! - It holds at most [`MAX_PODS`] waiting Pods, and [`MAX_IN_NAMESPACE`] of one namespace. When it is full, the namespace
//!   with the most Pods makes room for others, so that a few tenants cannot keep everyone else's out. A kubelet reports a
//!   waiting Pod again within minutes, so a Pod that had no room comes back.
//! - Each sweep decides from the cache alone, so no event can be missed.
//!
//! # Outside this module
//!
//! It has no client and no clock.

mod report;
mod sweep;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use plan::identity::Uid;
use plan::observed::{Controller, Pod};
use plan::recovery::{AGAIN, Cause, Owners, PACE, QUIET, Verdict};

pub(super) use report::Report;
pub(super) use sweep::Candidate;

/// The most waiting Pods that are held.
const MAX_PODS: usize = 5_000;
/// The most waiting Pods that are held of one namespace.
const MAX_IN_NAMESPACE: usize = 1_000;
/// The time between two sweeps.
const SWEEP: Duration = Duration::from_secs(1);
/// The most calls under way, and the most that begin after one sweep, and so in a second.
const AT_ONCE: usize = 20;
/// The most calls under way for one namespace, because a tenant's webhook may delay each of them.
const AT_ONCE_IN_NAMESPACE: usize = 5;

/// Namespace and name of a Pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PodKey {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
}

impl crate::queue::Grouped for PodKey {
    type Group = Arc<str>;
    fn group(&self) -> Arc<str> {
        Arc::clone(&self.namespace)
    }
}

/// A Pod that waits for an image.
#[derive(Debug)]
struct Waiting {
    pod: Arc<Pod>,
    /// The list that showed it last.
    list: u64,
    /// Since when it may be replaced.
    replaceable_since: Option<Duration>,
    /// No call for this version of it begins before.
    not_before: Duration,
}

/// How a call for a Pod ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It is deleted, at this time of the API server, if that is known.
    Replaced(Option<i64>),
    /// Its controller was read, and it is not replaced.
    Kept(Verdict),
    /// It changed first. The watch shows how.
    Changed,
    /// The API server failed or refused.
    Failed,
}

/// The Pods of the cluster that wait for an image; see the module.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    pods: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Waiting>>,
    /// Number of `pods`.
    held: usize,
    /// Counts the lists.
    list: u64,
    is_listed: bool,
    owners: Owners,
    /// The namespace after which the next sweep begins.
    after: Option<Arc<str>>,
    /// How many calls are under way, by namespace.
    under_way: HashMap<Arc<str>, usize>,
    /// How many Pods were replaced for each object.
    recovered: HashMap<Arc<str>, i64>,
    swept_at: Option<Duration>,
    /// Pods came or went since.
    is_changed: bool,
    /// What was reported, by the uid of a controller or a Pod, and when.
    reported: HashMap<Uid, Duration>,
    reports: Vec<Report>,
}

impl Recovery {
    /// Begins a list. At its end, Pods that it lacks are gone.
    pub(super) fn begin_list(&mut self) {
        self.list += 1;
    }

    /// Ends a list.
    pub(super) fn end_list(&mut self) {
        self.is_listed = true;
        self.is_changed = true;
        let list = self.list;
        for pods in self.pods.values_mut() {
            pods.retain(|_, waiting| waiting.list == list);
        }
        self.pods.retain(|_, pods| !pods.is_empty());
        self.held = self.pods.values().map(BTreeMap::len).sum();
    }

    /// Takes in a Pod of phase `Pending`.
    pub(super) fn see(&mut self, key: &PodKey, pod: Pod, now: Duration) {
        if self.owners.see(&pod, now) {
            self.report_successor(key, &pod, now);
        }
        let before = self.take(key);
        if pod.deleting || pod.images.is_empty() || !self.make_room(&key.namespace) {
            return;
        }
        let same = before.filter(|before| before.pod.version.uid == pod.version.uid);
        let waiting = Waiting {
            list: self.list,
            replaceable_since: same.as_ref().and_then(|same| same.replaceable_since),
            not_before: same
                .filter(|same| same.pod.version == pod.version)
                .map_or(Duration::ZERO, |same| same.not_before),
            pod: Arc::new(pod),
        };
        let pods = self.pods.entry(Arc::clone(&key.namespace)).or_default();
        pods.insert(Arc::clone(&key.name), waiting);
        self.held += 1;
    }

    /// Drops a Pod that is deleted, or no longer `Pending`.
    pub(super) fn forget(&mut self, key: &PodKey) {
        self.take(key);
    }

    /// Takes a Pod out.
    fn take(&mut self, key: &PodKey) -> Option<Waiting> {
        let pods = self.pods.get_mut(&key.namespace)?;
        let taken = pods.remove(&key.name);
        if pods.is_empty() {
            self.pods.remove(&key.namespace);
        }
        self.held -= usize::from(taken.is_some());
        self.is_changed |= taken.is_some();
        taken
    }

    /// Returns whether there is room for one more Pod of the namespace. The namespace that has the most gives up one of its
    /// Pods for it, if it still has no fewer than this one then.
    fn make_room(&mut self, namespace: &str) -> bool {
        let own = self.pods.get(namespace).map_or(0, BTreeMap::len);
        if own >= MAX_IN_NAMESPACE {
            return false;
        }
        if self.held < MAX_PODS {
            return true;
        }
        let largest = self.pods.iter().max_by_key(|(_, pods)| pods.len());
        let given_up = largest
            .filter(|(_, pods)| pods.len() > own + 1)
            .and_then(|(namespace, pods)| Some((Arc::clone(namespace), Arc::clone(pods.last_key_value()?.0))));
        let Some((namespace, name)) = given_up else {
            return false;
        };
        self.take(&PodKey { namespace, name });
        true
    }

    /// Returns when the next sweep is due, if there is any Pod to look at.
    pub(super) fn due_at(&self) -> Option<Duration> {
        let due = self.swept_at.map_or(Duration::ZERO, |at| at + SWEEP);
        (self.is_listed && (self.held > 0 || self.is_changed || !self.owners.is_empty())).then_some(due)
    }

    /// Records how a call for a Pod ended.
    pub(super) fn ended(&mut self, key: &PodKey, pod: &Pod, objects: &[Arc<str>], ended: &Ended, now: Duration) {
        if let Some(calls) = self.under_way.get_mut(&key.namespace) {
            *calls -= 1;
        }
        self.under_way.retain(|_, calls| *calls > 0);
        let Some(controller) = &pod.controller else {
            return;
        };
        match *ended {
            Ended::Replaced(at) => {
                // Without the server's time, any Pod that is younger than the deleted one counts as its successor.
                self.owners
                    .replaced(controller, at.unwrap_or(pod.created.saturating_add(1)));
                self.take_version(key, pod);
                for object in objects {
                    *self.recovered.entry(Arc::clone(object)).or_default() += 1;
                }
                self.report_replaced(key, pod, now);
            }
            Ended::Kept(Verdict::Leave(cause)) => {
                self.owners.ended(controller, Some(cause), QUIET, now);
                self.report_left(key, pod, cause, now);
            }
            Ended::Kept(_) => self.owners.ended(controller, None, PACE, now),
            Ended::Changed => {
                self.owners.ended(controller, None, Duration::ZERO, now);
                self.hold(key, pod, now);
            }
            Ended::Failed => self.owners.ended(controller, None, AGAIN, now),
        }
    }

    /// Drops the Pod, if it is still this version of it.
    fn take_version(&mut self, key: &PodKey, pod: &Pod) {
        if self
            .waiting(key)
            .is_some_and(|waiting| waiting.pod.version == pod.version)
        {
            self.take(key);
        }
    }

    /// Begins no call for this version of the Pod for a while.
    fn hold(&mut self, key: &PodKey, pod: &Pod, now: Duration) {
        let waiting = self
            .pods
            .get_mut(&key.namespace)
            .and_then(|pods| pods.get_mut(&key.name));
        if let Some(waiting) = waiting.filter(|waiting| waiting.pod.version == pod.version) {
            waiting.not_before = now + AGAIN;
        }
    }

    fn waiting(&self, key: &PodKey) -> Option<&Waiting> {
        self.pods.get(&key.namespace).and_then(|pods| pods.get(&key.name))
    }

    /// Drops what is remembered of a deleted object.
    pub(super) fn forget_object(&mut self, object: &str) {
        self.recovered.remove(object);
    }

    /// Returns why the Pods of a controller are left to a person.
    fn cause(&self, controller: Option<&Controller>, now: Duration) -> Option<Cause> {
        controller.and_then(|controller| self.owners.cause(controller, now))
    }
}

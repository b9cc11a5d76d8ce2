//! Handles new, changed and deleted objects, and their effect on namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use plan::object::{Lifecycle, Object};
use plan::observed::Namespace;

use super::diff::beside_others;
use super::evaluate::{Affected, Trigger};
use super::evaluation::Evaluation;
use super::{DeletedObject, Place, Reconciler};
use crate::work::{Key, Lane, Work};

/// How long after a deletion a write of a dead process may still reach an account. The server gives up a request after
/// a minute, by default. A late copy needs no window: its owner is gone, so it is garbage-collected.
pub(super) const LATE_WRITE_WINDOW: Duration = Duration::from_secs(120);

/// How long the watches may take to show what another installation removed before its object went. Each kind has its
/// own watch.
const LAG: Duration = Duration::from_secs(5);

impl Reconciler {
    /// Handles a new or changed object in any lifecycle. `revision` returns in its [`plan::summary::Summary`].
    pub fn declare(&mut self, object: &Arc<Object>, revision: u64, spec_changed: bool, now: Duration) {
        self.deleted.remove(&object.name);
        self.tally.set_revision(&object.name, revision);
        self.redeclare(&object.name, Some(object), spec_changed, now);
    }

    /// Handles a deleted object. Its pending cleanup is still done, unless it was not `ours`. Then another installation
    /// managed it, and removed everything before.
    pub fn forget_object(&mut self, name: &str, ours: bool, now: Duration) {
        if ours {
            self.set_lifecycle(name, Lifecycle::Deleting, now);
        }
        if let Some(object) = self.cluster.object(name) {
            let name = Arc::clone(&object.name);
            self.deleted.insert(
                name,
                DeletedObject {
                    since: now,
                    frozen_until: if ours { now } else { now + LAG },
                    done: false,
                },
            );
        }
        self.expire(now);
    }

    /// Drops deleted objects without pending cleanup or late writes, and contentions that are over.
    pub fn expire(&mut self, now: Duration) {
        self.forget_old(now);
        let is_over = |deleted: &DeletedObject| now >= deleted.since + LATE_WRITE_WINDOW;
        let done: Vec<(Arc<str>, bool)> = self
            .deleted
            .iter()
            .filter(|&(name, deleted)| {
                let due = is_over(deleted) || !deleted.done && now >= deleted.frozen_until;
                due && self.is_done_with(name)
            })
            .map(|(name, deleted)| (Arc::clone(name), is_over(deleted)))
            .collect();
        for (name, is_over) in done {
            if !is_over {
                self.set_lifecycle(&name, Lifecycle::Deleted, now);
                self.deleted.entry(name).and_modify(|deleted| deleted.done = true);
                continue;
            }
            self.deleted.remove(&name);
            self.redeclare(&name, None, false, now);
            self.tally.forget(&name);
        }
    }

    /// Sets the lifecycle of the object as it was known.
    fn set_lifecycle(&mut self, name: &str, lifecycle: Lifecycle, now: Duration) {
        let old = self.cluster.object(name);
        let Some(old) = old.filter(|object| object.lifecycle != lifecycle) else {
            return;
        };
        let new = Arc::new(Object {
            lifecycle,
            ..(**old).clone()
        });
        self.redeclare(name, Some(&new), false, now);
    }

    /// Replaces the object of that name with its new state, or removes it.
    fn redeclare(&mut self, name: &str, new: Option<&Arc<Object>>, spec_changed: bool, now: Duration) {
        let before_cluster = self.cluster.clone();
        let old = self.cluster.remove(name);
        if let Some(new) = new {
            self.cluster.insert(new);
        }
        let old = old.as_ref();
        let Some(object) = new.or(old).filter(|_| self.started) else {
            return;
        };
        let editions: Vec<&Arc<Object>> = old.into_iter().chain(new).collect();
        let sources = namespaces_of_changed_sources(old, new);
        let concerned = |(name, place): (&Arc<str>, &Place)| {
            let selects = new.is_some_and(|new| self.cluster.selects(new, name, &place.facts.labels));
            let concerned = selects
                || sources.contains(name.as_ref())
                || place.selecting.contains(&object.name)
                || self.names_out_of_sight(name).next().is_some()
                || editions
                    .iter()
                    .any(|object| object.is_unreadable() || has_left(object, &place.facts));
            concerned.then(|| (Arc::clone(name), selects))
        };
        let namespaces: Vec<(Arc<str>, bool)> = self.places.iter().filter_map(concerned).collect();
        for (namespace, selects) in namespaces {
            let before = self.evaluate(&before_cluster, &namespace, &Affected::Whole, now);
            if let Some(place) = self.places.get_mut(&namespace) {
                place.selecting.update(object, selects);
            }
            let after = self.evaluate(&self.cluster, &namespace, &Affected::Whole, now);
            self.apply_declared(&namespace, before, after, spec_changed, now);
        }
    }

    /// Records the difference at once. The work follows when the rollout reaches the namespace.
    pub(super) fn apply_declared(
        &mut self,
        namespace: &Arc<str>,
        before: BTreeMap<Key, Evaluation>,
        after: BTreeMap<Key, Evaluation>,
        spec_changed: bool,
        now: Duration,
    ) {
        let work = self.apply_diff(before, after, Trigger::Declared { spec_changed }, now);
        if !work.is_empty() {
            let fresh = work.iter().any(|work| work.lane == Lane::Fresh);
            let lane = if fresh { Lane::Fresh } else { Lane::Bulk };
            self.rollout.push(namespace, lane, work.len(), now);
        }
    }

    /// The work of the next namespace of this lane in the rollout queue; `None` if the lane is empty.
    pub fn next_namespace(&mut self, lane: Lane, now: Duration) -> Option<Vec<Work>> {
        let (namespace, waiting_since) = self.rollout.pop(lane)?;
        let evaluate = |reconciler: &Self| reconciler.evaluate(&reconciler.cluster, &namespace, &Affected::Whole, now);
        let mut evaluation = evaluate(self);
        // The grace period of references starts now, because no write could remove them earlier.
        let mut put_off = false;
        for key in evaluation.keys() {
            let since = self.pending.removal_since(key);
            if since.is_some_and(|since| since >= waiting_since) {
                self.pending.set_removal(key, Some(now));
                put_off = true;
            }
        }
        if put_off {
            evaluation = evaluate(self);
        }
        let trigger = Trigger::Declared { spec_changed: false };
        let work = evaluation
            .iter()
            .flat_map(|(key, evaluation)| self.work(key, evaluation, trigger, now));
        Some(beside_others(work.collect()))
    }

    /// Number of keys in a lane of the rollout queue.
    pub fn waiting_in_rollout(&self, lane: Lane) -> usize {
        self.rollout.keys(lane)
    }
}

/// Namespaces in which a Secret became a source, or stopped being one. There its name decides.
fn namespaces_of_changed_sources<'a>(old: Option<&'a Arc<Object>>, new: Option<&'a Arc<Object>>) -> BTreeSet<&'a str> {
    let named = |object: &'a Arc<Object>| (object.lifecycle != Lifecycle::Deleted).then_some(&object.spec.sources);
    let (old, new) = (old.and_then(named), new.and_then(named));
    if old == new {
        return BTreeSet::new();
    }
    let all = old.into_iter().chain(new).flatten();
    all.map(|(namespace, _)| namespace.as_str()).collect()
}

/// Whether a copy or reference of the object may exist in the namespace.
fn has_left(object: &Object, facts: &Namespace) -> bool {
    let secret = object.spec.secret_name.as_ref();
    facts.secrets.contains_key(secret) || facts.accounts.values().any(|account| account.may_record(secret))
}

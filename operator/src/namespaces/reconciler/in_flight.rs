//! Writes in flight. An object that is being deleted waits for those that may still add a copy or reference of it.
//!
//! A write planned before the deletion may land after cleanup is complete. If the finalizer were already gone, its
//! reference would stay without an owner.

use std::sync::Arc;
use std::time::Duration;

use plan::action::SecretAction;
use plan::object::{Lifecycle, Object};
use plan::summary::Summary;

use super::Reconciler;
use crate::namespaces::pending::InFlight;
use crate::work::{Key, Write};

impl Reconciler {
    /// Records a write that was handed out.
    pub fn start_write(&mut self, key: &Key, write: &Arc<Write>, now: Duration) {
        let started = InFlight {
            write: Arc::clone(write),
            started_at: now,
            uncertain: false,
        };
        self.pending.start_write(key, started);
    }

    /// Ends the write in flight, because the server has shown the state of the key. Returns the write, if there was
    /// one.
    pub(super) fn finish_write(&mut self, key: &Key) -> Option<Arc<Write>> {
        let ended = self.pending.finish_write(key)?;
        let objects = self.cluster.objects().iter();
        for object in objects.filter(|object| ended.keeps(object)) {
            self.tally.mark_changed(&object.name);
        }
        Some(ended.write)
    }

    /// Marks the outcome of the write as unknown.
    pub(super) fn outcome_unknown(&mut self, key: &Key) {
        if self.pending.in_flight(key).is_some_and(InFlight::brings_something) {
            self.pending.outcome_unknown(key);
        } else {
            self.pending.finish_write(key);
        }
    }

    /// Whether the outcome of the last write is unknown. Then the key is read, unless it needs a write.
    pub fn is_uncertain(&self, key: &Key) -> bool {
        self.pending.in_flight(key).is_some_and(|write| write.uncertain)
    }

    /// The summary of the object. For a deletion, writes in flight count as pending cleanup.
    pub fn summary(&self, object: &str) -> Option<Summary> {
        let mut summary = self.tally.summary(object)?;
        let object = self.cluster.object(object);
        let keeps = |(_, write): &(&Key, &InFlight)| object.is_some_and(|object| write.keeps(object));
        for (key, write) in self.pending.all_in_flight().filter(keeps) {
            let tried = self.pending.retry(key).and_then(|retry| retry.tried_since);
            let tried = tried.filter(|_| write.uncertain);
            let others = if summary.pending_cleanup == 0 {
                tried
            } else {
                summary.stuck_since
            };
            summary.stuck_since = others.zip(tried).map(|(one, other)| one.max(other));
            summary.stuck.extend(tried.map(|_| key.to_string()));
            summary.pending_cleanup += 1;
        }
        Some(summary)
    }

    /// Whether a deletion has no pending cleanup.
    pub(super) fn is_done_with(&self, object: &str) -> bool {
        self.summary(object).is_none_or(|summary| summary.pending_cleanup == 0)
    }
}

impl InFlight {
    /// Whether the object must stay until the outcome of this write is known.
    fn keeps(&self, object: &Object) -> bool {
        object.lifecycle == Lifecycle::Deleting && self.brings(&object.spec.secret_name)
    }

    /// Whether it makes the Secret of this name, or refers to it.
    fn brings(&self, secret: &str) -> bool {
        match &*self.write {
            Write::Account { action, .. } => action.attached.iter().any(|name| name.as_ref() == secret),
            Write::Secret { name, .. } => self.brings_something() && name.as_ref() == secret,
        }
    }

    fn brings_something(&self) -> bool {
        match &*self.write {
            Write::Account { .. } => true,
            Write::Secret { action, .. } => match action {
                SecretAction::Create(_)
                | SecretAction::Update { .. }
                | SecretAction::Reclaim { .. }
                | SecretAction::Assign { .. } => true,
                SecretAction::Release { .. } | SecretAction::Delete { .. } | SecretAction::Empty { .. } => false,
            },
        }
    }
}

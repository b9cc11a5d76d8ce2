//! Contention with another writer: it is reported once and backed off, and ends when the other writer stops.

use std::sync::Arc;
use std::time::Duration;

use crd::FailureReason;
use plan::decision::{Failure, State};

use super::evaluate::{Affected, Trigger};
use super::evaluation::{Evaluation, WriteKind};
use super::{Reconciler, SHARED};
use crate::tally::Entry;
use crate::work::{Key, Target, Work};

/// How long a name without a Secret stays trusted before it is read again.
const ABSENT_FOR: Duration = Duration::from_secs(60);

const FORGET_EVERY: Duration = Duration::from_secs(2);

impl Reconciler {
    /// Whether a write is needed because another writer undid one of ours.
    pub(super) fn is_undone(
        &self,
        key: &Key,
        before: Option<&Evaluation>,
        after: &Evaluation,
        trigger: Trigger<'_>,
        now: Duration,
    ) -> bool {
        let Some(write) = after.write else {
            return false;
        };
        // Another writer took the label from a copy that must go.
        let is_unlabelled = |evaluation: &Evaluation| {
            evaluation.write == Some(WriteKind::Reclaim) && evaluation.entries.iter().any(|entry| entry.leaves)
        };
        if is_unlabelled(after) && !before.is_some_and(is_unlabelled) {
            return !matches!(trigger, Trigger::Declared { .. });
        }
        match trigger {
            // It was as declared for one of its objects, and no longer is, although the declaration did not change.
            Trigger::Watched => {
                let before_entries = before.map_or(&[][..], |before| &before.entries);
                let was_outstanding = before.is_some_and(Evaluation::is_outstanding);
                let lost = |was: &Entry| {
                    let mut objects = after.entries.iter().filter(|is| is.object == was.object && !is.leaves);
                    was_in_place(was) && objects.any(|is| is.state != State::Ready)
                };
                // No object wanted it, and it was already removed, as far as it was ours.
                let was_wanted = |is: &Entry| before_entries.iter().any(|was| was.object == is.object && !was.leaves);
                let is_back = |is: &Entry| is.leaves && !was_outstanding && !was_wanted(is);
                // The object no longer exists.
                let is_orphaned = after.entries.is_empty() && before_entries.is_empty() && !was_outstanding;
                before.is_none_or(|before| before.write.is_none())
                    && (before_entries.iter().any(lost)
                        || after.entries.iter().any(is_back)
                        || is_orphaned && write.is_removal())
            }
            // The server accepted the write, yet the same one is needed again. A different write would follow from a
            // new declaration.
            Trigger::Replied {
                made: Some((written, made)),
            } => key == written && self.write(key, now).is_some_and(|again| again.repeats(made)),
            Trigger::Replied { made: None } | Trigger::Declared { .. } => false,
        }
    }

    /// Records that a key needs repair. Returns whether it is contended, and thus reported and backed off.
    pub(super) fn record_undo(&mut self, key: &Key, entries: &[Entry], now: Duration) -> bool {
        let contention = self.pending.contention_or_new(key);
        contention.since.get_or_insert(now);
        let left = entries.iter().filter(|entry| entry.leaves);
        contention.left_by = left.map(|entry| Arc::clone(&entry.object)).collect();
        let delay = contention.contention.record_undo(now);
        if contention.contention.contended_until().is_none() {
            return false;
        }
        contention.reported.get_or_insert_with(|| contended(ANOTHER_WRITER));
        if !contention.left_by.is_empty() {
            self.pending.record_contended_removal(key);
        }
        self.pending.retry_mut(key).retry_at = now + delay;
        true
    }

    pub(super) fn contended(&self, key: &Key) -> Option<&Failure> {
        self.pending
            .contention(key)
            .and_then(|contention| contention.reported.as_ref())
    }

    /// Since when there has been drift to repair, if that is known.
    pub(super) fn contended_since(&self, key: &Key) -> Option<Duration> {
        self.pending.contention(key)?.since
    }

    /// Adds a lasting contention about a removal, even if the key is gone at this moment.
    pub(super) fn with_contention(&self, key: &Key, mut evaluation: Evaluation) -> Evaluation {
        let Some((contention, reported)) = self
            .pending
            .contention(key)
            .and_then(|contention| Some((contention, contention.reported.as_ref()?)))
        else {
            return evaluation;
        };
        for object in &contention.left_by {
            if evaluation.entries.iter().all(|entry| entry.object != *object) {
                evaluation.entries.push(Entry {
                    object: Arc::clone(object),
                    state: State::Failed(reported.clone()),
                    leaves: true,
                });
            }
        }
        evaluation
    }

    /// Whether another writer keeps undoing this key, and has not been looked up yet.
    pub fn wants_manager(&self, key: &Key) -> bool {
        self.pending
            .contention(key)
            .is_some_and(|contention| contention.reported.is_some() && !contention.asked)
    }

    /// Names the field manager that last wrote what we declare. It is `None` if `managedFields` do not show it. An
    /// object created without fields, such as the account `default`, is not tracked until its first apply.
    pub fn name_manager(&mut self, key: &Key, manager: Option<&str>, now: Duration) {
        let failure = contended(&match manager {
            Some(manager) => format!(
                "field manager {manager:?} keeps undoing the operator's write: stop it, or exclude this namespace or account"
            ),
            None => format!("{ANOTHER_WRITER}: the audit log of the API server can name it, managedFields do not"),
        });
        // The write that found the manager is handled next, and returns the work.
        let _ = self.reconsider(key, now, |reconciler| {
            if let Some(contention) = reconciler.pending.contention_mut(key) {
                contention.reported = Some(failure);
                contention.asked = true;
            }
        });
    }

    /// When the contention over a key ends, if no other change comes.
    pub(super) fn contended_until(&self, key: &Key) -> Option<Duration> {
        let contention = self.pending.contention(key)?;
        contention.reported.as_ref()?;
        contention.contention.contended_until()
    }

    /// Ends the report of a contention that is over.
    pub(super) fn settle(&mut self, key: &Key, now: Duration) {
        let over = self.contended_until(key).is_some_and(|at| at <= now);
        if over && let Some(contention) = self.pending.contention_mut(key) {
            contention.reported = None;
            contention.asked = false;
            contention.since = None;
        }
    }

    /// Ends a contention whose key is gone. If the key returns, that counts, because deleting and creating also undoes.
    pub(super) fn end_contention(&mut self, key: &Key) {
        self.pending.bound_contentions(key);
        if let Some(contention) = self.pending.contention_mut(key) {
            contention.reported = None;
            contention.asked = false;
        }
    }

    /// Drops contentions that are over, and old write times. It runs now and then, not at each reply, because there may
    /// be as many contentions as copies.
    pub(super) fn forget_old(&mut self, now: Duration) {
        if now < self.forgot_at + FORGET_EVERY {
            return;
        }
        self.forgot_at = now;
        self.forget_holds(now);
        // Without an object of its name, a copy that left its watch has no evaluation.
        self.out_of_sight.retain(|key, _| match &key.target {
            Target::Secret(name) => self.cluster.has_copies(name),
            Target::Account(_) => false,
        });
        self.absent.retain(|_, &mut since| now < since + ABSENT_FOR);
        self.pending.expire(now, now.saturating_sub(SHARED));
    }

    pub(super) fn reconsider(&mut self, key: &Key, now: Duration, change: impl FnOnce(&mut Self)) -> Vec<Work> {
        let trigger = Trigger::Replied { made: None };
        self.change(&key.namespace, &Affected::of(key), trigger, now, change)
    }
}

const ANOTHER_WRITER: &str = "another writer keeps undoing the operator's write";

fn contended(message: &str) -> Failure {
    Failure::new(FailureReason::Contended, message)
}

fn was_in_place(entry: &Entry) -> bool {
    match &entry.state {
        _ if entry.leaves => false,
        State::Ready => true,
        State::Failed(failure) => failure.reason == FailureReason::Contended,
        State::Pending => false,
    }
}

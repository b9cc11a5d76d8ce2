//! Derives counts and work from the evaluations before and after a change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use plan::decision::State;

use super::evaluate::{Affected, Trigger};
use super::evaluation::Evaluation;
use super::{Reconciler, SHARED};
use crate::tally::{Entry, Tried};
use crate::work::{Key, Lane, Work};

/// Most fresh work of one namespace at once. A namespace may have ten thousand accounts. Beyond this limit, its work
/// waits behind fresh work elsewhere.
const FRESH_AT_MOST: usize = 32;

/// Demotes the work of a namespace with too much of it to the bulk lane.
pub(super) fn beside_others(mut work: Vec<Work>) -> Vec<Work> {
    if work.len() > FRESH_AT_MOST {
        for work in work.iter_mut().filter(|work| work.lane == Lane::Fresh) {
            work.lane = Lane::Bulk;
        }
    }
    work
}

impl Reconciler {
    /// Records the difference in the tally, and returns the work.
    pub(super) fn apply_diff(
        &mut self,
        mut before: BTreeMap<Key, Evaluation>,
        after: BTreeMap<Key, Evaluation>,
        trigger: Trigger<'_>,
        now: Duration,
    ) -> Vec<Work> {
        let spec_changed = trigger == Trigger::Declared { spec_changed: true };
        let mut work = Vec::new();
        for (key, mut after) in after {
            let before = before.remove(&key);
            if self.is_another_write(&key, before.as_ref(), &after) {
                self.pending.retry_mut(&key).begin_again(now);
                after = self.evaluated_again(&key, now).unwrap_or(after);
            }
            if self.is_undone(&key, before.as_ref(), &after, trigger, now)
                && self.record_undo(&key, &after.entries, now)
            {
                // This changed the entry to record.
                after = self.evaluated_again(&key, now).unwrap_or(after);
            }
            if after.removal_pending {
                let since = self.pending.removal_since(&key).unwrap_or(now);
                self.pending.set_removal(&key, Some(since));
            } else {
                self.pending.set_removal(&key, None);
            }
            self.record_diff(&key, before.as_ref(), Some(&after), spec_changed, now);
            work.extend(self.work(&key, &after, trigger, now));
            // A failure was recorded with its retry state, so it is evaluated with it again.
            let failed = |entry: &Entry| matches!(entry.state, State::Failed(_));
            let is_reported = after.entries.iter().any(failed) && self.contended_until(&key).is_none();
            let reads = self.is_uncertain(&key) || self.is_unread(&key) || self.is_out_of_sight(&key);
            if after.write.is_none() && after.again_after.is_none() && !is_reported && !reads {
                self.pending.set_retry(&key, None);
            }
        }
        for (key, before) in before {
            self.record_diff(&key, Some(&before), None, spec_changed, now);
            self.pending.set_retry(&key, None);
            self.end_contention(&key);
            self.pending.set_removal(&key, None);
        }
        beside_others(work)
    }

    /// Whether the key needs a write of another kind than the one that was refused. It is not put off with that one.
    fn is_another_write(&self, key: &Key, before: Option<&Evaluation>, after: &Evaluation) -> bool {
        let kinds = before.and_then(|before| before.write).zip(after.write);
        let refused = self.pending.retry(key).is_some_and(|retry| retry.failure.is_some());
        refused && kinds.is_some_and(|(before, after)| before != after) && self.contended_until(key).is_none()
    }

    fn evaluated_again(&self, key: &Key, now: Duration) -> Option<Evaluation> {
        self.evaluate(&self.cluster, &key.namespace, &Affected::of(key), now)
            .remove(key)
    }

    /// What to do about an evaluated key, and when.
    pub(super) fn work(&self, key: &Key, evaluation: &Evaluation, trigger: Trigger<'_>, now: Duration) -> Vec<Work> {
        let reads = evaluation.to_read.iter().map(|name| {
            let key = Key::secret(&key.namespace, name);
            let at = self.pending.retry(&key).map(|retry| retry.retry_at);
            let at = at.filter(|&at| at > now);
            Work { at, ..Work::now(key) }
        });
        reads.chain(self.work_of(key, evaluation, trigger, now)).collect()
    }

    fn work_of(&self, key: &Key, evaluation: &Evaluation, trigger: Trigger<'_>, now: Duration) -> Option<Work> {
        let (lane, at) = if let Some(write) = evaluation.write {
            let retry = self.pending.retry(key);
            let retry_at = retry.map(|retry| retry.retry_at);
            let retry_at = retry_at.filter(|_| !matches!(trigger, Trigger::Declared { .. }));
            let shared_at = self.pending.written_at(key).map(|at| at + SHARED);
            // Refused keys are retried at a limited rate after any change, because there may be ten thousand.
            let refused = retry.is_some_and(|retry| retry.refused_since.is_some());
            let lane = if refused { Lane::Retry } else { write.lane() };
            (lane, retry_at.max(shared_at).filter(|&at| at > now))
        } else if let Some(delay) = evaluation.again_after {
            (Lane::Fresh, Some(now + delay))
        } else {
            (Lane::Fresh, Some(self.contended_until(key)?.max(now)))
        };
        let key = key.clone();
        Some(Work { key, lane, at })
    }

    /// Records the difference in the tally.
    fn record_diff(
        &mut self,
        key: &Key,
        before: Option<&Evaluation>,
        after: Option<&Evaluation>,
        spec_changed: bool,
        now: Duration,
    ) {
        fn parts(evaluation: Option<&Evaluation>) -> (&[Entry], &[Arc<str>]) {
            evaluation.map_or((&[], &[]), |evaluation| {
                (&evaluation.entries, &evaluation.pending_cleanup)
            })
        }
        let ((was, pending_before), (is, pending)) = (parts(before), parts(after));
        #[cfg(test)]
        {
            let recorded = self.recorded.insert(key.clone(), (is.to_vec(), pending.to_vec()));
            let (entries, pending_cleanup) = recorded.unwrap_or_default();
            assert_eq!(
                (&*entries, &*pending_cleanup),
                (was, pending_before),
                "{key} changed outside of `change`"
            );
        }
        self.tally.update(key, was, is, now, spec_changed);
        if !pending_before.is_empty() || !pending.is_empty() {
            self.tally
                .update_pending(key, pending_before, pending, self.tried(key, after), now);
        }
    }

    /// The keys whose evaluation differs from what was recorded of them: something that it depends on changed outside of
    /// [`Reconciler::change`], or with too few keys affected.
    #[cfg(test)]
    pub(super) fn unrecorded(&self, now: Duration) -> Vec<Key> {
        let mut found = Vec::new();
        let mut gone = self.recorded.clone();
        for namespace in self.places.keys() {
            for (key, evaluation) in self.evaluate(&self.cluster, namespace, &Affected::Whole, now) {
                let recorded = gone.remove(&key).unwrap_or_default();
                if recorded != (evaluation.entries, evaluation.pending_cleanup) {
                    found.push(key);
                }
            }
        }
        let left = gone
            .into_iter()
            .filter(|(_, (entries, pending))| !entries.is_empty() || !pending.is_empty());
        found.extend(left.map(|(key, _)| key));
        found
    }

    /// How the attempts at a key ended.
    fn tried(&self, key: &Key, evaluation: Option<&Evaluation>) -> Tried {
        let read = evaluation.and_then(|evaluation| evaluation.to_read.first());
        let read = read.map(|name| Key::secret(&key.namespace, name));
        let retry = self.pending.retry(read.as_ref().unwrap_or(key));
        if retry.is_some_and(|retry| retry.no_answer) {
            return Tried::NoAnswer;
        }
        // No write is due, and none would help.
        let blocked_since = evaluation
            .filter(|evaluation| !evaluation.is_outstanding())
            .and_then(|_| self.pending.removal_since(key));
        let tried_since = retry.and_then(|retry| retry.tried_since);
        let since = tried_since.or_else(|| self.contended_since(key)).or(blocked_since);
        since.map_or(Tried::NotYet, Tried::Since)
    }
}

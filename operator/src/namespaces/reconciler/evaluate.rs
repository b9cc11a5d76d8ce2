//! Evaluates the keys that a change affects, before and after, and derives counts and work from the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use plan::action::{AccountAction, SecretAction};
use plan::decision::{Decision, Failure, State};
use plan::observed::Account;
use plan::scope::{Cluster, Scope};
use plan::{secret, service_account};

use super::{Reconciler, SHARED};
use crate::tally::{Entry, Tried};
use crate::work::{Key, Lane, Target, Work, Write};

/// What caused an evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Trigger<'a> {
    /// An event of the cluster.
    Watched,
    /// The reply to our own write of this key, or to an attempt.
    Replied { made: Option<(&'a Key, &'a Write)> },
    /// A change of an object; `spec_changed` if it has a new edition.
    Declared { spec_changed: bool },
}

/// What a change may affect.
pub(super) enum Affected<'a> {
    /// The whole namespace.
    Whole,
    /// The Secret of this name.
    Secret(&'a Arc<str>),
    /// The Secret of this name, and accounts that refer to it or record it.
    Referred(&'a Arc<str>),
    /// The Secret of this name, and all accounts, including those that should refer to it.
    Offered(&'a Arc<str>),
    /// The account of this name, and copies that wait for its references to go. Those are the copies that it records
    /// now, and the given ones, which it recorded before or after the change.
    Account(&'a Arc<str>, &'a [Arc<str>]),
}

impl<'a> Affected<'a> {
    pub(super) fn of(key: &'a Key) -> Self {
        match &key.target {
            Target::Secret(name) => Self::Secret(name),
            Target::Account(name) => Self::Account(name, &[]),
        }
    }
}

/// The plan's answer for a key, without the write itself. Each change evaluates again, and must find what was recorded.
/// So state that evaluations depend on changes only within [`Reconciler::change`], or where no evaluation shows it.
pub(super) struct Evaluation {
    pub(super) entries: Vec<Entry>,
    owed_to: Vec<Arc<str>>,
    pub(super) write: Option<WriteKind>,
    again_after: Option<Duration>,
    removal_pending: bool,
    /// Secrets to read before a decision is possible.
    to_read: Vec<Arc<str>>,
}

impl Evaluation {
    /// Whether the key still needs a write, another look or a read.
    pub(super) fn is_outstanding(&self) -> bool {
        self.write.is_some() || self.again_after.is_some() || !self.to_read.is_empty()
    }
}

/// What kind of write a key needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteKind {
    Create,
    Update,
    Reclaim,
    Assign,
    Release,
    Delete,
    Empty,
    Patch,
}

impl WriteKind {
    fn of(action: &SecretAction) -> Self {
        match action {
            SecretAction::Create(_) => Self::Create,
            SecretAction::Update { .. } => Self::Update,
            SecretAction::Reclaim { .. } => Self::Reclaim,
            SecretAction::Assign { .. } => Self::Assign,
            SecretAction::Release { .. } => Self::Release,
            SecretAction::Delete { .. } => Self::Delete,
            SecretAction::Empty { .. } => Self::Empty,
        }
    }

    /// Whether it may remove what no object wants. A patch of an account may or may not.
    pub(super) fn is_removal(self) -> bool {
        match self {
            Self::Release | Self::Delete | Self::Empty | Self::Patch => true,
            Self::Create | Self::Update | Self::Reclaim | Self::Assign => false,
        }
    }

    fn lane(self) -> Lane {
        match self {
            Self::Update | Self::Assign => Lane::Bulk,
            Self::Create | Self::Reclaim | Self::Release | Self::Delete | Self::Empty | Self::Patch => Lane::Fresh,
        }
    }
}

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
    /// The write that the key needs now.
    pub fn write(&self, key: &Key, now: Duration) -> Option<Write> {
        let scope = self.scope(&self.cluster, &key.namespace)?;
        match &key.target {
            Target::Secret(name) => {
                let action = self.decide_secret(&scope, key, name, now).action?;
                let name = Arc::clone(name);
                Some(Write::Secret { name, action })
            }
            Target::Account(name) => {
                let seen = scope.seen.accounts.get(name.as_ref())?;
                let unverified = self.unverified(&scope, &key.namespace, now);
                let action = self.decide_account(&scope, key, name, seen, &unverified).action?;
                let name = Arc::clone(name);
                Some(Write::Account { name, action })
            }
        }
    }

    /// Whether a partly cached account must be read before a write that it may need.
    pub(super) fn is_to_be_read_first(&self, key: &Key, name: &str) -> bool {
        let Some(scope) = self.scope(&self.cluster, &key.namespace) else {
            return false;
        };
        let seen = scope.seen.accounts.get(name).filter(|seen| seen.hidden.is_some());
        seen.is_some_and(|seen| self.decide_account(&scope, key, name, seen, &[]).read_first)
    }

    /// Makes a change, and derives counts and work from its effect.
    pub(super) fn change(
        &mut self,
        namespace: &Arc<str>,
        affected: &Affected<'_>,
        trigger: Trigger<'_>,
        now: Duration,
        change: impl FnOnce(&mut Self),
    ) -> Vec<Work> {
        if !self.started {
            change(self);
            return Vec::new();
        }
        let before = self.evaluate(&self.cluster, namespace, affected, now);
        change(self);
        let after = self.evaluate(&self.cluster, namespace, affected, now);
        if self
            .places
            .get(namespace)
            .is_some_and(|place| !place.known && is_empty(&place.facts))
        {
            self.places.remove(namespace);
        }
        self.apply_diff(before, after, trigger, now)
    }

    pub(super) fn evaluate(
        &self,
        cluster: &Cluster,
        namespace: &Arc<str>,
        affected: &Affected<'_>,
        now: Duration,
    ) -> BTreeMap<Key, Evaluation> {
        let mut found = BTreeMap::new();
        let Some(scope) = self.scope(cluster, namespace) else {
            return found;
        };
        let secrets: BTreeSet<&Arc<str>> = match affected {
            Affected::Secret(name) | Affected::Referred(name) | Affected::Offered(name) => BTreeSet::from([*name]),
            // Removing the last reference allows removal of the copy.
            Affected::Account(..) if !self.pending.has_removals() => BTreeSet::new(),
            Affected::Account(name, records) => {
                let held = scope.seen.accounts.get(name.as_ref());
                let records = held.into_iter().flat_map(|held| held.attached.iter()).chain(*records);
                let leaves = |name: &&Arc<str>| self.pending.removal_since(&Key::secret(namespace, name)).is_some();
                records.filter(leaves).collect()
            }
            Affected::Whole => scope.secret_names(),
        };
        for name in secrets {
            let key = Key::secret(namespace, name);
            let decision = self.decide_secret(&scope, &key, name, now);
            let write = decision.action.as_ref().map(WriteKind::of);
            let evaluation = self.with_contention(&key, evaluation(decision, write));
            found.insert(key, evaluation);
        }
        let all = scope.seen.accounts.iter();
        let accounts: Vec<(&Arc<str>, &Account)> = match affected {
            Affected::Secret(_) => Vec::new(),
            Affected::Referred(name) => all.filter(|(_, seen)| refers(seen, name)).collect(),
            Affected::Account(name, _) => {
                let seen = scope.seen.accounts.get(name.as_ref());
                seen.map(|seen| (*name, seen)).into_iter().collect()
            }
            Affected::Whole | Affected::Offered(_) => all.collect(),
        };
        if accounts.is_empty() {
            return found;
        }
        let unverified = self.unverified(&scope, namespace, now);
        for (name, seen) in accounts {
            let key = Key::account(namespace, name);
            let decision = self.decide_account(&scope, &key, name, seen, &unverified);
            let write = (decision.action.is_some() || decision.read_first).then_some(WriteKind::Patch);
            let evaluation = self.with_contention(&key, evaluation(decision, write));
            found.insert(key, evaluation);
        }
        found
    }

    fn decide_secret<'a>(
        &self,
        scope: &Scope<'a>,
        key: &Key,
        name: &'a str,
        now: Duration,
    ) -> Decision<'a, SecretAction> {
        let pending_for = self
            .pending
            .removal_since(key)
            .map_or(Duration::ZERO, |since| now.saturating_sub(since));
        secret::decide(
            scope,
            name,
            secret::Context {
                last_error: self.failure(key),
                contention: self.contended(key),
                removal_pending_for: pending_for,
            },
        )
    }

    fn decide_account<'a>(
        &self,
        scope: &Scope<'a>,
        key: &Key,
        name: &str,
        seen: &Account,
        unverified: &[Arc<str>],
    ) -> Decision<'a, AccountAction> {
        let unread = |name: &&Arc<str>| self.may_be_retained(scope, &key.namespace, name);
        let unread: Vec<Arc<str>> = seen.attached.iter().filter(unread).cloned().collect();
        service_account::decide(
            scope,
            name,
            seen,
            service_account::Context {
                last_error: self.failure(key),
                contention: self.contended(key),
                unverified,
                lost_records: self.lost.get(key).map_or(&[], Vec::as_slice),
                unread: &unread,
            },
        )
    }

    /// Names of Secrets to create for the first time since the start. The answer to that create shows whether a
    /// squatter has the name.
    fn unverified(&self, scope: &Scope<'_>, namespace: &Arc<str>, now: Duration) -> Vec<Arc<str>> {
        if !self.pending.has_unverified() {
            return Vec::new();
        }
        let creates = |name: &&Arc<str>| {
            let key = Key::secret(namespace, name);
            self.pending.is_unverified(&key)
                && matches!(
                    self.decide_secret(scope, &key, name, now).action,
                    Some(SecretAction::Create(_))
                )
        };
        scope.secret_names().into_iter().filter(creates).cloned().collect()
    }

    /// The Secrets of a namespace that are missing at the start.
    pub(super) fn missing(&self, namespace: &Arc<str>, now: Duration) -> Vec<Key> {
        let evaluation = self.evaluate(&self.cluster, namespace, &Affected::Whole, now);
        let created =
            |(key, evaluation): (Key, Evaluation)| (evaluation.write == Some(WriteKind::Create)).then_some(key);
        evaluation.into_iter().filter_map(created).collect()
    }

    fn failure(&self, key: &Key) -> Option<&Failure> {
        self.pending.retry(key).and_then(|retry| retry.failure.as_ref())
    }

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
            if self.is_undone(&key, before.as_ref(), &after, trigger, now)
                && self.record_undo(&key, &after.entries, now)
            {
                // This changed the entry to record.
                let again = self
                    .evaluate(&self.cluster, &key.namespace, &Affected::of(&key), now)
                    .remove(&key);
                after = again.unwrap_or(after);
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
            let is_told = after.entries.iter().any(failed) && self.contended_until(&key).is_none();
            let reads = self.is_uncertain(&key) || self.is_unread(&key);
            if after.write.is_none() && after.again_after.is_none() && !is_told && !reads {
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
            evaluation.map_or((&[], &[]), |evaluation| (&evaluation.entries, &evaluation.owed_to))
        }
        let ((was, owed_before), (is, owed)) = (parts(before), parts(after));
        #[cfg(test)]
        {
            let recorded = self.recorded.insert(key.clone(), (is.to_vec(), owed.to_vec()));
            let (entries, owed_to) = recorded.unwrap_or_default();
            assert_eq!(
                (&*entries, &*owed_to),
                (was, owed_before),
                "{key} changed outside of `change`"
            );
        }
        self.tally.update(key, was, is, now, spec_changed);
        if !owed_before.is_empty() || !owed.is_empty() {
            self.tally
                .update_pending(key, owed_before, owed, self.tried(key, after), now);
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
                if recorded != (evaluation.entries, evaluation.owed_to) {
                    found.push(key);
                }
            }
        }
        let left = gone
            .into_iter()
            .filter(|(_, (entries, owed))| !entries.is_empty() || !owed.is_empty());
        found.extend(left.map(|(key, _)| key));
        found
    }

    /// How the attempts at a key ended.
    fn tried(&self, key: &Key, evaluation: Option<&Evaluation>) -> Tried {
        let read = evaluation.and_then(|evaluation| evaluation.to_read.first());
        let read = read.map(|name| Key::secret(&key.namespace, name));
        let retry = self.pending.retry(read.as_ref().unwrap_or(key));
        if retry.is_some_and(|retry| retry.unheard) {
            return Tried::NoAnswer;
        }
        // No write is due, and none would help.
        let held_since = evaluation
            .filter(|evaluation| !evaluation.is_outstanding())
            .and_then(|_| self.pending.removal_since(key));
        let tried_since = retry.and_then(|retry| retry.tried_since);
        let since = tried_since.or_else(|| self.contended_since(key)).or(held_since);
        since.map_or(Tried::NotYet, Tried::Since)
    }
}

fn evaluation<A>(decision: Decision<'_, A>, write: Option<WriteKind>) -> Evaluation {
    let entry = |leaves: bool| {
        move |(object, state): (&Arc<plan::object::Object>, State)| Entry {
            object: Arc::clone(&object.name),
            state,
            leaves,
        }
    };
    let stays = decision.states.into_iter().map(entry(false));
    Evaluation {
        entries: stays.chain(decision.removals.into_iter().map(entry(true))).collect(),
        owed_to: decision
            .pending_cleanup
            .iter()
            .map(|object| Arc::clone(&object.name))
            .collect(),
        write,
        again_after: decision.requeue_after,
        removal_pending: decision.removal_pending,
        to_read: decision.to_read,
    }
}

/// Whether the account has or records this reference, so that its place depends on the Secret.
fn refers(account: &Account, name: &Arc<str>) -> bool {
    account.may_record(name) || account.entries.iter().any(|entry| entry.name() == name.as_ref())
}

/// Whether the cache of a namespace is empty.
fn is_empty(facts: &plan::observed::Namespace) -> bool {
    facts.secrets.is_empty() && facts.accounts.is_empty()
}

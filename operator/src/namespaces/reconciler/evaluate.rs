//! Before and after: which keys a change touches, what the plan makes of each, and what follows from the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use plan::action::{AccountAction, SecretAction};
use plan::decision::{Decision, Failure, State};
use plan::observed::Account;
use plan::scope::{Cluster, Scope};
use plan::{secret, service_account};

use super::{SHARED, World};
use crate::tally::{Entry, Tried};
use crate::work::{Key, Lane, Target, Work, Write};

/// What made a key be surveyed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cause<'a> {
    /// Somebody changed the cluster.
    Watched,
    /// We did, with this write of this key, or tried to.
    Replied { made: Option<(&'a Key, &'a Write)> },
    /// An object changed. `urgent`: it is a new edition of it.
    Declared { urgent: bool },
}

/// What a change may touch.
pub(super) enum Touch<'a> {
    /// All of the namespace.
    Whole,
    /// The Secret of this name.
    Secret(&'a Arc<str>),
    /// The Secret of this name, and the accounts that refer to it or record it.
    Referred(&'a Arc<str>),
    /// The Secret of this name, and all accounts: those that are to refer to it too.
    Offered(&'a Arc<str>),
    /// The account of this name, and copies that wait for its reference to go: those of which it records one now, and
    /// these, of which it did before the change or does after it.
    Account(&'a Arc<str>, &'a [Arc<str>]),
}

impl<'a> Touch<'a> {
    pub(super) fn of(key: &'a Key) -> Self {
        match &key.target {
            Target::Secret(name) => Self::Secret(name),
            Target::Account(name) => Self::Account(name, &[]),
        }
    }
}

/// A key as the plan sees it, without the write itself. It is made anew before each change, and must then come out as
/// it was booked: whatever a survey depends on is changed within [`World::change`], or where no survey shows it.
pub(super) struct Surveyed {
    pub(super) entries: Vec<Entry>,
    owed_to: Vec<Arc<str>>,
    pub(super) write: Option<WriteKind>,
    again_after: Option<Duration>,
    leaving: bool,
    /// Secrets that must be read before this can be decided.
    to_read: Vec<Arc<str>>,
}

impl Surveyed {
    /// Whether something is still to be done about it.
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

    /// Whether it takes away what no object wants; of an account that may be.
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

/// Of what is found in one namespace at once. With more than this, it waits behind what is new elsewhere: a namespace may
/// hold ten thousand accounts, and the others have done nothing for that.
const FRESH_AT_MOST: usize = 32;

/// The work found in one namespace, in the lane that does not hold up the others.
pub(super) fn beside_others(mut work: Vec<Work>) -> Vec<Work> {
    if work.len() > FRESH_AT_MOST {
        for work in work.iter_mut().filter(|work| work.lane == Lane::Fresh) {
            work.lane = Lane::Bulk;
        }
    }
    work
}

impl World {
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
                let unsettled = self.unsettled(&scope, &key.namespace, now);
                let action = self.decide_account(&scope, key, name, seen, &unsettled).action?;
                let name = Arc::clone(name);
                Some(Write::Account { name, action })
            }
        }
    }

    /// Whether an account that is not held whole is to be read for a write that it may need.
    pub(super) fn is_to_be_read_first(&self, key: &Key, name: &str) -> bool {
        let Some(scope) = self.scope(&self.cluster, &key.namespace) else {
            return false;
        };
        let seen = scope.seen.accounts.get(name).filter(|seen| seen.hidden.is_some());
        seen.is_some_and(|seen| self.decide_account(&scope, key, name, seen, &[]).read_first)
    }

    /// Makes a change and finds what came of it.
    pub(super) fn change(
        &mut self,
        namespace: &Arc<str>,
        touch: &Touch<'_>,
        cause: Cause<'_>,
        now: Duration,
        change: impl FnOnce(&mut Self),
    ) -> Vec<Work> {
        if !self.started {
            change(self);
            return Vec::new();
        }
        let before = self.survey(&self.cluster, namespace, touch, now);
        change(self);
        let after = self.survey(&self.cluster, namespace, touch, now);
        if self
            .places
            .get(namespace)
            .is_some_and(|place| !place.known && is_empty(&place.facts))
        {
            self.places.remove(namespace);
        }
        self.settle(before, after, cause, now)
    }

    pub(super) fn survey(
        &self,
        cluster: &Cluster,
        namespace: &Arc<str>,
        touch: &Touch<'_>,
        now: Duration,
    ) -> BTreeMap<Key, Surveyed> {
        let mut found = BTreeMap::new();
        let Some(scope) = self.scope(cluster, namespace) else {
            return found;
        };
        let secrets: BTreeSet<&Arc<str>> = match touch {
            Touch::Secret(name) | Touch::Referred(name) | Touch::Offered(name) => BTreeSet::from([*name]),
            // The last reference that goes lets a copy go.
            Touch::Account(..) if self.leaving.is_empty() => BTreeSet::new(),
            Touch::Account(name, records) => {
                let held = scope.seen.accounts.get(name.as_ref());
                let records = held.into_iter().flat_map(|held| held.attached.iter()).chain(*records);
                let leaves = |name: &&Arc<str>| self.leaving.contains_key(&Key::secret(namespace, name));
                records.filter(leaves).collect()
            }
            Touch::Whole => scope.secret_names(),
        };
        for name in secrets {
            let key = Key::secret(namespace, name);
            let decision = self.decide_secret(&scope, &key, name, now);
            let write = decision.action.as_ref().map(WriteKind::of);
            let surveyed = self.with_fight(&key, surveyed(decision, write));
            found.insert(key, surveyed);
        }
        let all = scope.seen.accounts.iter();
        let accounts: Vec<(&Arc<str>, &Account)> = match touch {
            Touch::Secret(_) => Vec::new(),
            Touch::Referred(name) => all.filter(|(_, seen)| refers(seen, name)).collect(),
            Touch::Account(name, _) => {
                let seen = scope.seen.accounts.get(name.as_ref());
                seen.map(|seen| (*name, seen)).into_iter().collect()
            }
            Touch::Whole | Touch::Offered(_) => all.collect(),
        };
        if accounts.is_empty() {
            return found;
        }
        let unsettled = self.unsettled(&scope, namespace, now);
        for (name, seen) in accounts {
            let key = Key::account(namespace, name);
            let decision = self.decide_account(&scope, &key, name, seen, &unsettled);
            let write = (decision.action.is_some() || decision.read_first).then_some(WriteKind::Patch);
            let surveyed = self.with_fight(&key, surveyed(decision, write));
            found.insert(key, surveyed);
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
        let leaving_for = self
            .leaving
            .get(key)
            .map_or(Duration::ZERO, |&since| now.saturating_sub(since));
        secret::decide(
            scope,
            name,
            secret::Context {
                last_error: self.failure(key),
                contention: self.contended(key),
                removal_pending_for: leaving_for,
            },
        )
    }

    fn decide_account<'a>(
        &self,
        scope: &Scope<'a>,
        key: &Key,
        name: &str,
        seen: &Account,
        unsettled: &[Arc<str>],
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
                unverified: unsettled,
                lost_records: self.lost.get(key).map_or(&[], Vec::as_slice),
                unread: &unread,
            },
        )
    }

    /// The names under which a Secret is about to be made for the first time since the start: whether one of somebody
    /// else stands there is known when that is answered.
    fn unsettled(&self, scope: &Scope<'_>, namespace: &Arc<str>, now: Duration) -> Vec<Arc<str>> {
        if self.unsettled.is_empty() {
            return Vec::new();
        }
        let creates = |name: &&Arc<str>| {
            let key = Key::secret(namespace, name);
            self.unsettled.contains(&key)
                && matches!(
                    self.decide_secret(scope, &key, name, now).action,
                    Some(SecretAction::Create(_))
                )
        };
        scope.secret_names().into_iter().filter(creates).cloned().collect()
    }

    /// The Secrets of a namespace that are to be made, at the start.
    pub(super) fn missing(&self, namespace: &Arc<str>, now: Duration) -> Vec<Key> {
        let surveyed = self.survey(&self.cluster, namespace, &Touch::Whole, now);
        let created = |(key, surveyed): (Key, Surveyed)| (surveyed.write == Some(WriteKind::Create)).then_some(key);
        surveyed.into_iter().filter_map(created).collect()
    }

    fn failure(&self, key: &Key) -> Option<&Failure> {
        self.troubles.get(key).and_then(|trouble| trouble.failure.as_ref())
    }

    /// Takes the difference to the board, and finds the work.
    pub(super) fn settle(
        &mut self,
        mut before: BTreeMap<Key, Surveyed>,
        after: BTreeMap<Key, Surveyed>,
        cause: Cause<'_>,
        now: Duration,
    ) -> Vec<Work> {
        let urgent = cause == Cause::Declared { urgent: true };
        let mut work = Vec::new();
        for (key, mut after) in after {
            let before = before.remove(&key);
            if self.is_undone(&key, before.as_ref(), &after, cause, now) && self.contend(&key, &after.entries, now) {
                // What is to be said of it has changed by this.
                let again = self
                    .survey(&self.cluster, &key.namespace, &Touch::of(&key), now)
                    .remove(&key);
                after = again.unwrap_or(after);
            }
            if after.leaving {
                self.leaving.entry(key.clone()).or_insert(now);
            } else {
                self.leaving.remove(&key);
            }
            self.book(&key, before.as_ref(), Some(&after), urgent, now);
            work.extend(self.work(&key, &after, cause, now));
            // What stands as a failure was booked with the trouble, and is looked up with it again.
            let failed = |entry: &Entry| matches!(entry.state, State::Failed(_));
            let is_told = after.entries.iter().any(failed) && self.fight_ends_at(&key).is_none();
            let reads = self.is_uncertain(&key) || self.is_unread(&key);
            if after.write.is_none() && after.again_after.is_none() && !is_told && !reads {
                self.troubles.remove(&key);
            }
        }
        for (key, before) in before {
            self.book(&key, Some(&before), None, urgent, now);
            self.troubles.remove(&key);
            self.end_fight(&key);
            self.leaving.remove(&key);
        }
        beside_others(work)
    }

    /// What is to be done about a key that was surveyed, and when.
    pub(super) fn work(&self, key: &Key, surveyed: &Surveyed, cause: Cause<'_>, now: Duration) -> Vec<Work> {
        let reads = surveyed.to_read.iter().map(|name| {
            let key = Key::secret(&key.namespace, name);
            let at = self.troubles.get(&key).map(|trouble| trouble.retry_at);
            let at = at.filter(|&at| at > now);
            Work { at, ..Work::now(key) }
        });
        reads.chain(self.work_of(key, surveyed, cause, now)).collect()
    }

    fn work_of(&self, key: &Key, surveyed: &Surveyed, cause: Cause<'_>, now: Duration) -> Option<Work> {
        let (lane, at) = if let Some(write) = surveyed.write {
            let trouble = self.troubles.get(key);
            let retry_at = trouble.map(|trouble| trouble.retry_at);
            let retry_at = retry_at.filter(|_| !matches!(cause, Cause::Declared { .. }));
            let shared_at = self.patched.get(key).map(|&at| at + SHARED);
            // What was refused is tried again at a pace, whatever has changed: there may be ten thousand of it.
            let refused = trouble.is_some_and(|trouble| trouble.refused_since.is_some());
            let lane = if refused { Lane::Retry } else { write.lane() };
            (lane, retry_at.max(shared_at).filter(|&at| at > now))
        } else if let Some(delay) = surveyed.again_after {
            (Lane::Fresh, Some(now + delay))
        } else {
            (Lane::Fresh, Some(self.fight_ends_at(key)?.max(now)))
        };
        let key = key.clone();
        Some(Work { key, lane, at })
    }

    /// Takes the difference to the board.
    fn book(&mut self, key: &Key, before: Option<&Surveyed>, after: Option<&Surveyed>, urgent: bool, now: Duration) {
        fn parts(surveyed: Option<&Surveyed>) -> (&[Entry], &[Arc<str>]) {
            surveyed.map_or((&[], &[]), |surveyed| (&surveyed.entries, &surveyed.owed_to))
        }
        let ((was, owed_before), (is, owed)) = (parts(before), parts(after));
        self.board.exchange(key, was, is, now, urgent);
        if !owed_before.is_empty() || !owed.is_empty() {
            self.board.owe(key, owed_before, owed, self.tried(key, after), now);
        }
    }

    /// How the attempts at a key ended.
    fn tried(&self, key: &Key, surveyed: Option<&Surveyed>) -> Tried {
        let read = surveyed.and_then(|surveyed| surveyed.to_read.first());
        let read = read.map(|name| Key::secret(&key.namespace, name));
        let trouble = self.troubles.get(read.as_ref().unwrap_or(key));
        if trouble.is_some_and(|trouble| trouble.unheard) {
            return Tried::Unheard;
        }
        // No write is due, and none would help.
        let held_since = surveyed
            .filter(|surveyed| !surveyed.is_outstanding())
            .and_then(|_| self.leaving.get(key));
        let tried_since = trouble.and_then(|trouble| trouble.tried_since);
        let since = tried_since.or_else(|| self.fought_since(key)).or(held_since.copied());
        since.map_or(Tried::NotYet, Tried::Since)
    }
}

fn surveyed<A>(decision: Decision<'_, A>, write: Option<WriteKind>) -> Surveyed {
    let entry = |leaves: bool| {
        move |(object, state): (&Arc<plan::object::Object>, State)| Entry {
            object: Arc::clone(&object.name),
            state,
            leaves,
        }
    };
    let stays = decision.states.into_iter().map(entry(false));
    Surveyed {
        entries: stays.chain(decision.removals.into_iter().map(entry(true))).collect(),
        owed_to: decision
            .pending_cleanup
            .iter()
            .map(|object| Arc::clone(&object.name))
            .collect(),
        write,
        again_after: decision.requeue_after,
        leaving: decision.removal_pending,
        to_read: decision.to_read,
    }
}

/// Whether it has, or records, a reference of this name: whether that one may stay depends on the Secret.
fn refers(account: &Account, name: &Arc<str>) -> bool {
    account.may_record(name) || account.entries.iter().any(|entry| entry.name() == name.as_ref())
}

/// Whether nothing of a namespace is held.
fn is_empty(facts: &plan::observed::Namespace) -> bool {
    facts.secrets.is_empty() && facts.accounts.is_empty()
}

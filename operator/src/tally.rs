//! What is to be said of each object, kept up to date key by key: one namespace's change costs one namespace's work.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crd::FailureReason;
use plan::decision::{Failure, State};
use plan::summary::{Count, Left, Summary, needs_person};

use crate::shrink;
use crate::work::{Key, Served, Target};

/// How many failures a status names.
const FAILURES_NAMED: usize = 20;

/// Room for so many keys of an object is not given back.
const KEPT: usize = 256;

/// A namespace that was selected less than this ago, and is not served yet, does not make the object unready: where
/// namespaces come all day it would never be ready.
const GRACE: Duration = Duration::from_secs(5);

/// One Secret or account for one object, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The object's name.
    pub object: Arc<str>,
    /// How it stands.
    pub state: State,
    /// The object does not want it here: the state is that of its removal.
    pub leaves: bool,
}

#[derive(Debug, Default)]
struct ObjectCounts {
    revision: u64,
    namespaces: Counter,
    accounts: Counter,
    /// The same of what is to be removed.
    copies_left: Counter,
    references_left: Counter,
    failures: BTreeMap<Key, Failure>,
    /// Writes that are owed.
    owed: usize,
    /// The same by namespace. One that owes nothing any more stays: it may owe again.
    owing: HashMap<Arc<str>, Owing>,
    /// Keys that are owed and were tried in vain.
    stuck: BTreeSet<Key>,
}

/// What a namespace owes to a deletion. Whether it comes further is told by the fewest writes that it ever owed: who puts back
/// what was taken away, there or at ever new accounts, does not change that.
#[derive(Debug)]
struct Owing {
    /// When the deletion was declared, which finds all that is owed.
    begun_at: Duration,
    owed: usize,
    /// The fewest since the first attempt, and when it came to be so.
    fewest: usize,
    fewest_at: Duration,
    /// When the first attempt ended.
    tried_at: Option<Duration>,
}

/// An attempt may take so long before it fails: the longest timeout of a webhook.
const ATTEMPT: Duration = Duration::from_secs(30);

impl Owing {
    fn new(now: Duration) -> Self {
        Self {
            begun_at: now,
            owed: 0,
            fewest: 0,
            fewest_at: now,
            tried_at: None,
        }
    }

    /// It owes so many now.
    fn update_pending(&mut self, owed: usize, now: Duration) {
        self.owed = owed;
        let more = owed > self.fewest && (self.tried_at.is_none() || now == self.begun_at);
        if more || owed < self.fewest {
            self.fewest = owed;
            self.fewest_at = now;
        }
    }

    /// Nothing that was tried so far counts.
    fn begin_again(&mut self, now: Duration) {
        self.tried_at = None;
        self.fewest = self.owed;
        self.fewest_at = now;
    }

    /// Since when it has not come further, if it was tried.
    fn stuck_since(&self) -> Option<Duration> {
        let tried_at = self.tried_at?;
        Some(self.fewest_at.max(tried_at.saturating_sub(ATTEMPT)))
    }
}

/// How the attempts at a key that is owed to a deletion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// None ended yet.
    NotYet,
    /// In vain, since this time.
    Since(Duration),
    /// The server answers none at all: that is no attempt.
    Unheard,
}

/// Namespaces by their copy, or accounts by their reference.
#[derive(Debug, Default)]
struct Counter {
    count: Count,
    /// What is neither ready nor failed since it came, or since somebody changed it.
    pending: HashMap<Key, Pending>,
    /// How many are neither because the object changed, or because the operator started: there may be as many as there are
    /// namespaces, and they have nothing to say for themselves.
    declared: usize,
    /// Since when there are any.
    declared_at: Duration,
}

#[derive(Debug)]
struct Pending {
    since: Duration,
    /// When it makes the object unready.
    late_at: Duration,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Tally {
    objects: HashMap<Arc<str>, ObjectCounts>,
    changed: HashSet<Arc<str>>,
    served: Vec<(Served, Duration)>,
}

impl Tally {
    /// Another edition of the object is in force.
    pub fn revise(&mut self, object: &Arc<str>, revision: u64) {
        self.objects.entry(Arc::clone(object)).or_default().revision = revision;
        self.changed.insert(Arc::clone(object));
    }

    /// The object is gone.
    pub fn forget(&mut self, object: &str) {
        self.objects.remove(object);
        self.changed.remove(object);
    }

    /// `key` stood as `before` and stands as `after`. `urgent`: what is not ready makes the object unready at once,
    /// since it is the object that changed.
    pub fn update(&mut self, key: &Key, before: &[Entry], after: &[Entry], now: Duration, urgent: bool) {
        fn of<'a>(entries: &'a [Entry], object: &Arc<str>) -> Option<&'a Entry> {
            entries.iter().find(|entry| entry.object == *object)
        }
        fn state(entry: Option<&Entry>, leaves: bool) -> Option<&State> {
            entry.filter(|entry| entry.leaves == leaves).map(|entry| &entry.state)
        }
        let gone = before.iter().filter(|entry| of(after, &entry.object).is_none());
        for object in after.iter().chain(gone).map(|entry| &entry.object) {
            let (was, is) = (of(before, object), of(after, object));
            let counts = self.objects.entry(Arc::clone(object)).or_default();
            for leaves in [false, true] {
                let (was, is) = (state(was, leaves), state(is, leaves));
                let waited = counts.counter(key, leaves).update(key, was, is, now, urgent);
                if let Some(waited) = waited.filter(|_| !leaves) {
                    self.served.push((served(key), waited));
                }
            }
            match is.map(|entry| &entry.state) {
                Some(State::Failed(failure)) => drop(counts.failures.insert(key.clone(), failure.clone())),
                _ => drop(counts.failures.remove(key)),
            }
            if was != is {
                self.changed.insert(Arc::clone(object));
            }
        }
    }

    /// A write at `key` was owed to the objects `before`, which are being deleted, and is owed to those of `after`.
    pub fn update_pending(&mut self, key: &Key, before: &[Arc<str>], after: &[Arc<str>], tried: Tried, now: Duration) {
        let paid = before.iter().filter(|object| !after.contains(object));
        for object in after.iter().chain(paid) {
            let counts = self.objects.entry(Arc::clone(object)).or_default();
            if counts.update_pending(key, before.contains(object), after.contains(object), tried, now) {
                self.changed.insert(Arc::clone(object));
            }
        }
    }

    /// The server was away: what was tried before says nothing of who keeps a deletion from being done.
    pub fn begin_again(&mut self, now: Duration) {
        let owing = self.objects.values_mut().flat_map(|counts| counts.owing.values_mut());
        owing.for_each(|owing| owing.begin_again(now));
    }

    /// How many writes are owed to an object that is being deleted.
    pub fn owed(&self, object: &str) -> usize {
        self.objects.get(object).map_or(0, |counts| counts.owed)
    }

    /// Something is to be said of the object anew.
    pub fn touch(&mut self, object: &Arc<str>) {
        self.changed.insert(Arc::clone(object));
    }

    /// The objects of which something else is to be said than when this was asked last.
    pub fn take_changed(&mut self) -> HashSet<Arc<str>> {
        std::mem::take(&mut self.changed)
    }

    /// Whether [`Tally::take_changed`] has something.
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// For how long each had to wait that became ready since this was asked last, where it was not the object that
    /// changed.
    pub fn take_served(&mut self) -> impl Iterator<Item = (Served, Duration)> {
        self.served.drain(..)
    }

    /// How many failed for this reason.
    pub fn failed(&self, reason: FailureReason) -> usize {
        let failures = self.objects.values().flat_map(|counts| counts.failures.values());
        failures.filter(|failure| failure.reason == reason).count()
    }

    /// What is to be said of the object.
    pub fn summary(&self, object: &str) -> Option<Summary> {
        self.objects.get(object).map(ObjectCounts::summary)
    }
}

impl ObjectCounts {
    fn counter(&mut self, key: &Key, leaves: bool) -> &mut Counter {
        match (&key.target, leaves) {
            (Target::Secret(_), false) => &mut self.namespaces,
            (Target::Secret(_), true) => &mut self.copies_left,
            (Target::Account(_), false) => &mut self.accounts,
            (Target::Account(_), true) => &mut self.references_left,
        }
    }

    /// A write at `key` was owed or not, and is owed or not. Whether this changes what is to be said.
    fn update_pending(&mut self, key: &Key, was: bool, is: bool, tried: Tried, now: Duration) -> bool {
        self.owed = (self.owed + usize::from(is)).saturating_sub(usize::from(was));
        let owing = self.owing.entry(Arc::clone(&key.namespace));
        let owing = owing.or_insert_with(|| Owing::new(now));
        let stuck_since = owing.stuck_since();
        let known = self.stuck.contains(key);
        match tried {
            Tried::Unheard => owing.begin_again(now),
            Tried::Since(since) => drop(owing.tried_at.get_or_insert(since)),
            Tried::NotYet if was && !is => drop(owing.tried_at.get_or_insert(now)),
            Tried::NotYet => {}
        }
        owing.update_pending((owing.owed + usize::from(is)).saturating_sub(usize::from(was)), now);
        match tried {
            Tried::Since(_) if is => drop(self.stuck.insert(key.clone())),
            Tried::NotYet if is => {}
            _ => drop(self.stuck.remove(key)),
        }
        was != is || known != self.stuck.contains(key) || stuck_since != owing.stuck_since()
    }

    /// Since when nothing that is owed has come further; none while something was not tried.
    fn stuck_since(&self) -> Option<Duration> {
        let mut owing = self.owing.values().filter(|owing| owing.owed > 0);
        owing.try_fold(Duration::ZERO, |latest, owing| Some(latest.max(owing.stuck_since()?)))
    }

    fn summary(&self) -> Summary {
        let named = |(key, failure): (&Key, &Failure)| {
            let failure = match &key.target {
                Target::Secret(_) => failure.clone(),
                Target::Account(name) => {
                    Failure::new(failure.reason, format!("service account {name:?}: {}", failure.message))
                }
            };
            (Arc::clone(&key.namespace), failure)
        };
        let of_accounts = || {
            self.failures
                .iter()
                .filter(|(key, _)| matches!(key.target, Target::Account(_)))
        };
        let mut of_secrets = self
            .failures
            .iter()
            .filter(|(key, _)| matches!(key.target, Target::Secret(_)));
        let fight = of_accounts().find(|(_, failure)| failure.reason == FailureReason::Contended);
        Summary {
            revision: self.revision,
            namespaces: self.namespaces.count,
            accounts: self.accounts.count,
            failures: self.failures.iter().take(FAILURES_NAMED).map(named).collect(),
            secret_failure: of_secrets.next().map(named),
            account_failure: fight.or_else(|| of_accounts().next()).map(named),
            namespaces_late_at: self.namespaces.late_at(),
            accounts_late_at: self.accounts.late_at(),
            needs_person: self.failures.values().any(|failure| needs_person(failure.reason)),
            copies_left: self.copies_left.left(),
            references_left: self.references_left.left(),
            owed: self.owed,
            stuck_since: self.stuck_since().filter(|_| self.owed > 0),
            stuck: self.stuck.iter().take(FAILURES_NAMED).map(Key::to_string).collect(),
        }
    }
}

impl Counter {
    /// How one of them stood, and stands: none where the object did not, or does not, want it. How long it had to wait,
    /// where that is over and it was not the object that changed.
    fn update(
        &mut self,
        key: &Key,
        was: Option<&State>,
        is: Option<&State>,
        now: Duration,
        urgent: bool,
    ) -> Option<Duration> {
        if let Some(was) = was {
            self.count.add(was, -1);
        }
        if let Some(is) = is {
            self.count.add(is, 1);
        }
        match (was == Some(&State::Pending), is == Some(&State::Pending)) {
            (false, false) => None,
            (false, true) if urgent => {
                if self.declared == 0 {
                    self.declared_at = now;
                }
                self.declared += 1;
                None
            }
            (false, true) => {
                // One that failed has had its time.
                let failed = matches!(was, Some(State::Failed(_)));
                let late_at = if failed { now } else { now + GRACE };
                self.pending.insert(key.clone(), Pending { since: now, late_at });
                None
            }
            (true, true) => {
                if let Some(pending) = self.pending.get_mut(key).filter(|_| urgent) {
                    pending.late_at = now.min(pending.late_at);
                }
                None
            }
            (true, false) => {
                let Some(pending) = self.pending.remove(key) else {
                    self.declared = self.declared.saturating_sub(1);
                    return None;
                };
                shrink::shrink_if_sparse(&mut self.pending, KEPT);
                (is == Some(&State::Ready)).then(|| now.saturating_sub(pending.since))
            }
        }
    }

    fn left(&self) -> Left {
        Left {
            due: self.count.selected,
            failed: self.count.failed,
            late_at: self.late_at(),
        }
    }

    /// When the first that is pending makes the object unready.
    fn late_at(&self) -> Option<Duration> {
        let declared = (self.declared > 0).then_some(self.declared_at);
        self.pending
            .values()
            .map(|pending| pending.late_at)
            .chain(declared)
            .min()
    }
}

fn served(key: &Key) -> Served {
    match key.target {
        Target::Secret(_) => Served::Secret,
        Target::Account(_) => Served::Account,
    }
}

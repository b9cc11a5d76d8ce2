//! What is to be said of each object, kept up to date key by key: one namespace's change costs one namespace's work.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crd::FailureReason;
use plan::verdict::{Failure, State};

use crate::capacity;
use crate::metrics::Served;
use crate::world::{Key, Target};

/// How many failures a status names.
const FAILURES_NAMED: usize = 20;

/// Room for so many keys of an object is not given back.
const KEPT: usize = 256;

/// A namespace that was selected less than this ago, and is not served yet, does not make the object unready: where
/// namespaces come all day it would never be ready.
const GRACE: Duration = Duration::from_secs(5);

/// How many are selected, and how they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All.
    pub selected: i64,
    /// As declared.
    pub ready: i64,
    /// With something against them.
    pub failed: i64,
}

impl Count {
    fn add(&mut self, state: &State, sign: i64) {
        self.selected += sign;
        match state {
            State::Ready => self.ready += sign,
            State::Failed(_) => self.failed += sign,
            State::Pending => {}
        }
    }
}

/// One Secret or account for one object, at one moment.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The object's name.
    pub object: Arc<str>,
    /// How it stands.
    pub state: State,
}

/// All that a report needs of an object's namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Which edition of the object this speaks of, as given with it.
    pub revision: u64,
    /// Namespaces, by their copy.
    pub namespaces: Count,
    /// `ServiceAccount`s, by their reference.
    pub accounts: Count,
    /// The first of those that failed, by namespace, and the account where it is one.
    pub failures: Vec<(Arc<str>, Failure)>,
    /// When the first namespace that is neither ready nor failed makes the object unready; since the process started.
    pub namespaces_late_at: Option<Duration>,
    /// The same of the first account.
    pub accounts_late_at: Option<Duration>,
    /// Something failed that does not pass by itself: a person must act.
    pub needs_person: bool,
    /// Of an object being deleted: writes that are still to be made.
    pub owed: usize,
    /// Since when every one of those was refused; none while one of them was not.
    pub refused_since: Option<Duration>,
}

#[derive(Debug, Default)]
struct Tally {
    revision: u64,
    namespaces: Count,
    accounts: Count,
    pending: HashMap<Key, Pending>,
    failures: BTreeMap<Key, Failure>,
    owed: HashMap<Key, Option<Duration>>,
}

/// What is neither ready nor failed.
#[derive(Debug)]
struct Pending {
    since: Duration,
    /// When it makes the object unready.
    late_at: Duration,
    /// Because the object changed, or the operator started: it waits in a long row.
    declared: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Board {
    tallies: HashMap<Arc<str>, Tally>,
    changed: HashSet<Arc<str>>,
    served: Vec<(Served, Duration)>,
}

impl Board {
    /// Another edition of the object is in force.
    pub fn revise(&mut self, object: &Arc<str>, revision: u64) {
        self.tallies.entry(Arc::clone(object)).or_default().revision = revision;
        self.changed.insert(Arc::clone(object));
    }

    /// The object is gone.
    pub fn forget(&mut self, object: &str) {
        self.tallies.remove(object);
        self.changed.remove(object);
    }

    /// `key` stood as `before` and stands as `after`. `urgent`: what is not ready makes the object unready at once,
    /// since it is the object that changed.
    pub fn exchange(&mut self, key: &Key, before: &[Entry], after: &[Entry], now: Duration, urgent: bool) {
        for entry in before {
            let tally = self.tallies.entry(Arc::clone(&entry.object)).or_default();
            tally.count(key).add(&entry.state, -1);
            if !after.iter().any(|other| other.object == entry.object) {
                tally.pending.remove(key);
                tally.failures.remove(key);
                self.changed.insert(Arc::clone(&entry.object));
            }
        }
        for entry in after {
            let tally = self.tallies.entry(Arc::clone(&entry.object)).or_default();
            tally.count(key).add(&entry.state, 1);
            match &entry.state {
                State::Ready => {
                    if let Some(pending) = tally.pending.remove(key).filter(|pending| !pending.declared) {
                        self.served.push((served(key), now.saturating_sub(pending.since)));
                    }
                    capacity::give_back(&mut tally.pending, KEPT);
                    tally.failures.remove(key);
                }
                State::Pending => {
                    let late_at = if urgent { now } else { now + GRACE };
                    let known = tally.pending.entry(key.clone()).or_insert(Pending {
                        since: now,
                        late_at,
                        declared: urgent,
                    });
                    known.late_at = late_at.min(known.late_at);
                    tally.failures.remove(key);
                }
                State::Failed(failure) => {
                    tally.pending.remove(key);
                    tally.failures.insert(key.clone(), failure.clone());
                }
            }
            let same = before
                .iter()
                .any(|other| other.object == entry.object && other.state == entry.state);
            if !same {
                self.changed.insert(Arc::clone(&entry.object));
            }
        }
    }

    /// Whether a write at `key` is owed to an object that is being deleted, and since when it is refused.
    pub fn owe(&mut self, object: &Arc<str>, key: &Key, owed: Option<Option<Duration>>) {
        let tally = self.tallies.entry(Arc::clone(object)).or_default();
        let changed = match owed {
            Some(refused_since) => tally.owed.insert(key.clone(), refused_since) != Some(refused_since),
            None => tally.owed.remove(key).is_some(),
        };
        capacity::give_back(&mut tally.owed, KEPT);
        if changed {
            self.changed.insert(Arc::clone(object));
        }
    }

    /// How many writes are owed to an object that is being deleted.
    pub fn owed(&self, object: &str) -> usize {
        self.tallies.get(object).map_or(0, |tally| tally.owed.len())
    }

    /// Something is to be said of the object anew.
    pub fn touch(&mut self, object: &Arc<str>) {
        self.changed.insert(Arc::clone(object));
    }

    /// The objects of which something else is to be said than when this was asked last.
    pub fn take_changed(&mut self) -> HashSet<Arc<str>> {
        std::mem::take(&mut self.changed)
    }

    /// Whether [`Board::take_changed`] has something.
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
        let failures = self.tallies.values().flat_map(|tally| tally.failures.values());
        failures.filter(|failure| failure.reason == reason).count()
    }

    /// What is to be said of the object.
    pub fn summary(&self, object: &str) -> Option<Summary> {
        self.tallies.get(object).map(Tally::summary)
    }
}

impl Tally {
    fn count(&mut self, key: &Key) -> &mut Count {
        match key.target {
            Target::Secret(_) => &mut self.namespaces,
            Target::Account(_) => &mut self.accounts,
        }
    }

    fn late_at(&self, counts: impl Fn(&Target) -> bool) -> Option<Duration> {
        self.pending
            .iter()
            .filter(|(key, _)| counts(&key.target))
            .map(|(_, pending)| pending.late_at)
            .min()
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
        let all_refused = self.owed.values().all(Option::is_some);
        Summary {
            revision: self.revision,
            namespaces: self.namespaces,
            accounts: self.accounts,
            failures: self.failures.iter().take(FAILURES_NAMED).map(named).collect(),
            namespaces_late_at: self.late_at(|target| matches!(target, Target::Secret(_))),
            accounts_late_at: self.late_at(|target| matches!(target, Target::Account(_))),
            needs_person: self.failures.values().any(|failure| needs_person(failure.reason)),
            owed: self.owed.len(),
            refused_since: self.owed.values().flatten().max().copied().filter(|_| all_refused),
        }
    }
}

fn served(key: &Key) -> Served {
    match key.target {
        Target::Secret(_) => Served::Secret,
        Target::Account(_) => Served::Account,
    }
}

/// What passes by itself is an answer that did not come, and another writer that may stop.
pub(crate) fn needs_person(reason: FailureReason) -> bool {
    match reason {
        FailureReason::ServerError | FailureReason::Contended => false,
        FailureReason::SecretConflict
        | FailureReason::Forbidden
        | FailureReason::QuotaExceeded
        | FailureReason::AdmissionDenied
        | FailureReason::NameNotPermitted => true,
    }
}

//! Status counts per object, updated key by key, so that a change in one namespace costs the work of one namespace.

mod cleanup;
mod counter;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crd::{FailureReason, PodCounts};
use plan::decision::{Failure, State};
use plan::summary::{Pods, Summary, needs_person};

use self::cleanup::Cleanup;
pub use self::cleanup::Tried;
use self::counter::Counter;
use crate::work::{Key, Provisioned, Target};

/// Most failures that a status names.
const FAILURES_NAMED: usize = 20;

/// State of one Secret or `ServiceAccount` for one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The object's name.
    pub object: Arc<str>,
    /// Its state.
    pub state: State,
    /// Whether the object no longer wants it here. Then `state` is that of its removal.
    pub leaves: bool,
}

#[derive(Debug, Default)]
struct ObjectCounts {
    revision: u64,
    namespaces: Counter,
    accounts: Counter,
    /// The same counts for keys that are to be removed.
    copies_left: Counter,
    references_left: Counter,
    failures: BTreeMap<Key, Failure>,
    /// Number of pending cleanup writes.
    pending_cleanup: usize,
    /// Pending cleanup by namespace. An entry without any stays, because its namespace may have pending writes again.
    cleanups: HashMap<Arc<str>, Cleanup>,
    /// Keys with pending cleanup whose attempts failed.
    stuck: BTreeSet<Key>,
}

/// Status counts of all objects; see the module.
#[derive(Debug, Default)]
pub struct Tally {
    objects: HashMap<Arc<str>, ObjectCounts>,
    changed: HashSet<Arc<str>>,
    provisioned: Vec<(Provisioned, Duration)>,
    /// What an object without a number of its own in `pod_counts` reports of Pods.
    pods: Pods,
    /// Pods that came before the reference of an object; only numbers that are not all zero.
    pod_counts: HashMap<Arc<str>, PodCounts>,
}

impl Tally {
    /// Reports Pods that came before a reference. They are not listed yet.
    pub fn watch_pods(&mut self) {
        self.pods = Pods::Unlisted;
    }

    /// Sets the numbers of such Pods; objects without an entry have none.
    pub fn set_pods(&mut self, counts: HashMap<Arc<str>, PodCounts>) {
        let was = std::mem::replace(&mut self.pods, Pods::Counted(PodCounts::default()));
        let before = std::mem::replace(&mut self.pod_counts, counts);
        for object in self.objects.keys() {
            if was == Pods::Unlisted || before.get(object) != self.pod_counts.get(object) {
                self.changed.insert(Arc::clone(object));
            }
        }
    }

    /// Sets the revision of the object that is in force.
    pub fn set_revision(&mut self, object: &Arc<str>, revision: u64) {
        self.objects.entry(Arc::clone(object)).or_default().revision = revision;
        self.changed.insert(Arc::clone(object));
    }

    /// Drops a deleted object.
    pub fn forget(&mut self, object: &str) {
        self.objects.remove(object);
        self.changed.remove(object);
        self.pod_counts.remove(object);
    }

    /// Moves `key` from the entries `before` to those of `after`. `spec_changed` says that the object itself changed,
    /// so a pending key makes it unready at once.
    pub fn update(&mut self, key: &Key, before: &[Entry], after: &[Entry], now: Duration, spec_changed: bool) {
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
                let waited = counts.counter(key, leaves).update(key, was, is, now, spec_changed);
                if let Some(waited) = waited.filter(|_| !leaves) {
                    self.provisioned.push((provisioned(key), waited));
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

    /// Updates which deleted objects still need a cleanup write at `key`: those of `before` become those of `after`.
    pub fn update_pending(&mut self, key: &Key, before: &[Arc<str>], after: &[Arc<str>], tried: Tried, now: Duration) {
        let paid = before.iter().filter(|object| !after.contains(object));
        for object in after.iter().chain(paid) {
            let counts = self.objects.entry(Arc::clone(object)).or_default();
            if counts.update_pending(key, before.contains(object), after.contains(object), tried, now) {
                self.changed.insert(Arc::clone(object));
            }
        }
    }

    /// Discards all attempts after an outage of the server, because they do not show what blocks a deletion.
    pub fn reset_attempts(&mut self, now: Duration) {
        let cleanups = self
            .objects
            .values_mut()
            .flat_map(|counts| counts.cleanups.values_mut());
        cleanups.for_each(|cleanup| cleanup.reset_attempts(now));
    }

    /// Number of pending cleanup writes of a deleted object.
    pub fn pending_cleanup(&self, object: &str) -> usize {
        self.objects.get(object).map_or(0, |counts| counts.pending_cleanup)
    }

    /// Marks the object's summary as changed.
    pub fn mark_changed(&mut self, object: &Arc<str>) {
        self.changed.insert(Arc::clone(object));
    }

    /// Returns the objects whose summary changed since the last call.
    pub fn take_changed(&mut self) -> HashSet<Arc<str>> {
        std::mem::take(&mut self.changed)
    }

    /// Whether [`Tally::take_changed`] would return any object.
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Returns how long each key waited that became ready since the last call. Keys that waited because their object
    /// changed are left out.
    pub fn take_provisioned(&mut self) -> impl Iterator<Item = (Provisioned, Duration)> {
        self.provisioned.drain(..)
    }

    /// Number of keys that failed for this reason.
    pub fn failed(&self, reason: FailureReason) -> usize {
        let failures = self.objects.values().flat_map(|counts| counts.failures.values());
        failures.filter(|failure| failure.reason == reason).count()
    }

    /// The summary of the object, from which its status is made.
    pub fn summary(&self, object: &str) -> Option<Summary> {
        let pods = self.pod_counts.get(object).copied().map_or(self.pods, Pods::Counted);
        self.objects.get(object).map(|counts| Summary {
            pods,
            ..counts.summary()
        })
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

    /// Updates whether a cleanup write at `key` is pending. Returns whether the summary changed.
    fn update_pending(&mut self, key: &Key, was: bool, is: bool, tried: Tried, now: Duration) -> bool {
        self.pending_cleanup = (self.pending_cleanup + usize::from(is)).saturating_sub(usize::from(was));
        let cleanup = self.cleanups.entry(Arc::clone(&key.namespace));
        let cleanup = cleanup.or_insert_with(|| Cleanup::new(now));
        let stuck_since = cleanup.stuck_since();
        let known = self.stuck.contains(key);
        match tried {
            Tried::NoAnswer => cleanup.reset_attempts(now),
            Tried::Since(since) => drop(cleanup.tried_at.get_or_insert(since)),
            Tried::NotYet if was && !is => drop(cleanup.tried_at.get_or_insert(now)),
            Tried::NotYet => {}
        }
        cleanup.update_pending(
            (cleanup.pending + usize::from(is)).saturating_sub(usize::from(was)),
            now,
        );
        match tried {
            Tried::Since(_) if is => drop(self.stuck.insert(key.clone())),
            Tried::NotYet if is => {}
            _ => drop(self.stuck.remove(key)),
        }
        was != is || known != self.stuck.contains(key) || stuck_since != cleanup.stuck_since()
    }

    /// Since when no pending cleanup has made progress; `None` while a namespace has not been tried.
    fn stuck_since(&self) -> Option<Duration> {
        let mut cleanups = self.cleanups.values().filter(|cleanup| cleanup.pending > 0);
        cleanups.try_fold(Duration::ZERO, |latest, cleanup| {
            Some(latest.max(cleanup.stuck_since()?))
        })
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
        let contended = of_accounts().find(|(_, failure)| failure.reason == FailureReason::Contended);
        Summary {
            revision: self.revision,
            namespaces: self.namespaces.count,
            accounts: self.accounts.count,
            failures: self.failures.iter().take(FAILURES_NAMED).map(named).collect(),
            secret_failure: of_secrets.next().map(named),
            account_failure: contended.or_else(|| of_accounts().next()).map(named),
            namespaces_late_at: self.namespaces.late_at(),
            accounts_late_at: self.accounts.late_at(),
            needs_person: self.failures.values().any(|failure| needs_person(failure.reason)),
            copies_left: self.copies_left.left(),
            references_left: self.references_left.left(),
            pending_cleanup: self.pending_cleanup,
            stuck_since: self.stuck_since().filter(|_| self.pending_cleanup > 0),
            stuck: self.stuck.iter().take(FAILURES_NAMED).map(Key::to_string).collect(),
            pods: Pods::default(),
        }
    }
}

fn provisioned(key: &Key) -> Provisioned {
    match key.target {
        Target::Secret(_) => Provisioned::Secret,
        Target::Account(_) => Provisioned::Account,
    }
}

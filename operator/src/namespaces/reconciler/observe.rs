//! Updates the cache from what was seen.

use std::sync::Arc;
use std::time::Duration;

use plan::labels::Labels;
use plan::observed::{Account, Secret};

use super::evaluate::{Affected, Trigger};
use super::observed::{self, Observed};
use super::{Kind, Reconciler, Seen};
use crate::wanted::prune;
use crate::work::{Key, Target, Work};

/// Delay of the first create in a new namespace. While the API server's admission has not seen the namespace, it holds
/// a create for 50 ms. (That is `missingNamespaceWait` in the plugin `NamespaceLifecycle` of k8s.io/apiserver.) It sees
/// a namespace when we do, give or take a millisecond. The first account of the namespace comes later than this delay.
pub(super) const ADMISSION_LAG: Duration = Duration::from_millis(3);

impl Reconciler {
    /// Handles a namespace that was seen.
    pub fn see_namespace(&mut self, name: &str, mut labels: Labels, terminating: bool, now: Duration) -> Vec<Work> {
        let namespace = self.intern(name);
        self.lists.mark(&Kind::Namespace, &namespace);
        if let Some(keys) = &self.keys {
            prune(&mut labels, &keys.namespaces);
        }
        let place = self.places.get(&namespace);
        if place
            .is_some_and(|place| place.known && place.facts.labels == labels && place.facts.terminating == terminating)
        {
            return Vec::new();
        }
        let is_new = self.started && !place.is_some_and(|place| place.known);
        // Its name may be among the labels.
        labels.share(|word| {
            if word == name {
                Arc::clone(&namespace)
            } else {
                self.names.share(word)
            }
        });
        let mut work = self.change(&namespace, &Affected::Whole, Trigger::Watched, now, |reconciler| {
            let place = reconciler.places.entry(Arc::clone(&namespace)).or_default();
            place.known = true;
            if reconciler.started {
                place.selecting = reconciler.cluster.selecting(&namespace, &labels);
            }
            place.facts.labels = labels;
            place.facts.terminating = terminating;
        });
        for Work { key, at, .. } in &mut work {
            if is_new && matches!(key.target, Target::Secret(_)) {
                *at = (*at).max(Some(now + ADMISSION_LAG));
            }
        }
        work
    }

    /// Drops a deleted namespace with its contents.
    pub fn forget_namespace(&mut self, name: &str, now: Duration) -> Vec<Work> {
        let namespace = self.intern(name);
        self.change(&namespace, &Affected::Whole, Trigger::Watched, now, |reconciler| {
            reconciler.places.remove(&namespace);
            reconciler.pending.forget_unverified(&namespace);
            reconciler.lost.retain(|key, _| key.namespace != namespace);
            reconciler.out_of_sight.retain(|key, _| key.namespace != namespace);
        })
    }

    /// Handles an account that was seen or deleted.
    pub fn see_account(&mut self, namespace: &str, name: &str, seen: Seen<Account>, now: Duration) -> Vec<Work> {
        self.see(namespace, name, seen, now)
    }

    /// Handles a Secret that was seen, was deleted, or lost our label.
    pub fn see_secret(&mut self, namespace: &str, name: &str, seen: Seen<Secret>, now: Duration) -> Vec<Work> {
        self.see(namespace, name, seen, now)
    }

    fn see<T: Observed>(&mut self, namespace: &str, name: &str, seen: Seen<T>, now: Duration) -> Vec<Work> {
        let (namespace, name) = (self.intern(namespace), self.names.share(name));
        let kind = T::kind(self, &name);
        self.lists.mark(&kind, &T::key(&namespace, &name));
        self.observe(&namespace, &name, seen, Trigger::Watched, now, |_| {})
    }

    /// Updates the cache from an event, unless the cache is newer. `and_then` runs within the same change.
    pub(super) fn observe<T: Observed>(
        &mut self,
        namespace: &Arc<str>,
        name: &Arc<str>,
        seen: Seen<T>,
        trigger: Trigger<'_>,
        now: Duration,
        and_then: impl FnOnce(&mut Self),
    ) -> Vec<Work> {
        let seen = self.proven(namespace, name, seen, trigger);
        let cached = self
            .places
            .get(namespace)
            .and_then(|place| T::all(&place.facts).get(name));
        let news = is_news(&seen, cached);
        let key = T::key(namespace, name);
        let asked = trigger != Trigger::Watched;
        if let (Seen::There(new), Some(cached)) = (&seen, cached)
            && (asked || self.lists.is_relisting(&T::kind(self, name)))
        {
            let cached = cached.version().clone();
            self.doubts.compare(&key, new.version(), &cached, asked);
        }
        let cached = self
            .places
            .get(namespace)
            .and_then(|place| T::all(&place.facts).get(name));
        if !news && trigger == Trigger::Watched {
            return Vec::new();
        }
        let leaves_nothing =
            matches!(seen, Seen::Gone(_)) && cached.is_some_and(|cached| cached.leaves_nothing(&self.cluster));
        let new = match &seen {
            Seen::There(new) => Some(new),
            Seen::Gone(_) => None,
        };
        let unverified = self.pending.is_unverified(&key);
        let records = self.records(cached, new);
        let affected = self.affected_by(&key, name, cached, new, &records);
        self.change(namespace, &affected, trigger, now, |reconciler| {
            and_then(reconciler);
            if unverified {
                reconciler.pending.set_unverified(&key, false);
            }
            if leaves_nothing && news {
                reconciler.absent.insert(key, now);
            } else if matches!(seen, Seen::There(_)) {
                reconciler.absent.remove(&key);
            }
            if news {
                reconciler.store(namespace, name, seen);
            }
        })
    }

    /// Stores what was seen.
    fn store<T: Observed>(&mut self, namespace: &Arc<str>, name: &Arc<str>, seen: Seen<T>) {
        match seen {
            Seen::There(new) => {
                self.out_of_sight.remove(&T::key(namespace, name));
                self.note_lost(namespace, name, &new);
                let new = new.shared(self);
                let place = self.places.entry(Arc::clone(namespace)).or_default();
                observed::insert(T::all_mut(&mut place.facts), name, new);
            }
            Seen::Gone(_) => {
                self.lost.remove(&T::key(namespace, name));
                if let Some(place) = self.places.get_mut(namespace) {
                    T::all_mut(&mut place.facts).remove(name);
                }
            }
        }
    }

    /// What a change of this key affects, from `cached` to `new`.
    pub(super) fn affected_by<'a, T: Observed>(
        &self,
        key: &Key,
        name: &'a Arc<str>,
        cached: Option<&T>,
        new: Option<&T>,
        records: &'a [Arc<str>],
    ) -> Affected<'a> {
        if self.pending.is_unverified(key) || T::bears_on_others(cached, new) {
            Affected::Offered(name)
        } else if cached.is_some() != new.is_some() && self.is_recorded(key) {
            // The existence of a Secret decides whether a recorded reference to it may be removed.
            Affected::Referred(name)
        } else {
            T::affected(name, records)
        }
    }

    /// The references that an account records before or after a change, if copies wait for them.
    pub(super) fn records<T: Observed>(&self, cached: Option<&T>, new: Option<&T>) -> Vec<Arc<str>> {
        let both = cached.into_iter().chain(new).filter(|_| self.pending.has_removals());
        both.flat_map(T::records).cloned().collect()
    }
}

/// Whether the event is newer than the cache.
fn is_news<T: Observed>(seen: &Seen<T>, cached: Option<&T>) -> bool {
    match (seen, cached) {
        // An equal version is news too, because the reply to a write does not show what admission made of the data.
        (Seen::There(new), Some(cached)) => {
            let version = &new.version().resource_version;
            !version.is_older_than(&cached.version().resource_version) && new != cached
        }
        (Seen::There(_), None) => true,
        // A copy that lost its label may have been restored since. A late event of the loss must not remove it.
        (Seen::Gone(gone), cached) => cached.is_some_and(|cached| {
            let cached = cached.version();
            cached.uid == gone.uid && !gone.resource_version.is_older_than(&cached.resource_version)
        }),
    }
}

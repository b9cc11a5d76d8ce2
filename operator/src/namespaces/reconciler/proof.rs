//! Proof of ownership that the cluster no longer shows: labels and records that another writer removed.

use std::sync::Arc;

use plan::decision::State;
use plan::identity::Uid;
use plan::object::{Lifecycle, Object};
use plan::scope::Scope;
use plan::secret::owner_of_unlabelled;

use super::evaluate::Trigger;
use super::evaluation::Evaluation;
use super::observed::{Known, Observed};
use super::{Reconciler, Seen};
use crate::tally::Entry;
use crate::work::{Key, Target, secrets_of};

/// A copy that left its watch: deleted, or without our label.
#[derive(Debug)]
pub(super) struct OutOfSight {
    uid: Uid,
    /// It carried our label.
    labelled: bool,
}

impl Reconciler {
    /// Keeps proof of ownership. A copy that lost its label is recognized by its uid. Copies that leave the watch are
    /// recorded.
    pub(super) fn proven<T: Observed>(
        &mut self,
        namespace: &Arc<str>,
        name: &Arc<str>,
        seen: Seen<T>,
        trigger: Trigger<'_>,
    ) -> Seen<T> {
        let key = T::key(namespace, name);
        let place = self.places.get(namespace);
        let cached = place.and_then(|place| T::all(&place.facts).get(name));
        match seen {
            Seen::There(new) => {
                let uid = &new.version().uid;
                let cached = cached.filter(|cached| cached.version().uid == *uid);
                let gone = self.out_of_sight.get(&key).filter(|gone| gone.uid == *uid);
                let known = Known {
                    ours: gone.is_some() || cached.is_some_and(T::is_ours),
                    labelled: gone.is_some_and(|gone| gone.labelled) || cached.is_some_and(T::is_labelled),
                };
                Seen::There(new.proven(known))
            }
            Seen::Gone(gone) => {
                let same = cached.filter(|cached| cached.is_ours() && cached.version().uid == gone.uid);
                let labelled = same.map(T::is_labelled);
                if let Some(labelled) = labelled {
                    self.lose_sight(&key, gone.uid.clone(), labelled, trigger);
                }
                Seen::Gone(gone)
            }
        }
    }

    /// Records a copy that left its watch. The answer to a write of ours shows that it is gone, a watch does not.
    pub(super) fn lose_sight(&mut self, key: &Key, uid: Uid, labelled: bool, trigger: Trigger<'_>) {
        let Target::Secret(name) = &key.target else {
            return;
        };
        let scope = self.scope(&self.cluster, &key.namespace).filter(|_| self.started);
        let watched = trigger == Trigger::Watched;
        let is_wanted =
            scope.is_some_and(|scope| scope.is_claimed(name) || watched && labelled && !scope.seen.terminating);
        if is_wanted {
            self.out_of_sight.insert(key.clone(), OutOfSight { uid, labelled });
        }
    }

    /// Whether the key must be read: a copy that must go left its watch, and may have lost only its label.
    pub fn is_out_of_sight(&self, key: &Key) -> bool {
        let (Target::Secret(name), false) = (&key.target, self.out_of_sight.is_empty()) else {
            return false;
        };
        let scope = self.scope(&self.cluster, &key.namespace);
        scope.is_some_and(|scope| self.leaver(&scope, key, name).is_some())
    }

    /// The names of copies in this namespace that left their watch.
    pub(super) fn names_out_of_sight(&self, namespace: &Arc<str>) -> impl Iterator<Item = &Arc<str>> {
        let keys = self.out_of_sight.range(Key::least_of(namespace)..);
        secrets_of(keys.map(|(key, _)| key), namespace)
    }

    /// The object whose copy must go and left its watch.
    fn leaver<'a>(&self, scope: &Scope<'a>, key: &Key, name: &Arc<str>) -> Option<&'a Arc<Object>> {
        let gone = self.out_of_sight.get(key).filter(|gone| gone.labelled);
        let is_cached = scope.seen.secrets.contains_key(name.as_ref());
        gone.filter(|_| !is_cached && !scope.seen.terminating)?;
        owner_of_unlabelled(scope, name)
    }

    /// Adds the removal of a copy that left its watch. It counts until a read shows that the copy is gone.
    pub(super) fn with_sight(&self, scope: &Scope<'_>, key: &Key, mut evaluation: Evaluation) -> Evaluation {
        let Target::Secret(name) = &key.target else {
            return evaluation;
        };
        let leaver = if self.out_of_sight.is_empty() {
            None
        } else {
            self.leaver(scope, key, name)
        };
        let Some(object) = leaver else {
            return evaluation;
        };
        let failure = self.pending.retry(key).and_then(|retry| retry.failure.clone());
        evaluation.entries.push(Entry {
            object: Arc::clone(&object.name),
            state: failure.map_or(State::Pending, State::Failed),
            leaves: true,
        });
        // References were waited for since it had to go, and are not waited for again.
        evaluation.removal_pending = object.lifecycle != Lifecycle::Frozen;
        if object.lifecycle == Lifecycle::Deleting {
            evaluation.pending_cleanup.push(Arc::clone(&object.name));
        }
        evaluation.to_read.push(Arc::clone(name));
        evaluation
    }

    pub(super) fn note_lost<T: Observed>(&mut self, namespace: &Arc<str>, name: &Arc<str>, new: &T) {
        let key = T::key(namespace, name);
        let place = self.places.get(namespace);
        let cached = place.and_then(|place| T::all(&place.facts).get(name));
        let known = self.lost.get(&key).map_or(&[][..], Vec::as_slice);
        let lost = T::lost(cached, new, known);
        if lost.is_empty() {
            self.lost.remove(&key);
        } else {
            self.lost.insert(key, lost);
        }
    }
}

//! Proof of ownership that the cluster no longer shows: labels and records that another writer removed.

use std::sync::Arc;

use plan::identity::Uid;

use super::observed::Observed;
use super::{Reconciler, Seen};
use crate::work::Key;

impl Reconciler {
    /// Keeps proof of ownership. A copy that lost its label is recognized by its uid. Copies that leave the watch are
    /// recorded.
    pub(super) fn proven<T: Observed>(&mut self, namespace: &Arc<str>, name: &Arc<str>, seen: Seen<T>) -> Seen<T> {
        let key = T::key(namespace, name);
        let place = self.places.get(namespace);
        let ours = place.and_then(|place| T::all(&place.facts).get(name));
        let ours = ours
            .filter(|cached| cached.is_ours())
            .map(|cached| &cached.version().uid);
        match seen {
            Seen::There(new) => {
                let uid = &new.version().uid;
                let labelled = ours == Some(uid) || self.out_of_sight.get(&key) == Some(uid);
                self.out_of_sight.remove(&key);
                Seen::There(new.proven(labelled))
            }
            Seen::Gone(gone) => {
                if ours == Some(&gone.uid) {
                    self.lose_sight(namespace, name, gone.uid.clone());
                }
                Seen::Gone(gone)
            }
        }
    }

    pub(super) fn lose_sight(&mut self, namespace: &Arc<str>, name: &Arc<str>, uid: Uid) {
        let scope = self.scope(&self.cluster, namespace).filter(|_| self.started);
        if scope.is_some_and(|scope| scope.is_claimed(name)) {
            self.out_of_sight.insert(Key::secret(namespace, name), uid);
        }
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

//! Declarations of objects, also earlier ones that the witness observed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::oracle::Declared;

/// By uid. Clones share one memory.
#[derive(Debug, Clone, Default)]
pub(in crate::witness) struct Memory(Arc<Mutex<BTreeMap<String, Known>>>);

#[derive(Debug)]
struct Known {
    declared: Declared,
    gone: bool,
}

impl Memory {
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an object as it is now. Its earlier selections and declarations stay.
    pub(super) fn keep(&self, declared: &Declared) {
        let mut known = self.known();
        let before = known.remove(&declared.uid).map(|known| known.declared);
        let namespaces = before.map(|before| before.namespaces).unwrap_or_default();
        let declared = Declared {
            namespaces,
            ..declared.clone()
        };
        known.insert(declared.uid.clone(), Known { declared, gone: false });
    }

    /// Records that the object selects the namespace.
    pub(super) fn selected(&self, uid: &str, namespace: &str) {
        if let Some(known) = self.known().get_mut(uid)
            && !known.declared.namespaces.contains(namespace)
        {
            known.declared.namespaces.insert(namespace.to_owned());
        }
    }

    /// Records that the object is gone.
    pub(super) fn is_gone(&self, uid: &str) {
        if let Some(known) = self.known().get_mut(uid) {
            known.gone = true;
        }
    }

    pub(in crate::witness) fn all(&self) -> Vec<Declared> {
        self.known().values().map(|known| known.declared.clone()).collect()
    }

    pub(in crate::witness) fn forget_gone(&self) {
        self.known().retain(|_, known| !known.gone);
    }
}

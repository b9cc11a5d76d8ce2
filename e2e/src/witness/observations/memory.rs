//! Declarations of objects, also earlier ones that the witness observed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::oracle::Declared;

/// Clones share one memory.
#[derive(Debug, Clone, Default)]
pub(in crate::witness) struct Memory(Arc<Mutex<Known>>);

/// By uid.
#[derive(Debug, Default)]
struct Known {
    objects: BTreeMap<String, Object>,
    /// The last version of each object and namespace that a watch has shown.
    shown: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Object {
    declared: Declared,
    gone: bool,
}

impl Memory {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an object as it is now. Its earlier selections and declarations stay.
    pub(super) fn keep(&self, declared: &Declared) {
        let objects = &mut self.known().objects;
        let before = objects.remove(&declared.uid).map(|known| known.declared);
        let namespaces = before.map(|before| before.namespaces).unwrap_or_default();
        let declared = Declared {
            namespaces,
            ..declared.clone()
        };
        objects.insert(declared.uid.clone(), Object { declared, gone: false });
    }

    /// Records that the object selects the namespace.
    pub(super) fn selected(&self, uid: &str, namespace: &str) {
        if let Some(known) = self.known().objects.get_mut(uid)
            && !known.declared.namespaces.contains(namespace)
        {
            known.declared.namespaces.insert(namespace.to_owned());
        }
    }

    /// Records that the object is gone.
    pub(super) fn is_gone(&self, uid: &str) {
        if let Some(known) = self.known().objects.get_mut(uid) {
            known.gone = true;
        }
    }

    /// Records that a watch has shown this object or namespace, after what it declares was recorded.
    pub(super) fn shows(&self, meta: &ObjectMeta) {
        if let Some((uid, version)) = uid_and_version(meta) {
            self.known().shown.insert(uid, version);
        }
    }

    /// Records that a watch has shown the deletion of this object or namespace.
    pub(super) fn shows_deletion(&self, meta: &ObjectMeta) {
        if let Some(uid) = &meta.uid {
            self.known().shown.remove(uid);
        }
    }

    /// Returns whether a watch has shown this version of the object or namespace, or a later one.
    pub(in crate::witness) fn has_shown(&self, meta: &ObjectMeta) -> bool {
        let Some((uid, version)) = uid_and_version(meta) else {
            return false;
        };
        self.known().shown.get(&uid).is_some_and(|&shown| shown >= version)
    }

    pub(in crate::witness) fn all(&self) -> Vec<Declared> {
        self.known()
            .objects
            .values()
            .map(|known| known.declared.clone())
            .collect()
    }

    pub(in crate::witness) fn forget_gone(&self) {
        self.known().objects.retain(|_, known| !known.gone);
    }
}

/// Versions are decimal numbers that grow
/// (<https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>).
fn uid_and_version(meta: &ObjectMeta) -> Option<(String, u64)> {
    let version = meta.resource_version.as_ref()?.parse().ok()?;
    Some((meta.uid.clone()?, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(version: &str) -> ObjectMeta {
        ObjectMeta {
            uid: Some("a".to_owned()),
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn later_version_is_not_shown_yet() {
        let memory = Memory::default();
        assert!(!memory.has_shown(&meta("9")));
        memory.shows(&meta("9"));
        assert!(memory.has_shown(&meta("9")));
        assert!(!memory.has_shown(&meta("10")));
        memory.shows_deletion(&meta("11"));
        assert!(!memory.has_shown(&meta("9")));
    }
}

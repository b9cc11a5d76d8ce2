//! Keys that must be read, because no watch shows enough of them.

use std::sync::Arc;

use plan::observed::{Account, Secret};
use plan::ownership::{Ownership, ownership};
use plan::scope::Scope;

use super::Reconciler;
use crate::work::{Key, Target};

impl Reconciler {
    /// Whether a read must precede a write of the key. A Secret may be a retained copy, which no watch shows; it is
    /// read before references to it go. An account may be cached in part; it is read before it is written.
    pub fn is_unread(&self, key: &Key) -> bool {
        if let Target::Account(name) = &key.target {
            return self.is_to_be_read_first(key, name);
        }
        let (Target::Secret(name), Some(scope)) = (&key.target, self.scope(&self.cluster, &key.namespace)) else {
            return false;
        };
        self.may_be_retained(&scope, &key.namespace, name) && self.is_recorded(key)
    }

    /// Whether an account records a reference to this Secret.
    pub(super) fn is_recorded(&self, key: &Key) -> bool {
        let (Target::Secret(name), Some(place)) = (&key.target, self.places.get(&key.namespace)) else {
            return false;
        };
        let recorded = |account: &Account| account.may_record(name);
        place.facts.accounts.values().any(recorded)
    }

    pub(super) fn may_be_retained(&self, scope: &Scope<'_>, namespace: &Arc<str>, name: &Arc<str>) -> bool {
        self.cluster.managed().is_none()
            && !scope.seen.secrets.contains_key(name.as_ref())
            && !scope.is_claimed(name)
            && !self.absent.contains_key(&Key::secret(namespace, name))
    }

    /// Whether the key is a squatter: a foreign Secret under a wanted name, whose deletion no watch shows. The watch of
    /// copies does not, those of managed names do. A Secret under a name that no object wants, such as a retained copy,
    /// is none.
    pub fn is_squatted(&self, key: &Key) -> bool {
        let (Target::Secret(name), Some(place)) = (&key.target, self.places.get(&key.namespace)) else {
            return false;
        };
        if self.cluster.managed().is_some() {
            return false;
        }
        let theirs = |secret: &Secret| !matches!(ownership(&secret.traits), Ownership::Copy(_));
        place.facts.secrets.get(name.as_ref()).is_some_and(theirs)
            && self
                .scope(&self.cluster, &key.namespace)
                .is_some_and(|scope| scope.is_claimed(name))
    }
}

//! What Secrets and accounts have in common: both are seen, held, and written, each by its name in a namespace.

use std::sync::Arc;

use litemap::LiteMap;
use plan::copy::{Ownership, ownership};
use plan::identity::Version;
use plan::observed::{Account, Namespace, Secret};

use super::survey::Touch;
use super::{Key, Kind, World};

/// A Secret or an account.
pub(super) trait Observed: PartialEq + Sized {
    /// Of the watch that shows what has this name.
    fn kind(world: &World, name: &str) -> Kind;
    fn version(&self) -> &Version;
    fn key(namespace: &Arc<str>, name: &Arc<str>) -> Key;
    fn touch(name: &Arc<str>) -> Touch<'_>;
    fn all(facts: &Namespace) -> &LiteMap<Arc<str>, Self>;
    fn all_mut(facts: &mut Namespace) -> &mut LiteMap<Arc<str>, Self>;

    /// Whether this change bears on more of the namespace than the object itself.
    fn bears_on_others(held: Option<&Self>, new: Option<&Self>) -> bool;

    /// The same, holding in common with others what is alike.
    fn shared(self, world: &mut World) -> Self;
}

impl Observed for Account {
    fn kind(_: &World, _: &str) -> Kind {
        Kind::Account
    }

    fn version(&self) -> &Version {
        &self.version
    }

    fn key(namespace: &Arc<str>, name: &Arc<str>) -> Key {
        Key::account(namespace, name)
    }

    fn touch(name: &Arc<str>) -> Touch<'_> {
        Touch::Account(name)
    }

    fn all(facts: &Namespace) -> &LiteMap<Arc<str>, Self> {
        &facts.accounts
    }

    fn all_mut(facts: &mut Namespace) -> &mut LiteMap<Arc<str>, Self> {
        &mut facts.accounts
    }

    /// The last reference that goes lets a copy go; the survey of an account sees to that.
    fn bears_on_others(_: Option<&Self>, _: Option<&Self>) -> bool {
        false
    }

    fn shared(mut self, world: &mut World) -> Self {
        self.attached = world.attached.share(self.attached);
        self.entries = world.entries.share(self.entries);
        self.labels.share(|word| world.names.share(word));
        self
    }
}

impl Observed for Secret {
    fn kind(world: &World, name: &str) -> Kind {
        world.kind_of_secret(name)
    }

    fn version(&self) -> &Version {
        &self.version
    }

    fn key(namespace: &Arc<str>, name: &Arc<str>) -> Key {
        Key::secret(namespace, name)
    }

    fn touch(name: &Arc<str>) -> Touch<'_> {
        Touch::Secret(name)
    }

    fn all(facts: &Namespace) -> &LiteMap<Arc<str>, Self> {
        &facts.secrets
    }

    fn all_mut(facts: &mut Namespace) -> &mut LiteMap<Arc<str>, Self> {
        &mut facts.secrets
    }

    /// One that is not our copy bears on the references.
    fn bears_on_others(held: Option<&Self>, new: Option<&Self>) -> bool {
        held.into_iter()
            .chain(new)
            .any(|secret| !matches!(ownership(&secret.shape), Ownership::Copy(_)))
    }

    fn shared(mut self, world: &mut World) -> Self {
        self.shape = world.shapes.share(self.shape);
        self.digest = self.digest.map(|digest| world.digests.share(digest));
        self
    }
}

/// Up to here a map has room for what it holds and no more: there are as many as there are namespaces.
const FEW: usize = 8;

/// Holds a value under its name.
pub(super) fn hold<T>(map: &mut LiteMap<Arc<str>, T>, name: &Arc<str>, value: T) {
    if map.len() < FEW && !map.contains_key(name.as_ref()) {
        let held = std::mem::replace(map, LiteMap::with_capacity(map.len() + 1));
        map.extend(held);
    }
    map.insert(Arc::clone(name), value);
}

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
    fn key(namespace: &Arc<str>, name: &str) -> Key;
    fn touch(name: &str) -> Touch<'_>;
    fn all(facts: &Namespace) -> &LiteMap<Box<str>, Self>;
    fn all_mut(facts: &mut Namespace) -> &mut LiteMap<Box<str>, Self>;

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

    fn key(namespace: &Arc<str>, name: &str) -> Key {
        Key::account(namespace, name)
    }

    fn touch(name: &str) -> Touch<'_> {
        Touch::Account(name)
    }

    fn all(facts: &Namespace) -> &LiteMap<Box<str>, Self> {
        &facts.accounts
    }

    fn all_mut(facts: &mut Namespace) -> &mut LiteMap<Box<str>, Self> {
        &mut facts.accounts
    }

    /// The last reference that goes lets a copy go; the survey of an account sees to that.
    fn bears_on_others(_: Option<&Self>, _: Option<&Self>) -> bool {
        false
    }

    fn shared(self, _: &mut World) -> Self {
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

    fn key(namespace: &Arc<str>, name: &str) -> Key {
        Key::secret(namespace, name)
    }

    fn touch(name: &str) -> Touch<'_> {
        Touch::Secret(name)
    }

    fn all(facts: &Namespace) -> &LiteMap<Box<str>, Self> {
        &facts.secrets
    }

    fn all_mut(facts: &mut Namespace) -> &mut LiteMap<Box<str>, Self> {
        &mut facts.secrets
    }

    /// One that is not our copy bears on the references.
    fn bears_on_others(held: Option<&Self>, new: Option<&Self>) -> bool {
        held.into_iter()
            .chain(new)
            .any(|secret| !matches!(ownership(&secret.shape), Ownership::Copy(_)))
    }

    fn shared(mut self, world: &mut World) -> Self {
        self.shape = world.share(self.shape);
        self
    }
}

//! A list of pull secrets with what is known of each Secret.

use plan::docker_config::{Ignored, Unreadable};
use plan::keyring::lookup_of;

use crate::world::{Content, Entry, LoginId, Secret, SecretSeen, Text, World};

/// A list of pull secrets in one namespace, as a kubelet reads it.
#[derive(Debug, Default)]
pub struct View<'a> {
    /// The Secrets that exist, in the order of the list.
    pub found: Vec<(&'a Text, &'a Secret)>,
    /// The names that do not exist.
    pub missing: Vec<&'a Text>,
    /// The first that the tool could not read, and why.
    pub unseen: Option<(&'a Text, &'a str)>,
}

impl<'a> View<'a> {
    /// Looks up the names of a list. Kubelets skip empty names.
    pub fn of(world: &'a World, namespace: &str, names: &'a [Text]) -> Self {
        let mut view = Self::default();
        for name in names.iter().filter(|name| !name.is_empty()) {
            match world.secret(namespace, name) {
                SecretSeen::Found(secret) => view.found.push((name, secret)),
                SecretSeen::Missing => view.missing.push(name),
                SecretSeen::Unseen(why) => view.unseen = view.unseen.or(Some((name, why))),
            }
        }
        view
    }

    /// Returns whether the list names no Secret.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty() && self.missing.is_empty() && self.unseen.is_none()
    }

    /// Returns the first Secret that a kubelet cannot read. With one it pulls no image.
    pub fn unreadable(&self) -> Option<(&'a Text, &'a Unreadable)> {
        self.found
            .iter()
            .find_map(|(name, secret)| match secret.content.as_ref() {
                Content::Unreadable(why) => Some((*name, why)),
                Content::Entries(_) | Content::Ignored(_) => None,
            })
    }

    /// Returns the first Secret that kubelets ignore.
    pub fn ignored(&self) -> Option<(&'a Text, Ignored)> {
        self.found
            .iter()
            .find_map(|(name, secret)| match secret.content.as_ref() {
                Content::Ignored(why) => Some((*name, *why)),
                Content::Entries(_) | Content::Unreadable(_) => None,
            })
    }

    /// Iterates over the entries of all Secrets.
    pub fn entries(&self) -> impl Iterator<Item = (&'a Text, &'a Entry)> {
        let found = self.found.iter();
        found.flat_map(|&(name, secret)| secret.entries().iter().map(move |entry| (name, entry)))
    }

    /// Returns the entries that a kubelet tries for the image, in its order, also those without a user name.
    pub fn tried(&self, image: &str) -> Vec<(&'a Text, &'a Entry)> {
        let entries = self.entries().map(|(name, entry)| (&*entry.key, (name, entry)));
        lookup_of(entries, image)
    }
}

/// Returns the logins of one Secret that a kubelet would send for the image, in its order.
pub fn logins_for(secret: &Secret, image: &str) -> Vec<LoginId> {
    let entries = secret.entries().iter();
    let tried = lookup_of(entries.map(|entry| (&*entry.key, entry)), image);
    let sent = tried.into_iter().filter(|entry| !entry.blank);
    sent.map(|entry| entry.login).collect()
}

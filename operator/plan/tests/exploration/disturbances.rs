//! What authors, administrators, other writers and crashes do to the cluster.

use std::sync::Arc;

use crd::names::LABEL_OBJECT;
use plan::identity::Version;
use plan::labels::Labels;
use plan::object::{Lifecycle, Object};
use plan::observed::{Entry, Secret};

use super::State;
use crate::common::{self, digest, foreign, payload};

/// What another writer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Other {
    AppendsEntry,
    RemovesOurEntry,
    StripsLabel,
    EditsCopy,
    DeletesCopy,
    Squats,
}

/// What an author or an administrator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Declaration {
    Delete,
    Rotate,
    LabelOut,
    LabelIn,
}

impl State {
    pub(super) fn declare(&mut self, declaration: Declaration) {
        self.declarations -= 1;
        let one = |change: fn(Object) -> Object| {
            let objects = self
                .server
                .world
                .objects
                .iter()
                .map(|object| match object.name.as_ref() {
                    "one" => Arc::new(change((**object).clone())),
                    _ => Arc::clone(object),
                });
            objects.collect::<Vec<_>>()
        };
        match declaration {
            Declaration::Delete => {
                self.server.world.objects = one(|one| common::with_lifecycle(Lifecycle::Deleting, one));
            }
            Declaration::Rotate => {
                self.server.world.objects = one(|one| Object {
                    payload: Some(payload("rotated")),
                    ..one
                });
            }
            Declaration::LabelOut => self.label(&[]),
            Declaration::LabelIn => self.label(&[("pull", "yes")]),
        }
    }

    /// The credentials of `two` are there.
    pub(super) fn resolve_credentials(&mut self) {
        if let Some(two) = self.successor.take() {
            let objects = &mut self.server.world.objects;
            objects.retain(|object| object.name != two.name);
            objects.push(two);
        }
    }

    fn label(&mut self, labels: &[(&str, &str)]) {
        if let Some(facts) = self.server.world.namespaces.get_mut("n") {
            facts.labels = labels.iter().copied().collect();
        }
    }

    pub(super) fn interfere(&mut self, other: Other) {
        self.others -= 1;
        let version = self.server.next_version();
        let Some(facts) = self.server.world.namespaces.get_mut("n") else {
            return;
        };
        let name = if facts.secrets.contains_key("shared") {
            "shared"
        } else {
            "one"
        };
        let rewritten = |secret: &Secret| Version::new(&secret.version.uid.to_string(), &version);
        match other {
            Other::AppendsEntry | Other::RemovesOurEntry => {
                let Some(account) = facts.accounts.get_mut("default") else {
                    return;
                };
                let mut entries = account.entries.to_vec();
                if other == Other::AppendsEntry {
                    entries.push(Entry::named("theirs"));
                } else {
                    entries.retain(|entry| entry.name() != "one" && entry.name() != "shared");
                }
                account.entries = entries.into();
                account.version = Version::new(&account.version.uid.to_string(), &version);
            }
            Other::StripsLabel | Other::EditsCopy => {
                let Some(secret) = facts.secrets.get_mut(name) else {
                    return;
                };
                secret.version = rewritten(secret);
                if other == Other::EditsCopy {
                    secret.digest = Some(digest("edited"));
                } else {
                    let mut traits = (*secret.traits).clone();
                    traits.labels = traits
                        .labels
                        .iter()
                        .filter(|(key, _)| *key != LABEL_OBJECT)
                        .collect::<Labels>();
                    secret.traits = Arc::new(traits);
                }
            }
            Other::DeletesCopy => drop(facts.secrets.remove(name)),
            Other::Squats if facts.secrets.get("one").is_none() => {
                facts
                    .secrets
                    .insert("one".into(), foreign().seen(Version::new(&version, &version)));
            }
            Other::Squats => {}
        }
    }

    /// The process dies, before or after a write that it sent arrives. The reply is lost.
    pub(super) fn crash(&mut self, after: bool) {
        self.crashes -= 1;
        if after {
            self.arrive();
        }
        self.in_flight = None;
        self.view = None;
    }
}

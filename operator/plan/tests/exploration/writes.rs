//! Writes that arrive, and the end of deleted objects.

use std::sync::Arc;
use std::time::Duration;

use plan::object::Lifecycle;
use plan::observed::Account;
use plan::ownership::{Ownership, ownership};
use plan::secret::{Context, REFERENCES_FIRST};
use plan::{secret, service_account};

use super::State;
use super::watches::put;
use crate::common::World;
use crate::common::server::{self, Action, Key, Refusal};

impl State {
    /// The write arrives, and its reply, or what is read after a conflict, comes back.
    pub(super) fn land(&mut self) {
        let Some(key) = self.arrive() else {
            return;
        };
        let truth = self.server.world.clone();
        let Some(view) = &mut self.view else {
            return;
        };
        match key {
            Key::Secret(namespace, name) => {
                let now = truth.namespaces[&namespace].secrets.get(name.as_str()).cloned();
                put(view.namespaces.entry(namespace).or_default(), &name, now);
            }
            Key::Account(namespace, _) => {
                let accounts = truth.namespaces[&namespace].accounts.clone();
                view.namespaces.entry(namespace).or_default().accounts = accounts;
            }
        }
    }

    /// The write arrives. These properties hold after any write.
    pub(super) fn arrive(&mut self) -> Option<Key> {
        let (key, action) = self.in_flight.take()?;
        let before = self.truth().clone();
        let result = self.server.apply(&key, &action);
        if matches!(result, Err(Refusal::NotFound | Refusal::Terminating)) {
            assert_eq!(before.namespaces, self.truth().namespaces);
        }
        for (namespace, was) in &before.namespaces {
            let is = &self.truth().namespaces[namespace];
            for (name, secret) in was.secrets.iter() {
                if ownership(&secret.traits) == Ownership::Foreign {
                    assert_eq!(
                        is.secrets.get(name),
                        Some(secret),
                        "a foreign secret was touched by {action:?}"
                    );
                }
            }
            for (name, account) in was.accounts.iter() {
                let kept = |account: &Account| {
                    let theirs = account.entries.iter().filter(|entry| !recorded(account, entry.name()));
                    theirs.cloned().collect::<Vec<_>>()
                };
                assert_eq!(
                    kept(account),
                    kept(&is.accounts[name]),
                    "entries of others changed by {action:?}"
                );
            }
        }
        Some(key)
    }

    /// Removes the finalizer if, by the view, no cleanup is pending. Then garbage collection runs.
    ///
    /// If the view of a namespace and a copy is current, it deletes no copy that an object wants.
    pub(super) fn remove_finalizers(&mut self) {
        let Some(view) = &mut self.view else {
            return;
        };
        let done: Vec<Arc<str>> = view
            .objects
            .iter()
            .filter(|object| object.lifecycle == Lifecycle::Deleting && !is_owed(view, &object.name))
            .map(|object| Arc::clone(&object.name))
            .collect();
        view.objects.retain(|object| !done.contains(&object.name));
        self.server.world.objects.retain(|object| !done.contains(&object.name));
        let objects: Vec<_> = self
            .server
            .world
            .objects
            .iter()
            .map(|object| object.uid.clone())
            .collect();
        for (namespace, facts) in &mut self.server.world.namespaces {
            let seen = &view.namespaces[namespace];
            let selected = [&seen.labels, &facts.labels].map(|labels| labels.get("pull")) == [Some("yes"); 2];
            facts.secrets.retain(|name, secret| {
                let owners = &secret.traits.owners;
                let stays = owners.is_empty() || owners.iter().any(|owner| objects.contains(&owner.uid));
                let mut names = view.objects.iter().map(|object| object.spec.secret_name.as_ref());
                let wanted =
                    selected && seen.secrets.get(name) == Some(secret) && names.any(|wanted| wanted == name.as_ref());
                assert!(stays || !wanted, "garbage collection takes {namespace}/{name}");
                stays
            });
        }
    }
}

fn recorded(account: &Account, name: &str) -> bool {
    account.attached.iter().any(|held| held.as_ref() == name)
}

/// What may be written now; a copy that waits for its references may have waited long enough.
pub(super) fn planned(view: &World) -> Vec<(Key, Action)> {
    let mut planned = server::planned(view, Duration::ZERO);
    for late in server::planned(view, REFERENCES_FIRST) {
        if !planned.contains(&late) {
            planned.push(late);
        }
    }
    planned
}

fn is_owed(view: &World, object: &str) -> bool {
    let cluster = view.cluster();
    view.namespaces.iter().any(|(namespace, facts)| {
        let scope = cluster.scope(namespace, facts);
        let secrets = scope
            .secret_names()
            .into_iter()
            .flat_map(|name| secret::decide(&scope, name, Context::default()).pending_cleanup);
        let accounts = facts.accounts.iter().flat_map(|(name, seen)| {
            service_account::decide(&scope, name, seen, service_account::Context::default()).pending_cleanup
        });
        secrets.chain(accounts).any(|owed| owed.name.as_ref() == object)
    })
}

//! An API server in memory: what it does with the writes of the plan, preconditions and field managers included.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crd::names::{ANNOTATION_RETAINED, LABEL_MANAGED_BY, LABEL_OBJECT, MANAGED_BY};
use plan::action::{AccountAction, Content, SecretAction};
use plan::identity::Version;
use plan::labels::Labels;
use plan::observed::{Account, Namespace, Secret, SecretTraits};

use super::World;

/// Why a write was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Something of that name is there, or is not what was seen: 409.
    Conflict,
    /// 404.
    NotFound,
    /// The server creates no object in a terminating namespace: 403.
    Terminating,
}

/// Where and what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Secret(String, String),
    Account(String, String),
}

/// A write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Secret(SecretAction),
    Account(AccountAction),
}

/// The labels and annotations that our field manager owns of a Secret: only these can an apply of ours take away again.
#[derive(Clone, Debug, Default)]
struct Owned {
    labels: BTreeSet<String>,
    annotations: BTreeSet<String>,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) world: World,
    revision: u64,
    owned: BTreeMap<(String, String), Owned>,
}

impl Server {
    /// Treats every copy with our label in `world` as applied by us.
    ///
    /// If `restored`, another tool wrote all of it, as a restore from a backup does.
    pub(crate) fn new(world: World, restored: bool) -> Self {
        let mut owned = BTreeMap::new();
        for (namespace, facts) in &world.namespaces {
            for (name, secret) in facts.secrets.iter().filter(|_| !restored) {
                let traits = &secret.traits;
                if traits.labels.get(LABEL_OBJECT).is_some() || traits.applied_by_us {
                    owned.insert((namespace.clone(), name.to_string()), Owned::all_of(traits));
                }
            }
        }
        Self {
            world,
            revision: 1000,
            owned,
        }
    }

    /// Returns the version of a write that another writer makes now.
    pub(crate) fn next_version(&mut self) -> String {
        self.revision += 1;
        self.revision.to_string()
    }

    /// What tells two servers apart beside what is seen of them.
    pub(crate) fn ownership(&self) -> String {
        format!("{:?}", self.owned)
    }

    /// All writes that the plan wants now. `removal_pending_for` as in [`plan::secret::Context`].
    pub(crate) fn planned(&self, removal_pending_for: Duration) -> Vec<(Key, Action)> {
        planned(&self.world, removal_pending_for)
    }

    pub(crate) fn apply(&mut self, key: &Key, action: &Action) -> Result<(), Refusal> {
        self.revision += 1;
        match (key, action) {
            (Key::Secret(namespace, name), Action::Secret(action)) => self.secret(namespace, name, action),
            (Key::Account(namespace, name), Action::Account(action)) => self.account(namespace, name, action),
            (Key::Secret(..), Action::Account(_)) | (Key::Account(..), Action::Secret(_)) => Err(Refusal::NotFound),
        }
    }

    /// Another writer updates or creates it.
    pub(crate) fn overtake(&mut self, key: &Key) {
        let version = self.next_version();
        match key {
            Key::Secret(namespace, name) => {
                let facts = self
                    .world
                    .namespaces
                    .get_mut(namespace)
                    .expect("a namespace that is there");
                let uid = facts
                    .secrets
                    .get(name.as_str())
                    .map_or_else(|| version.clone(), |stored| stored.version.uid.to_string());
                let written = super::foreign().seen(Version::new(&uid, &version));
                facts.secrets.insert(name.as_str().into(), written);
            }
            Key::Account(namespace, name) => {
                let facts = self
                    .world
                    .namespaces
                    .get_mut(namespace)
                    .expect("a namespace that is there");
                let stored = facts.accounts.get_mut(name.as_str()).expect("an account that is there");
                stored.version = Version::new(&stored.version.uid.to_string(), &version);
                let appended = plan::observed::Entry::named("appended");
                stored.entries = stored.entries.iter().cloned().chain([appended]).collect();
            }
        }
    }

    fn facts(&mut self, namespace: &str) -> Result<&mut Namespace, Refusal> {
        self.world.namespaces.get_mut(namespace).ok_or(Refusal::NotFound)
    }

    fn secret(&mut self, namespace: &str, name: &str, action: &SecretAction) -> Result<(), Refusal> {
        let revision = self.revision.to_string();
        let key = (namespace.to_owned(), name.to_owned());
        let mut owned = self.owned.get(&key).cloned().unwrap_or_default();
        let facts = self.facts(namespace)?;
        let stored = facts.secrets.get(name).cloned();
        let result = secret_after(action, stored, facts.terminating, &mut owned, &revision)?;
        if let Some(mut secret) = result {
            secret.version = Version::new(&secret.version.uid.to_string(), &revision);
            facts.secrets.insert(name.into(), secret);
            self.owned.insert(key, owned);
        } else {
            facts.secrets.remove(name);
            self.owned.remove(&key);
        }
        Ok(())
    }

    fn account(&mut self, namespace: &str, name: &str, action: &AccountAction) -> Result<(), Refusal> {
        let revision = self.revision.to_string();
        let accounts = &mut self.facts(namespace)?.accounts;
        let stored = accounts.get(name).ok_or(Refusal::NotFound)?;
        if stored.version != action.version {
            return Err(Refusal::Conflict);
        }
        let written = Account {
            version: Version::new(&stored.version.uid.to_string(), &revision),
            entries: action.entries.as_slice().into(),
            attached: action.attached.as_slice().into(),
            ..stored.clone()
        };
        accounts.insert(name.into(), written);
        Ok(())
    }
}

/// All writes that the plan wants now, by key.
pub(crate) fn planned(world: &World, removal_pending_for: Duration) -> Vec<(Key, Action)> {
    let cluster = world.cluster();
    let mut planned = Vec::new();
    for (namespace, facts) in &world.namespaces {
        let scope = cluster.scope(namespace, facts);
        for name in scope.secret_names() {
            let context = plan::secret::Context {
                removal_pending_for,
                ..plan::secret::Context::default()
            };
            if let Some(action) = plan::secret::decide(&scope, name, context).action {
                planned.push((Key::Secret(namespace.clone(), name.to_string()), Action::Secret(action)));
            }
        }
        for (name, seen) in &facts.accounts {
            let context = plan::service_account::Context::default();
            if let Some(action) = plan::service_account::decide(&scope, name, seen, context).action {
                planned.push((
                    Key::Account(namespace.clone(), name.to_string()),
                    Action::Account(action),
                ));
            }
        }
    }
    planned
}

/// The Secret after this write, `None` if it is deleted.
fn secret_after(
    action: &SecretAction,
    stored: Option<Secret>,
    terminating: bool,
    owned: &mut Owned,
    revision: &str,
) -> Result<Option<Secret>, Refusal> {
    let after = match action {
        SecretAction::Create(_) if stored.is_some() => return Err(Refusal::Conflict),
        SecretAction::Create(_) if terminating => return Err(Refusal::Terminating),
        SecretAction::Create(content) => {
            *owned = Owned::default();
            Some(owned.apply(&SecretTraits::default(), content, Version::new(revision, revision)))
        }
        SecretAction::Update { version, content } => {
            let stored = unchanged(stored, version)?;
            let version = Version::new(&stored.version.uid.to_string(), revision);
            // The type is fixed for ever, and so is the data of an immutable Secret: 422.
            if !stored.traits.docker_config_type || stored.traits.immutable {
                return Err(Refusal::Conflict);
            }
            Some(owned.apply(&stored.traits, content, version))
        }
        SecretAction::Reclaim { version, object } => {
            let change = |traits: &mut SecretTraits| {
                label(traits, object);
                traits.annotations = without(&traits.annotations, &[ANNOTATION_RETAINED]);
            };
            Some(changed(unchanged(stored, version)?, change))
        }
        SecretAction::Assign {
            version,
            object,
            owners,
        } => {
            let change = |traits: &mut SecretTraits| {
                label(traits, object);
                traits.owners.clone_from(owners);
            };
            Some(changed(unchanged(stored, version)?, change))
        }
        SecretAction::Release { version, object } => {
            let change = |traits: &mut SecretTraits| {
                traits.labels = without(&traits.labels, &[LABEL_OBJECT, LABEL_MANAGED_BY]);
                traits.annotations = with(&traits.annotations, [(ANNOTATION_RETAINED, object.as_ref())]);
                traits.owners.clear();
            };
            Some(changed(unchanged(stored, version)?, change))
        }
        SecretAction::Delete { version } => {
            unchanged(stored, version)?;
            None
        }
        SecretAction::Empty { version } => {
            let stored = unchanged(stored, version)?;
            if stored.traits.immutable {
                return Err(Refusal::Conflict);
            }
            Some(Secret { digest: None, ..stored })
        }
    };
    Ok(after)
}

fn changed(secret: Secret, change: impl FnOnce(&mut SecretTraits)) -> Secret {
    let mut traits = (*secret.traits).clone();
    change(&mut traits);
    Secret {
        traits: Arc::new(traits),
        ..secret
    }
}

fn label(traits: &mut SecretTraits, object: &str) {
    traits.labels = with(&traits.labels, [(LABEL_OBJECT, object), (LABEL_MANAGED_BY, MANAGED_BY)]);
}

fn unchanged(stored: Option<Secret>, version: &Version) -> Result<Secret, Refusal> {
    let stored = stored.ok_or(Refusal::NotFound)?;
    if stored.version == *version {
        Ok(stored)
    } else {
        Err(Refusal::Conflict)
    }
}

impl Owned {
    fn all_of(traits: &SecretTraits) -> Self {
        let keys = |labels: &Labels| labels.iter().map(|(key, _)| key.to_owned()).collect();
        Self {
            labels: keys(&traits.labels),
            annotations: keys(&traits.annotations),
        }
    }

    /// A forced server-side apply: what is given is set, what was ours and is not given any more goes, the rest stays.
    /// The owners of our kind are set as a whole.
    fn apply(&mut self, stored: &SecretTraits, content: &Content, version: Version) -> Secret {
        let merged = |stored: &Labels, owned: &BTreeSet<String>, given: &BTreeMap<String, String>| {
            let mut map = stored.to_map();
            map.retain(|key, _| !owned.contains(key));
            map.extend(given.clone());
            map.iter().collect::<Labels>()
        };
        let traits = SecretTraits {
            docker_config_type: true,
            labels: merged(&stored.labels, &self.labels, &content.labels),
            annotations: merged(&stored.annotations, &self.annotations, &content.annotations),
            owners: content.owners.clone(),
            applied_by_us: true,
            ..stored.clone()
        };
        *self = Self {
            labels: content.labels.keys().cloned().collect(),
            annotations: content.annotations.keys().cloned().collect(),
        };
        Secret {
            version,
            digest: Some(Arc::clone(content.payload.digest())),
            traits: Arc::new(traits),
        }
    }
}

fn with<'a>(labels: &Labels, added: impl IntoIterator<Item = (&'a str, &'a str)>) -> Labels {
    let mut map = labels.to_map();
    map.extend(added.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())));
    map.iter().collect()
}

fn without(labels: &Labels, taken: &[&str]) -> Labels {
    labels.iter().filter(|(key, _)| !taken.contains(key)).collect()
}

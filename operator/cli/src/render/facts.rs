//! The facts of a namespace, as `plan` takes them.

use std::sync::Arc;

use crd::names::{ANNOTATION_RETAINED, DOCKER_CONFIG_TYPE, LABEL_MANAGED_BY, LABEL_OBJECT, MANAGED_BY};
use plan::identity::Version;
use plan::observed::{self, Entry, SecretTraits};

use crate::world::{Account, Namespace, Secret};

pub(super) fn namespace(seen: &Namespace) -> observed::Namespace {
    let mut facts = observed::Namespace {
        labels: seen.labels.clone(),
        terminating: seen.terminating,
        ..observed::Namespace::default()
    };
    for (name, of) in &seen.secrets {
        facts.secrets.insert(Arc::from(name.as_str()), secret(of));
    }
    for (name, of) in &seen.accounts {
        facts.accounts.insert(Arc::from(name.as_str()), account(of));
    }
    facts
}

fn secret(seen: &Secret) -> observed::Secret {
    let label = seen.copy_of.as_ref().map(|object| (LABEL_OBJECT, object.as_str()));
    let managed = label.map(|_| (LABEL_MANAGED_BY, MANAGED_BY));
    let retained = seen
        .retained_from
        .as_ref()
        .map(|object| (ANNOTATION_RETAINED, object.as_str()));
    observed::Secret {
        version: Version::new("", ""),
        digest: None,
        traits: Arc::new(SecretTraits {
            docker_config_type: *seen.type_ == *DOCKER_CONFIG_TYPE,
            immutable: seen.immutable,
            labels: label.into_iter().chain(managed).collect(),
            annotations: retained.into_iter().collect(),
            controlled: seen.controlled,
            ..SecretTraits::default()
        }),
    }
}

fn account(seen: &Account) -> observed::Account {
    observed::Account {
        version: Version::new("", ""),
        labels: seen.labels.clone(),
        entries: seen.secrets.iter().map(|name| Entry::named(name)).collect(),
        attached: seen.attached.iter().map(|name| Arc::from(name.as_str())).collect(),
        deleting: false,
        too_large: false,
        listed_by_us: false,
        hidden: None,
    }
}

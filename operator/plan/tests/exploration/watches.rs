//! What the watches show of the cluster, and when.

use std::collections::BTreeSet;

use crd::names::LABEL_OBJECT;
use plan::observed::{Namespace, Secret};

use super::State;
use crate::common::World;

/// An event that a watch has not delivered yet.
#[derive(Clone, Debug)]
pub(super) enum News {
    Objects,
    Labels(String),
    Account(String),
    Secret(String, String),
}

/// What the watches show: of Secrets those with our label, or all where names are managed.
pub(super) fn listed(truth: &World) -> World {
    let mut view = truth.clone();
    if view.managed.is_some() {
        return view;
    }
    for facts in view.namespaces.values_mut() {
        facts
            .secrets
            .retain(|_, secret| secret.traits.labels.get(LABEL_OBJECT).is_some());
    }
    view
}

/// Returns the Secrets that the operator sees: copies by their label, foreign ones if it met them before.
///
/// With managed names it sees all of them.
fn shown(view: &World, seen: &Namespace, truth: &Namespace, name: &str) -> Option<Secret> {
    let is_copy = |secret: &Secret| secret.traits.labels.get(LABEL_OBJECT).is_some();
    let followed = seen.secrets.get(name).is_some_and(|secret| !is_copy(secret));
    truth
        .secrets
        .get(name)
        .filter(|secret| view.managed.is_some() || followed || is_copy(secret))
        .cloned()
}

pub(super) fn put(facts: &mut Namespace, name: &str, secret: Option<Secret>) {
    match secret {
        Some(secret) => drop(facts.secrets.insert(name.into(), secret)),
        None => drop(facts.secrets.remove(name)),
    }
}

impl State {
    /// What the view does not show yet, object by object: a superset of the orders in which watches may deliver.
    pub(super) fn news(&self, view: &World) -> Vec<News> {
        let mut news = Vec::new();
        if view.objects != self.truth().objects {
            news.push(News::Objects);
        }
        for (namespace, truth) in &self.truth().namespaces {
            let seen = &view.namespaces[namespace];
            if seen.labels != truth.labels {
                news.push(News::Labels(namespace.clone()));
            }
            if seen.accounts != truth.accounts {
                news.push(News::Account(namespace.clone()));
            }
            let names = seen.secrets.keys().chain(truth.secrets.keys());
            for name in names.collect::<BTreeSet<_>>() {
                if shown(view, seen, truth, name) != seen.secrets.get(name).cloned() {
                    news.push(News::Secret(namespace.clone(), name.to_string()));
                }
            }
        }
        news
    }

    pub(super) fn deliver(&mut self, news: &News) {
        let truth = self.server.world.clone();
        let Some(view) = &mut self.view else {
            return;
        };
        match news {
            News::Objects => view.objects = truth.objects,
            News::Labels(namespace) => {
                let labels = truth.namespaces[namespace].labels.clone();
                view.namespaces.entry(namespace.clone()).or_default().labels = labels;
            }
            News::Account(namespace) => {
                let accounts = truth.namespaces[namespace].accounts.clone();
                view.namespaces.entry(namespace.clone()).or_default().accounts = accounts;
            }
            News::Secret(namespace, name) => {
                let secret = shown(view, &view.namespaces[namespace], &truth.namespaces[namespace], name);
                put(view.namespaces.entry(namespace.clone()).or_default(), name, secret);
            }
        }
    }
}

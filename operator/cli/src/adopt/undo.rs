//! What `--undo` gives back.

use std::collections::BTreeMap;

use crd::ClusterPullSecret;
use crd::names::LABEL_OBJECT;

use super::leftovers::Leftovers;
use super::options::Options;
use super::propose::source_name;
use super::role::State;
use super::tool::Tool;
use super::write::is_made_source;

/// The adopted Secrets of one name.
#[derive(Clone, Debug)]
pub struct Undo {
    /// Their name.
    pub secret: String,
    /// The object that has them, if it still exists.
    pub object: Option<ClusterPullSecret>,
    /// Their namespaces.
    pub namespaces: Vec<String>,
    /// The accounts that record their entry, each as namespace and name.
    pub accounts: Vec<(String, String)>,
    /// The source that the adoption made, as namespace, name and uid.
    pub source: Option<(String, String, String)>,
    /// Copies that the operator made itself. They stay, without updates.
    pub others: usize,
}

/// Returns what can be given back, by the name of the Secrets.
pub fn undoable(seen: &Leftovers, options: &Options<'_>) -> Vec<Undo> {
    let mut by_name: BTreeMap<&str, Vec<&super::leftovers::Secret>> = BTreeMap::new();
    for secret in seen.secrets.values() {
        let Some(record) = secret.record() else { continue };
        let tool = Tool::of_name(&record.from);
        if options.asks_for(&secret.meta.name, tool.into_iter()) {
            by_name.entry(&secret.meta.name).or_default().push(secret);
        }
    }
    by_name
        .into_iter()
        .map(|(name, secrets)| {
            let label = secrets.iter().find_map(|secret| secret.meta.labels.get(LABEL_OBJECT));
            let object = label
                .and_then(|label| seen.objects.get(label))
                .or_else(|| seen.objects.get(&super::propose::object_name(name)))
                .filter(|object| object.effective_secret_name() == name);
            let namespaces: Vec<String> = secrets.iter().map(|secret| secret.meta.namespace.clone()).collect();
            let records = |account: &&super::leftovers::Account| {
                let recorded = account.attached.iter().any(|recorded| recorded == name);
                recorded && namespaces.contains(&account.meta.namespace)
            };
            let accounts = seen.accounts.values().filter(records);
            let source = seen.secret(options.operator_namespace, &source_name(name));
            let own = |secret: &&super::leftovers::Secret| {
                secret.meta.name == name && secret.state() == State::Adopted && secret.record().is_none()
            };
            Undo {
                secret: name.to_owned(),
                object: object.cloned(),
                accounts: accounts
                    .map(|account| (account.meta.namespace.clone(), account.meta.name.clone()))
                    .collect(),
                source: source.filter(|source| is_made_source(source)).map(|source| {
                    let meta = &source.meta;
                    (meta.namespace.clone(), meta.name.clone(), meta.uid.clone())
                }),
                others: seen.secrets.values().filter(own).count(),
                namespaces,
            }
        })
        .collect()
}

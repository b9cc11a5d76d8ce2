//! Which namespaces and accounts an object selects, so that it covers what was adopted.

use std::collections::{BTreeMap, BTreeSet};

use crd::names::LABEL_EXCLUDE;
use crd::{AttachMode, NamespaceSelection, ServiceAccountSelection};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::leftovers::{Account, Leftovers};

/// The most entries of a list in the schema.
const MOST: usize = 64;

/// The label that the API server puts on each namespace.
const NAME: &str = "kubernetes.io/metadata.name";

/// Returns the selection of exactly these namespaces, or of all where no other could get a copy.
///
/// `left` are namespaces with a Secret of that name that stays as it is.
pub(super) fn namespaces(
    seen: &Leftovers,
    protected: &BTreeSet<String>,
    wanted: &BTreeSet<&str>,
    left: &BTreeSet<&str>,
) -> NamespaceSelection {
    let is_eligible = |name: &&str| {
        let seen = seen.namespaces.get(*name);
        let stays = seen.is_some_and(|seen| !seen.meta.deleting && !seen.meta.is_labelled(LABEL_EXCLUDE, Some("true")));
        stays && !protected.contains(*name)
    };
    let eligible: BTreeSet<&str> = seen.namespaces.keys().map(String::as_str).filter(is_eligible).collect();
    let owned = |names: &mut dyn Iterator<Item = &&str>| names.map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let exact = owned(&mut wanted.iter().filter(|name| protected.contains(**name)));
    let excluded = owned(&mut left.intersection(&eligible).filter(|name| !wanted.contains(*name)));
    let covers_all = eligible.iter().all(|name| wanted.contains(name) || left.contains(name));
    if covers_all && wanted.len() > 1 && excluded.len() <= MOST {
        return NamespaceSelection {
            selectors: vec![LabelSelector::default()],
            names: exact,
            excluded,
        };
    }
    if wanted.len() <= MOST {
        return NamespaceSelection {
            names: owned(&mut wanted.iter()),
            ..NamespaceSelection::default()
        };
    }
    let rest: Vec<String> = owned(&mut wanted.iter().filter(|name| !protected.contains(**name)));
    let selector = |names: &[String]| LabelSelector {
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: NAME.to_owned(),
            operator: "In".to_owned(),
            values: Some(names.to_vec()),
        }]),
        ..LabelSelector::default()
    };
    NamespaceSelection {
        selectors: rest.chunks(MOST).map(selector).collect(),
        names: exact,
        ..NamespaceSelection::default()
    }
}

/// Returns the selection of the accounts that refer to the Secret, and those that it selects besides.
pub(super) fn accounts<'a>(
    seen: &'a Leftovers,
    wanted: &BTreeSet<&'a str>,
    secret: &str,
) -> (ServiceAccountSelection, Vec<&'a Account>) {
    let here = || wanted.iter().flat_map(|namespace| seen.accounts_in(namespace));
    let here = || here().filter(|account| !account.meta.deleting);
    let refers = |account: &Account| account.entries.iter().any(|entry| entry == secret);
    let mut by_name: BTreeMap<&str, bool> = BTreeMap::new();
    for account in here() {
        *by_name.entry(&account.meta.name).or_default() |= refers(account);
    }
    let names: Vec<String> = by_name
        .iter()
        .filter(|(_, refers)| **refers)
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let all = here().count() > 0 && here().all(refers) && names.len() > 1;
    let mut selection = ServiceAccountSelection::default();
    if names.is_empty() {
        selection.mode = AttachMode::None;
    } else if all || names.len() > MOST {
        selection.names = vec!["*".to_owned()];
    } else if names != ["default"] {
        selection.names.clone_from(&names);
    }
    let is_selected = |account: &&Account| {
        let excluded = account.meta.is_labelled(LABEL_EXCLUDE, Some("true"));
        !excluded && !refers(account) && (names.len() > MOST || names.contains(&account.meta.name))
    };
    let besides = here().filter(is_selected).collect();
    (selection, besides)
}

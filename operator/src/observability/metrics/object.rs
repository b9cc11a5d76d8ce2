//! Metrics of each object. They come from the object's own status, so every replica reports the same values.

use std::collections::BTreeMap;
use std::sync::Arc;

use crd::PodCounts;
use plan::summary::Count;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Unit;

use super::catalogue::Catalogue;

/// The state of an object, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// The object is being deleted.
    Deleting,
    /// `spec.suspend` is set.
    Suspended,
    /// The object needs a person to act.
    Stalled,
    /// The object is fully applied.
    Ready,
    /// Another installation manages the object.
    Elsewhere,
    /// None of the others: the operator is working, or waits for a failure that may pass by itself.
    #[default]
    Progressing,
}

impl State {
    const fn as_label(self) -> &'static str {
        match self {
            Self::Deleting => "Deleting",
            Self::Suspended => "Suspended",
            Self::Stalled => "Stalled",
            Self::Ready => "Ready",
            Self::Elsewhere => "Elsewhere",
            Self::Progressing => "Progressing",
        }
    }
}

/// The facts of one object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its state.
    pub state: State,
    /// Counts of namespaces.
    pub namespaces: Count,
    /// Counts of `ServiceAccount`s.
    pub accounts: Count,
    /// Counts of registries: `selected` are declared, `ready` have their login.
    pub registries: Count,
    /// Pods that came before the reference; `None` if the operator does not replace such Pods.
    pub pods: Option<PodCounts>,
    /// The oldest last change of its sources, in seconds since 1970.
    pub oldest_source: Option<i64>,
    /// Why its deletion waits, in one word; `None` if it does not.
    pub waits: Option<&'static str>,
}

type Of = Family<[(&'static str, Arc<str>); 1], Gauge>;
/// Reads one number of an object, if it has it.
type Number = fn(&Facts) -> Option<i64>;

/// Gauges with one number each.
const NUMBERS: [(&str, &str, Number); 11] = [
    (
        "pullsecrets_namespaces_selected",
        "Namespaces that an object selects",
        |facts| Some(facts.namespaces.selected),
    ),
    (
        "pullsecrets_namespaces_ready",
        "Selected namespaces whose copy is as declared",
        |facts| Some(facts.namespaces.ready),
    ),
    (
        "pullsecrets_namespaces_failed",
        "Selected namespaces whose copy was refused or is in conflict",
        |facts| Some(facts.namespaces.failed),
    ),
    (
        "pullsecrets_service_accounts_selected",
        "ServiceAccounts that an object selects",
        |facts| Some(facts.accounts.selected),
    ),
    (
        "pullsecrets_service_accounts_ready",
        "Selected ServiceAccounts that have their reference",
        |facts| Some(facts.accounts.ready),
    ),
    (
        "pullsecrets_service_accounts_failed",
        "Selected ServiceAccounts whose reference was refused or is contended",
        |facts| Some(facts.accounts.failed),
    ),
    (
        "pullsecrets_registries_declared",
        "Registries that an object declares",
        |facts| Some(facts.registries.selected),
    ),
    (
        "pullsecrets_registries_ready",
        "Declared registries whose source provides a login",
        |facts| Some(facts.registries.ready),
    ),
    (
        "pullsecrets_pods_waiting",
        "Pods that wait for an image of an object and came before its reference; no series without --recover-pods",
        |facts| facts.pods.map(|pods| pods.waiting),
    ),
    (
        "pullsecrets_pods_recovered",
        "Pods that were replaced for an object so far; no series without --recover-pods",
        |facts| facts.pods.map(|pods| pods.recovered),
    ),
    (
        "pullsecrets_pods_masked",
        "Waiting Pods that are not replaced, because they have a list of their own; no series without --recover-pods",
        |facts| facts.pods.map(|pods| pods.masked),
    ),
];

#[derive(Debug)]
pub(super) struct Objects {
    /// By object name and state.
    state: Family<[(&'static str, Arc<str>); 2], Gauge>,
    /// By object name and reason.
    waits: Family<[(&'static str, Arc<str>); 2], Gauge>,
    numbers: Vec<(Of, Number)>,
}

impl Objects {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        let help = "1 for the state that an object is in: Ready, Progressing, Stalled (a person must act), Suspended, \
            Deleting or Elsewhere (another installation manages it and reports its numbers); its other states have no series";
        let labels = ["object", "state"];
        let state = all.add("pullsecrets_object_state", None, &labels, help, Family::default());
        let help = "1 for an object whose deletion waits, by reason of the first failed removal, or Progressing; \
            other objects have no series";
        let labels = ["object", "reason"];
        let waits = all.add("pullsecrets_deletion_waits", None, &labels, help, Family::default());
        let mut of = |name, unit, help, number| (all.add(name, unit, &["object"], help, Of::default()), number);
        let mut numbers: Vec<(Of, Number)> = NUMBERS
            .into_iter()
            .map(|(name, help, number)| of(name, None, help, number))
            .collect();
        let help = "Last change of the object's source Secret that has not changed for longest, since 1970; an object \
            without sources has no series";
        let name = "pullsecrets_source_changed_timestamp";
        numbers.push(of(name, Some(Unit::Seconds), help, |facts| facts.oldest_source));
        Self { state, waits, numbers }
    }

    /// Replaces all series with those of these objects.
    pub(super) fn show(&self, objects: &BTreeMap<Arc<str>, Facts>) {
        self.state.clear();
        for (name, facts) in objects {
            let labels = [("object", Arc::clone(name)), ("state", facts.state.as_label().into())];
            self.state.get_or_create(&labels).set(1);
        }
        self.waits.clear();
        for (name, reason) in objects.iter().filter_map(|(name, facts)| Some((name, facts.waits?))) {
            let labels = [("object", Arc::clone(name)), ("reason", reason.into())];
            self.waits.get_or_create(&labels).set(1);
        }
        for (family, number) in &self.numbers {
            family.clear();
            // The other installation reports the numbers of such an object.
            let ours = objects.iter().filter(|(_, facts)| facts.state != State::Elsewhere);
            for (name, facts) in ours {
                if let Some(value) = number(facts) {
                    family.get_or_create(&[("object", Arc::clone(name))]).set(value);
                }
            }
        }
    }
}

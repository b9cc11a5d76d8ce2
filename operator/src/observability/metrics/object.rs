//! What is told of each object. All of it is in the object's own status, so that every replica tells the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::summary::Count;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Unit;

use super::catalogue::Catalogue;

/// How an object stands, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It is being deleted.
    Deleting,
    /// `spec.suspend` is set.
    Suspended,
    /// A person must act.
    Stalled,
    /// All is as declared.
    Ready,
    /// Another installation acts for it.
    Elsewhere,
    /// None of these: at work, or in trouble that may pass by itself.
    #[default]
    Progressing,
}

impl State {
    const fn word(self) -> &'static str {
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

/// One object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// How it stands.
    pub state: State,
    /// Namespaces.
    pub namespaces: Count,
    /// `ServiceAccount`s.
    pub accounts: Count,
    /// Registries, of which `selected` are declared and `ready` have their login.
    pub registries: Count,
    /// When the source that changed longest ago was changed, in seconds since 1970.
    pub oldest_source: Option<i64>,
    /// What its deletion waits for, in one word, if it waits.
    pub waits: Option<&'static str>,
}

type Of = Family<[(&'static str, Arc<str>); 1], Gauge>;
/// A number of an object, if it has it.
type Number = fn(&Facts) -> Option<i64>;

/// Gauges that are one number each.
const NUMBERS: [(&str, &str, Number); 8] = [
    (
        "pullsecrets_namespaces_selected",
        "Namespaces that an object selects",
        |facts| Some(facts.namespaces.selected),
    ),
    (
        "pullsecrets_namespaces_ready",
        "Selected namespaces with their copy as declared",
        |facts| Some(facts.namespaces.ready),
    ),
    (
        "pullsecrets_namespaces_failed",
        "Selected namespaces where the copy was refused or is in conflict",
        |facts| Some(facts.namespaces.failed),
    ),
    (
        "pullsecrets_service_accounts_selected",
        "ServiceAccounts that an object selects",
        |facts| Some(facts.accounts.selected),
    ),
    (
        "pullsecrets_service_accounts_ready",
        "Selected ServiceAccounts with their reference",
        |facts| Some(facts.accounts.ready),
    ),
    (
        "pullsecrets_service_accounts_failed",
        "Selected ServiceAccounts where the reference was refused or is contended",
        |facts| Some(facts.accounts.failed),
    ),
    (
        "pullsecrets_registries_declared",
        "Registries that an object declares",
        |facts| Some(facts.registries.selected),
    ),
    (
        "pullsecrets_registries_ready",
        "Declared registries whose source gives a login",
        |facts| Some(facts.registries.ready),
    ),
];

#[derive(Debug)]
pub(super) struct Objects {
    /// By name of the object and word of the state.
    state: Family<[(&'static str, Arc<str>); 2], Gauge>,
    /// By name of the object and reason.
    waits: Family<[(&'static str, Arc<str>); 2], Gauge>,
    numbers: Vec<(Of, Number)>,
}

impl Objects {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        let help = "1 for the state that an object is in: Ready, Progressing, Stalled (a person must act), Suspended, \
            Deleting or Elsewhere (another installation acts for it, and has its numbers); its other states have no series";
        let labels = ["object", "state"];
        let state = all.add("pullsecrets_object_state", None, &labels, help, Family::default());
        let help = "1 for an object whose deletion waits, by reason of the first removal that fails, or Progressing; no series \
            for others";
        let labels = ["object", "reason"];
        let waits = all.add("pullsecrets_deletion_waits", None, &labels, help, Family::default());
        let mut of = |name, unit, help, number| (all.add(name, unit, &["object"], help, Of::default()), number);
        let mut numbers: Vec<(Of, Number)> = NUMBERS
            .into_iter()
            .map(|(name, help, number)| of(name, None, help, number))
            .collect();
        let help = "When the source Secret of an object that was changed longest ago was changed, since 1970; no series if \
            it has none";
        let name = "pullsecrets_source_changed_timestamp";
        numbers.push(of(name, Some(Unit::Seconds), help, |facts| facts.oldest_source));
        Self { state, waits, numbers }
    }

    /// Shows these and no other.
    pub(super) fn show(&self, objects: &BTreeMap<Arc<str>, Facts>) {
        self.state.clear();
        for (name, facts) in objects {
            let labels = [("object", Arc::clone(name)), ("state", facts.state.word().into())];
            self.state.get_or_create(&labels).set(1);
        }
        self.waits.clear();
        for (name, reason) in objects.iter().filter_map(|(name, facts)| Some((name, facts.waits?))) {
            let labels = [("object", Arc::clone(name)), ("reason", reason.into())];
            self.waits.get_or_create(&labels).set(1);
        }
        for (family, number) in &self.numbers {
            family.clear();
            // The installation that acts for it has its numbers.
            let ours = objects.iter().filter(|(_, facts)| facts.state != State::Elsewhere);
            for (name, facts) in ours {
                if let Some(value) = number(facts) {
                    family.get_or_create(&[("object", Arc::clone(name))]).set(value);
                }
            }
        }
    }
}

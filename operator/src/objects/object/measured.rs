//! What the metrics show of an object.

use crd::{ConditionStatus, ConditionType, Counts, RegistryState, RegistryStatus};
use plan::status::deletion_waits_for;
use plan::summary::Count;

use super::ObjectState;
use crate::objects::sources::Sources;
use crate::observability::metrics::{Facts, State};

impl ObjectState {
    /// Returns what the metrics show of it: what its status says.
    pub(in crate::objects) fn measured(&self, sources: &Sources) -> Facts {
        let counted = |counts: &Option<Counts>| {
            counts.as_ref().map_or_else(Count::default, |counts| Count {
                selected: counts.selected,
                ready: counts.ready,
                failed: counts.failed,
            })
        };
        let registries = &self.status.registries;
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let has_login = |registry: &&RegistryStatus| registry.state == RegistryState::Ready;
        let with_login = number(registries.iter().filter(has_login).count());
        let declared = number(registries.len());
        let sources = self
            .spec
            .spec
            .sources
            .iter()
            .filter_map(|(namespace, name)| sources.changed_at(namespace, name));
        Facts {
            state: self.shown_state(),
            namespaces: counted(&self.status.namespaces),
            accounts: counted(&self.status.service_accounts),
            registries: Count {
                selected: declared,
                ready: with_login,
                failed: declared - with_login,
            },
            waits: deletion_waits_for(&self.status).filter(|_| self.is_deleting()),
            oldest_source: sources.min(),
            pods: self.status.pods,
        }
    }

    fn shown_state(&self) -> State {
        let is_true = |type_| {
            let condition = self.status.condition(type_);
            condition.is_some_and(|condition| condition.status == ConditionStatus::True)
        };
        if self.is_elsewhere() {
            State::Elsewhere
        } else if self.is_deleting() {
            State::Deleting
        } else if self.spec.is_suspended() {
            State::Suspended
        } else if is_true(ConditionType::Stalled) {
            State::Stalled
        } else if is_true(ConditionType::Ready) {
            State::Ready
        } else {
            State::Progressing
        }
    }
}

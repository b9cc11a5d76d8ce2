//! The plan's answer for a key, as far as the reconciler needs it.

use std::sync::Arc;
use std::time::Duration;

use plan::action::{AccountAction, SecretAction};
use plan::decision::{Decision, State};
use plan::object::Object;
use plan::observed::Account;

use crate::tally::Entry;
use crate::work::Lane;

/// The plan's answer for a key, without the write itself. Each change evaluates again, and must find what was recorded.
/// So state that evaluations depend on changes only within [`super::Reconciler::change`], or where no evaluation shows it.
pub(super) struct Evaluation {
    pub(super) entries: Vec<Entry>,
    pub(super) pending_cleanup: Vec<Arc<str>>,
    pub(super) write: Option<WriteKind>,
    pub(super) again_after: Option<Duration>,
    pub(super) removal_pending: bool,
    /// Secrets to read before a decision is possible.
    pub(super) to_read: Vec<Arc<str>>,
}

impl Evaluation {
    /// Whether the key still needs a write, another look or a read.
    pub(super) fn is_outstanding(&self) -> bool {
        self.write.is_some() || self.again_after.is_some() || !self.to_read.is_empty()
    }
}

/// What kind of write a key needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteKind {
    Create,
    Update,
    Reclaim,
    Assign,
    Release,
    Delete,
    Empty,
    Patch,
    /// A patch that takes more than it adds.
    Detach,
}

impl WriteKind {
    pub(super) fn of(action: &SecretAction) -> Self {
        match action {
            SecretAction::Create(_) => Self::Create,
            SecretAction::Update { .. } => Self::Update,
            SecretAction::Reclaim { .. } => Self::Reclaim,
            SecretAction::Assign { .. } => Self::Assign,
            SecretAction::Release { .. } => Self::Release,
            SecretAction::Delete { .. } => Self::Delete,
            SecretAction::Empty { .. } => Self::Empty,
        }
    }

    pub(super) fn of_account(action: &AccountAction, seen: &Account) -> Self {
        let takes = action.entries.len() < seen.entries.len() || action.attached.len() < seen.attached.len();
        if takes { Self::Detach } else { Self::Patch }
    }

    /// Whether it may remove what no object wants. A patch of an account may or may not.
    pub(super) fn is_removal(self) -> bool {
        match self {
            Self::Release | Self::Delete | Self::Empty | Self::Patch | Self::Detach => true,
            Self::Create | Self::Update | Self::Reclaim | Self::Assign => false,
        }
    }

    pub(super) fn lane(self) -> Lane {
        match self {
            Self::Update | Self::Assign => Lane::Bulk,
            Self::Create | Self::Reclaim | Self::Release | Self::Delete | Self::Empty | Self::Patch | Self::Detach => {
                Lane::Fresh
            }
        }
    }
}

pub(super) fn evaluation<A>(decision: Decision<'_, A>, write: Option<WriteKind>) -> Evaluation {
    let entry = |leaves: bool| {
        move |(object, state): (&Arc<Object>, State)| Entry {
            object: Arc::clone(&object.name),
            state,
            leaves,
        }
    };
    let stays = decision.states.into_iter().map(entry(false));
    Evaluation {
        entries: stays.chain(decision.removals.into_iter().map(entry(true))).collect(),
        pending_cleanup: decision
            .pending_cleanup
            .iter()
            .map(|object| Arc::clone(&object.name))
            .collect(),
        write,
        again_after: decision.requeue_after,
        removal_pending: decision.removal_pending,
        to_read: decision.to_read,
    }
}

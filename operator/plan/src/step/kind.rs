//! The kinds of steps, for logs, spans and decisions.

use std::fmt;

/// Which step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// See [`super::ObjectStep::ClaimObject`].
    ClaimObject,
    /// See [`super::ObjectStep::AddFinalizer`].
    AddFinalizer,
    /// See [`super::ObjectStep::RemoveFinalizer`].
    RemoveFinalizer,
    /// See [`super::ObjectStep::PatchStatus`].
    PatchStatus,
    /// See [`super::ObjectStep::ReadObject`].
    ReadObject,
    /// See [`super::Step::SaveState`].
    SaveState,
    /// See [`super::Step::DeleteState`].
    DeleteState,
}

impl StepKind {
    /// Returns the word for the field `step` of logs and spans. People filter by it, so it never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClaimObject => "claim",
            Self::AddFinalizer => "arm",
            Self::RemoveFinalizer => "disarm",
            Self::PatchStatus => "report",
            Self::ReadObject => "look",
            Self::SaveState => "remember",
            Self::DeleteState => "forget",
        }
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

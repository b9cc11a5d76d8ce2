//! What the caller knows of a Secret besides how it looks.

use std::time::Duration;

use crate::decision::Failure;

/// What the caller knows of a Secret besides how it looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// Why our last write of it failed.
    pub last_error: Option<&'a Failure>,
    /// Another writer keeps undoing our writes. It is reported even while the Secret is as declared.
    pub contention: Option<&'a Failure>,
    /// How long ago the operator found that the copy must go, or pass to another object.
    pub removal_pending_for: Duration,
}

impl<'a> Context<'a> {
    /// What prevents a write.
    pub(super) fn obstruction(&self) -> Option<&'a Failure> {
        self.contention.or(self.last_error)
    }
}

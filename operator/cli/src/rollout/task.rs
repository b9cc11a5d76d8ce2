//! What to do in each context.

use std::time::Duration;

use super::installation::Installation;
use super::stop::Stop;
use super::wanted::Wanted;

/// What to do in each context.
#[derive(Clone, Copy)]
pub struct Rollout<'a> {
    /// What is to be there, or to be gone.
    pub wanted: &'a Wanted,
    /// What is installed first.
    pub install: Option<&'a Installation>,
    /// The servers store nothing.
    pub dry_run: bool,
    /// Fields of other managers are taken over.
    pub force: bool,
    /// How long a context may take.
    pub timeout: Duration,
    /// Whether a person has interrupted it.
    pub stop: &'a Stop,
}

//! Why a registry has no usable credentials.

use crd::Reason;

/// Why a registry has no usable credentials now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One of the reasons of `CredentialsReady`.
    pub reason: Reason,
    /// The text for a person. It names the Secret, the key and the position, never a value.
    pub message: String,
}

impl Problem {
    /// Adds the path of the registry at this place to a problem of the declaration itself.
    pub(super) fn located(&self, at: usize) -> Self {
        let message = match self.reason {
            Reason::InvalidSpec => format!("spec.registries[{at}].{}", self.message),
            _ => self.message.clone(),
        };
        Self {
            reason: self.reason,
            message,
        }
    }
}

/// A problem of the source.
pub(super) fn invalid(message: String) -> Problem {
    Problem {
        reason: Reason::SourceInvalid,
        message,
    }
}

/// A problem of the declaration.
pub(super) fn invalid_spec(message: &str) -> Problem {
    Problem {
        reason: Reason::InvalidSpec,
        message: message.to_owned(),
    }
}

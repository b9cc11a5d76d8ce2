//! Exit codes.

use std::process::ExitCode;

/// How the tool ends. A later one outweighs an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    /// There is no finding.
    Clean,
    /// There are findings, or the answer to a question was no.
    Findings,
    /// The usage was wrong, or the answer is incomplete.
    Incomplete,
    /// A person interrupted it.
    Interrupted,
}

/// What is said of a run that was interrupted before its first write.
pub(super) const NOTHING_WRITTEN: &str = "interrupted: nothing was written";

/// Why there is no answer, in a sentence. It ends with [`Exit::Incomplete`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stop(pub(super) String);

impl From<String> for Stop {
    fn from(why: String) -> Self {
        Self(why)
    }
}

impl Stop {
    /// A person must agree to a write, and cannot be asked.
    pub(super) fn no_terminal() -> Self {
        Self("there is no terminal to ask at before writing: give --yes".to_owned())
    }
}

impl Exit {
    /// An incomplete answer wins over findings, because there may be more.
    pub(super) fn of(complete: bool, findings: bool) -> Self {
        match (complete, findings) {
            (false, _) => Self::Incomplete,
            (true, true) => Self::Findings,
            (true, false) => Self::Clean,
        }
    }

    /// The meaning of clap's code: 0 for help, 2 for wrong usage.
    pub(super) fn of_code(code: i32) -> Self {
        if code == 0 { Self::Clean } else { Self::Incomplete }
    }

    pub(super) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::Incomplete => 2,
            Self::Interrupted => 130,
        })
    }
}

//! What a Secret is to the tool that left it, and how far its adoption is.

use super::tool::Tool;

/// What a Secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The tool that left it.
    pub(super) tool: Tool,
    /// What it is to that tool.
    pub(super) role: Role,
    /// What shows it, in words: `annotation generate.kyverno.io/policy-name`.
    pub(super) evidence: String,
}

/// What a Secret is to a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A copy.
    Copy,
    /// What the tool copies from. It is adopted last.
    Source,
}

/// How far the adoption of a Secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum State {
    /// The marks of the tool are on it, or it never had one.
    Left,
    /// Its marks were taken off, and the operator has not taken it over.
    Detached,
    /// The operator has taken it over.
    Adopted,
}

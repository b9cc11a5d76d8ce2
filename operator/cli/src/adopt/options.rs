//! What a person asks for.

/// What a person asks for.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The tools by their words, and names as `name=SECRET`. Empty: all.
    pub from: &'a [String],
    /// Secrets that deviate get the content of their group.
    pub align: bool,
    /// A Secret in the namespace of the operator that is the source, instead of a copy of what was left.
    pub source: Option<&'a str>,
    /// The namespace of the operator.
    pub operator_namespace: &'a str,
    /// Returns whether a namespace is asked for.
    pub selects: &'a dyn Fn(&str) -> bool,
}

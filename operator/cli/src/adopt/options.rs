//! What a person asks for.

use super::tool::Tool;

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

impl Options<'_> {
    /// Returns whether Secrets of this name are asked for, which these tools left.
    pub(super) fn asks_for(&self, secret: &str, tools: impl Iterator<Item = Tool>) -> bool {
        let keys: Vec<&str> = tools.map(Tool::key).collect();
        let is_meant = |word: &String| match word.strip_prefix("name=") {
            Some(name) => name == secret,
            None => keys.contains(&word.as_str()),
        };
        self.from.is_empty() || self.from.iter().any(is_meant)
    }
}

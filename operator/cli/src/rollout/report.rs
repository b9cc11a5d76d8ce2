//! What came of a run.

use serde::Serialize;

use crate::audit::ApiVersion;

/// What came of a run in all contexts.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version of this form.
    pub api_version: ApiVersion,
    /// `RolloutReport`.
    pub kind: Kind,
    /// All writes that were asked for were made, and each context was seen to the end.
    pub complete: bool,
    /// The servers stored nothing.
    pub dry_run: bool,
    /// A person interrupted it.
    pub interrupted: bool,
    /// The contexts by name.
    pub contexts: Vec<ContextReport>,
}

/// The kind of a report on a rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// The report.
    #[default]
    RolloutReport,
}

/// What came of a run in one context.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextReport {
    /// The context.
    pub context: String,
    /// The writes that were made, in their order.
    pub written: Vec<Written>,
    /// Namespaces that have the current copy, of all objects.
    pub served: i64,
    /// Namespaces that are selected, of all objects.
    pub selected: i64,
    /// What is left.
    pub left: Vec<Left>,
    /// What a person should know besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The work in this context has come to its end.
    #[serde(skip)]
    pub finished: bool,
}

/// A write that the server took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// The object as kubectl names it: `secret/NAME`.
    pub name: String,
    /// Its namespace, if it is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What the write did.
    pub done: Done,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Done {
    /// The object is new.
    Created,
    /// The object has changed.
    Configured,
    /// The object was so already.
    Unchanged,
    /// The object is gone.
    Deleted,
    /// The object did not exist.
    Absent,
    /// In a dry run: the server would take the write of an existing object.
    Accepted,
}

/// Something that is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    /// The object, as kubectl names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The namespace that is not served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The reason: one of the status of the object, or one of this tool.
    pub reason: String,
    /// The reason in a sentence.
    pub why: String,
    /// A write is missing, or the context is no longer seen.
    #[serde(skip)]
    pub incomplete: bool,
}

impl Left {
    /// A write that was not made, or something that was not seen.
    pub fn incomplete(object: Option<String>, reason: &str, why: impl Into<String>) -> Self {
        Self {
            object,
            namespace: None,
            reason: reason.to_owned(),
            why: why.into(),
            incomplete: true,
        }
    }

    /// Work of the operator that is not done.
    pub fn unready(
        object: String,
        namespace: Option<String>,
        reason: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self {
            object: Some(object),
            namespace,
            reason: reason.into(),
            why: why.into(),
            incomplete: false,
        }
    }
}

impl ContextReport {
    pub(super) fn wrote(&mut self, name: String, namespace: Option<&str>, done: Done) {
        self.written.push(Written {
            name,
            namespace: namespace.map(str::to_owned),
            done,
        });
    }
}

impl Report {
    /// Sorts by context, and notes whether all writes were made.
    pub fn finish(&mut self) {
        self.contexts.sort_by(|a, b| a.context.cmp(&b.context));
        let mut left = self.contexts.iter().flat_map(|context| &context.left);
        self.complete = !left.any(|left| left.incomplete);
    }

    /// Returns whether anything is left.
    pub fn has_findings(&self) -> bool {
        self.contexts.iter().any(|context| !context.left.is_empty())
    }
}

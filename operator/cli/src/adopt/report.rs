//! The plan as it is reported. Its JSON is part of the interface of the tool.
//!
//! Names of reasons and fields are stable. All lists are sorted by what they name. No field holds a value of a Secret.

use crd::ClusterPullSecret;
use serde::Serialize;

use super::role::State;
use super::tool::Tool;
use crate::audit::ApiVersion;

/// The result of `kubectl pullsecrets adopt`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdoptReport {
    /// The version of this form.
    pub api_version: ApiVersion,
    /// `AdoptPlan`.
    pub kind: &'static str,
    /// Everything that was asked for could be read, and each write succeeded.
    pub complete: bool,
    /// One for each context, by its name.
    pub contexts: Vec<ContextPlan>,
}

/// What was found in one context.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextPlan {
    /// The name of the context.
    pub context: String,
    /// Why the context could not be read, or why the adoption ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The groups, by the name of the Secret.
    pub groups: Vec<GroupReport>,
    /// The number of pull secrets that are alone under their name and have no mark.
    pub alone: usize,
    /// What a person should know besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What was written, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub written: Vec<String>,
    /// What could not be read, or not be decoded.
    pub unread: Vec<String>,
}

/// The Secrets of one name.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupReport {
    /// Their name.
    pub secret: String,
    /// The number of namespaces that have one.
    pub namespaces: usize,
    /// The number of different contents, by logins and servers.
    pub contents: usize,
    /// The tools that left them, each with what shows it.
    pub left_by: Vec<LeftBy>,
    /// The servers of the content that is adopted. Keys that are no servers are counted.
    pub servers: Vec<String>,
    /// What the plan says.
    pub verdict: Verdict,
    /// Why the group is not adopted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What a person must do first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<Step>,
    /// The Secrets that are adopted, in the order in which they are.
    pub copies: Vec<Copy>,
    /// The Secrets that are left alone.
    pub left_alone: Vec<Refused>,
    /// The accounts whose entry is recorded, as `NAMESPACE/NAME`.
    pub accounts: Vec<String>,
    /// The source that the object names, as `NAMESPACE/NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The command that copies the data of the source inside the cluster. Absent where the source exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_command: Option<String>,
    /// The object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ClusterPullSecret>,
    /// What to uninstall afterwards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Step>,
    /// What a person should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A tool with the number of Secrets that it left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftBy {
    /// The tool.
    pub tool: Tool,
    /// The number of Secrets.
    pub count: usize,
    /// What shows it on the first of them.
    pub evidence: String,
}

/// What the plan says about a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verdict {
    /// It can be adopted.
    #[default]
    Adopt,
    /// It was adopted, and no step is left.
    Adopted,
    /// A step of a person must come first.
    StepsFirst,
    /// Contents differ, so that each needs a source of its own.
    ContentsDiffer,
    /// Its logins last for hours, and only the tool renews them.
    ShortLived,
    /// An object or a source of that name is in the way.
    NameTaken,
    /// No Secret of it can be adopted.
    NothingToAdopt,
}

/// A step of a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Why.
    pub why: String,
    /// The command, if one does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// A Secret that is adopted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copy {
    /// Its namespace.
    pub namespace: String,
    /// The tool that left it.
    pub tool: Tool,
    /// How far its adoption is.
    pub state: State,
    /// Its content is not that of the group, and `--align` gives it that.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub aligned: bool,
}

/// A Secret that is left alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// Its namespace.
    pub namespace: String,
    /// The reason.
    pub reason: Reason,
    /// The reason in words.
    pub why: String,
}

/// Why a Secret is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Reason {
    /// Its content is not that of its group.
    Deviates,
    /// A platform or a deployer writes it again.
    WrittenAgain,
    /// It holds no login that the operator can use.
    NoLogin,
    /// The operator would not take it over, or not serve its namespace.
    NotAccepted,
    /// It, or its namespace, is being deleted or is excluded.
    Leaving,
    /// `-n` or `--exclude-namespace` leave it out.
    NotChosen,
}

impl ContextPlan {
    /// Makes the plan of a context that could not be read.
    pub fn unreachable(context: &str, why: String) -> Self {
        Self {
            context: context.to_owned(),
            error: Some(why),
            ..Self::default()
        }
    }

    /// Returns whether everything could be read and done.
    pub fn is_complete(&self) -> bool {
        self.error.is_none() && self.unread.is_empty()
    }
}

impl AdoptReport {
    /// Makes the report of these contexts.
    pub fn of(contexts: Vec<ContextPlan>) -> Self {
        Self {
            api_version: ApiVersion::default(),
            kind: "AdoptPlan",
            complete: contexts.iter().all(ContextPlan::is_complete),
            contexts,
        }
    }

    /// Returns whether anything is left to adopt, or was refused.
    pub fn has_findings(&self) -> bool {
        let is_open = |group: &GroupReport| {
            group.verdict != Verdict::Adopted || group.left_alone.iter().any(|left| left.reason == Reason::Deviates)
        };
        self.contexts.iter().any(|context| context.groups.iter().any(is_open))
    }
}

//! What a kubelet would do, step by step, for a Pod, a workload, an account or an image.
//!
//! An explanation ends with one command that fixes the problem, if there is one.

mod account;
mod image;
mod pod;
mod steps;
mod template;

use std::fmt;

use serde::Serialize;
use thiserror::Error;

use crate::fix::Fixes;
use crate::verdict::{Evidence, Judge};
use crate::world::{Namespace, Text, WorkloadId, World};

/// What is to be explained. All but images are in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A Pod that exists.
    Pod(Text),
    /// What creates Pods. The kind is compared in any case, and may be a plural: `deployments`.
    Workload(WorkloadId),
    /// A `ServiceAccount`.
    Account(Text),
    /// An image, in a Pod without a list of its own that this account runs.
    Image {
        /// As in a Pod.
        image: Text,
        /// The account.
        account: Text,
    },
}

/// An object that is not in the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what} was not found in namespace {namespace}")]
pub struct NotFound {
    /// Its kind and name.
    pub what: String,
    /// Where it was looked for.
    pub namespace: Text,
}

/// An explanation. It holds no value of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What is explained: `Pod payments/api-6c9f7, account default, node node-3`.
    pub subject: String,
    /// One for each image, or for each Secret of an account.
    pub parts: Vec<Explained>,
    /// What follows, in one or two sentences.
    pub outcome: String,
    /// One command that fixes the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// The steps for one image, or for one Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The image or Secret.
    pub name: Text,
    /// What uses it: `container api, IfNotPresent`.
    pub used_by: String,
    /// In the order in which a kubelet takes them.
    pub steps: Vec<Step>,
}

/// One step of a kubelet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// How it ends.
    pub mark: Mark,
    /// `references`, `secrets`, `keys`, `login`, `node` or `present`.
    pub step: &'static str,
    /// What it finds.
    pub text: String,
}

/// How a step ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Mark {
    /// Well.
    Good,
    /// The pull fails here.
    Bad,
    /// The step does not apply.
    Skipped,
    /// The API does not show it.
    Unknown,
}

/// Explains one target of a namespace.
///
/// `context` is the context that commands name, if they must.
pub fn explain(
    world: &World,
    evidence: &Evidence,
    context: Option<&str>,
    namespace: &str,
    target: &Target,
) -> Result<Explanation, NotFound> {
    let empty = Namespace::default();
    let teller = Teller {
        judge: Judge { world, evidence },
        fixes: Fixes { world, context },
        namespace,
        seen: world.namespaces.get(namespace).unwrap_or(&empty),
    };
    let explanation = match target {
        Target::Pod(name) => teller.pod(name),
        Target::Workload(id) => teller.workload(id),
        Target::Account(name) => teller.account(name),
        Target::Image { image, account } => teller.image(image, account),
    };
    explanation.ok_or_else(|| NotFound {
        what: target.to_string(),
        namespace: namespace.into(),
    })
}

/// Explains what is in one namespace.
struct Teller<'a> {
    judge: Judge<'a>,
    fixes: Fixes<'a>,
    namespace: &'a str,
    seen: &'a Namespace,
}

impl Mark {
    /// Returns its sign, in ASCII if asked.
    pub fn sign(self, ascii: bool) -> &'static str {
        match (self, ascii) {
            (Self::Good, false) => "√",
            (Self::Bad, false) => "×",
            (Self::Good, true) => "+",
            (Self::Bad, true) => "x",
            (Self::Skipped, _) => "-",
            (Self::Unknown, _) => "?",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(name) => write!(f, "Pod {name}"),
            Self::Workload(id) => id.fmt(f),
            Self::Account(name) | Self::Image { account: name, .. } => write!(f, "account {name}"),
        }
    }
}

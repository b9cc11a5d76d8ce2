//! The report of an audit over all contexts. Its JSON is part of the interface of the tool.
//!
//! Names of reasons, classes and fields are stable. A later version may add some. All lists are sorted by what they name,
//! never by arrival, so that two reports can be compared. No field holds a value of a Secret.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::verdict::{LoginOutcome, Near, Reason};
use crate::world::{Problem, PullPolicy, Role, Text, Unseen, WorkloadId};

/// The result of `kubectl pullsecrets audit`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version of this form.
    pub api_version: ApiVersion,
    /// `AuditReport`.
    pub kind: ReportKind,
    /// Everything that was asked for could be read. Without it, workloads may be missing.
    pub complete: bool,
    /// The servers that were asked for. Empty if none was.
    pub servers: Vec<String>,
    /// One for each context, by its name.
    pub contexts: Vec<ContextReport>,
    /// What is not ready, sorted by context, namespace, workload and reason.
    pub findings: Vec<Finding>,
    /// The order of steps that breaks no workload, if `--plan` asked for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<Step>,
}

/// What the audit says about one context besides the findings.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextReport {
    /// The name of the context.
    pub context: Text,
    /// Why the context could not be read at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Counts of workloads.
    pub summary: Summary,
    /// The registries in use, by their name, also where servers were asked for.
    pub registries: Vec<RegistryUse>,
    /// Where only the node can log in.
    pub not_seen: Vec<NotSeen>,
    /// References to Secrets that no image uses.
    pub unused_references: Vec<UnusedReference>,
    /// Secrets with logins to which no account, template or Pod refers. Absent if not all Secrets could be listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unused_secrets: Option<Vec<UnusedSecret>>,
    /// The outcome of each login that was tried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logins: Vec<LoginTrial>,
    /// What could not be read.
    pub unseen: Vec<Unseen>,
    /// Objects that could not be decoded.
    pub problems: Vec<Problem>,
}

/// Counts of the workloads that use one of the servers, or any registry if none was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// All of them.
    pub workloads: usize,
    /// Those that are ready, and have no Pod with a finding.
    pub ready: usize,
    /// The others by the reason of their worst finding. Each is counted once.
    pub by_reason: BTreeMap<Reason, usize>,
}

/// One registry in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryUse {
    /// Its host, with the port if image names have one.
    pub registry: Text,
    /// The number of distinct images without tag and digest.
    pub repositories: usize,
    /// The number of workloads that use one of them.
    pub workloads: usize,
    /// The workloads that could pull all of them, now and for their next Pod.
    pub ready: usize,
    /// The other workloads by the worst reason of an image of this registry, of the template or of a Pod.
    pub by_reason: BTreeMap<Reason, usize>,
}

/// A workload that is not ready, or whose Pods are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The context.
    pub context: Text,
    /// The namespace.
    pub namespace: Text,
    /// What creates the Pods, or a bare Pod itself.
    pub workload: WorkloadId,
    /// Its `ServiceAccount`.
    pub account: Text,
    /// When the pull fails.
    pub fails: Fails,
    /// The worst reason of its images.
    pub reason: Reason,
    /// The reason in words.
    pub why: String,
    /// One command, or one change, that fixes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The images that are not ready, in the order of the template.
    pub images: Vec<ImageFinding>,
    /// Its Pods.
    pub pods: PodCount,
}

/// An image that is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageFinding {
    /// The image as written.
    pub image: Text,
    /// The container or volume.
    pub user: Text,
    /// What uses it.
    pub role: Role,
    /// When it is pulled.
    pub policy: PullPolicy,
    /// Why it is not ready.
    pub reason: Reason,
    /// The reason in words.
    pub why: String,
    /// The Secret at fault, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Text>,
    /// The entry that nearly matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near: Option<Near>,
}

/// The number of Pods of a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodCount {
    /// Pods that have not ended.
    pub all: usize,
    /// Those that wait for an image that they cannot pull.
    pub waiting: usize,
    /// Those that fail on a restart of a container.
    pub on_restart: usize,
}

/// When a pull fails. A greater one is more urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Fails {
    /// For the next Pod on a node without the image, or the next run of a `CronJob`.
    NextPod,
    /// On the restart of a container of a Pod that exists.
    OnRestart,
    /// Now: a Pod waits for the image.
    Now,
}

/// What only the node can log in to, and the API does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum NotSeen {
    /// Logins of the node: its docker config and its credential plugins.
    NodeLogins,
    /// The sandbox image, which the container runtime pulls by itself.
    SandboxImage,
    /// Images that are on a node already.
    PreloadedImages,
    /// Mirrors that the container runtime asks instead.
    Mirrors,
    /// Static Pods, which can refer to no Secret. There are some.
    StaticPods,
}

/// A reference that no image uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnusedReference {
    /// The namespace.
    pub namespace: Text,
    /// What has the reference: `ServiceAccount/default`, `Deployment/api`.
    pub holder: WorkloadId,
    /// The Secret that it names.
    pub secret: Text,
    /// Why it is unused.
    pub why: UnusedWhy,
}

/// Why a reference is unused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum UnusedWhy {
    /// The Secret does not exist.
    SecretMissing,
    /// No key of the Secret matches an image of a Pod that has the reference.
    NoImage,
}

/// A Secret with logins to which no account, template or Pod refers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnusedSecret {
    /// The namespace.
    pub namespace: Text,
    /// The name.
    pub name: Text,
}

/// The trial of one login for one image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginTrial {
    /// The image as written.
    pub image: Text,
    /// What the registry answered.
    pub outcome: LoginOutcome,
}

/// One step of the plan that closes a registry without breaking a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What to do.
    pub step: StepKind,
    /// The step is done, as far as this report can say.
    pub done: bool,
    /// What it says to a person.
    pub text: String,
    /// The commands, in order. Empty if the step is no command.
    pub commands: Vec<String>,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum StepKind {
    /// Try the login for every image.
    TryLogin,
    /// Apply the object, and wait until it is Ready.
    ApplyObject,
    /// Fix what an object cannot: own lists of templates, unreadable Secrets.
    FixWorkloads,
    /// Restart the workloads whose Pods came too early, and no others.
    RestartPods,
    /// Repeat the audit until it finds nothing.
    AuditClean,
    /// Let the registry ask for a login.
    CloseRegistry,
    /// Drain one node as a proof.
    DrainOneNode,
}

/// The version of the form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum ApiVersion {
    /// The first.
    #[default]
    #[serde(rename = "cli.pullsecrets.dev/v1alpha1")]
    V1Alpha1,
}

/// The kind of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum ReportKind {
    /// An audit.
    #[default]
    AuditReport,
}

impl Report {
    /// Returns the exit code of the process: 0 without findings at or above `fail_on`, 1 with one, 2 if the answer is
    /// incomplete. A refused login counts as a finding on the next Pod.
    pub fn exit_code(&self, fail_on: Fails) -> u8 {
        let mut logins = self.contexts.iter().flat_map(|context| context.logins.iter());
        let refused = fail_on == Fails::NextPod && logins.any(|trial| trial.outcome == LoginOutcome::Refused);
        let found = refused || self.findings.iter().any(|finding| finding.fails >= fail_on);
        if self.complete { u8::from(found) } else { 2 }
    }
}

impl ContextReport {
    /// Returns whether all of it could be read.
    pub fn is_complete(&self) -> bool {
        self.error.is_none() && self.unseen.is_empty() && self.problems.is_empty()
    }
}

impl Finding {
    /// What findings are sorted by.
    pub(super) fn order(&self) -> (&Text, &Text, &WorkloadId, Reason) {
        (&self.context, &self.namespace, &self.workload, self.reason)
    }
}

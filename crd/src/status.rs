//! What the operator reports. Values are made here, so that each fits the bounds of the schema: a status that the API
//! server refuses would silence the object for good.

mod condition;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use condition::{Condition, ConditionStatus, ConditionType, Reason, remove_condition, set_condition};

/// The most failures that a status lists; the rest shows in the counts only.
pub const MAX_FAILURES: usize = 20;

/// The most registries that a status lists: as many as a spec of this schema declares.
pub const MAX_REGISTRIES: usize = 16;

/// The most servers that a status lists for one registry.
pub const MAX_SERVERS: usize = 32;

/// The length of every name and server in a status, in characters. An older schema may have let longer ones through.
pub const MAX_NAME: usize = 253;

/// The length of every message in a status, in characters. Longer ones are cut.
pub const MAX_MESSAGE: usize = 1024;

/// What the operator last saw and did for this object.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPullSecretStatus {
    /// The `metadata.generation` that this status speaks of; -1 before the first visit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The installation that acts for this object, as `namespace/name` of its Lease. The first one wins; another
    /// does not write for the object until the annotation `pullsecrets.dev/installation` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub installation: Option<String>,

    /// The name of the copy in every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub secret_name: Option<String>,

    /// `Ready` sums up `CredentialsReady`, `SecretsSynced` and `ServiceAccountsSynced`. `Reconciling` is present while
    /// work is outstanding, `Stalled` while a person must act.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,

    /// Counts of namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Counts>,

    /// Counts of service accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_accounts: Option<Counts>,

    /// Namespaces where something failed, the first 20 by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub failures: Vec<Failure>,

    /// One entry for each declared registry, in the order of `spec.registries`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub registries: Vec<RegistryStatus>,

    /// Registries whose credentials are resolved, of those declared, for example `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub registries_ready: Option<String>,

    /// The Secret in the operator's own namespace that remembers the last good logins of this object. Absent until the
    /// first login is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub state_secret_name: Option<String>,

    /// The value of the annotation `pullsecrets.dev/reconcile-requested-at` that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_handled_reconcile_at: Option<String>,
}

impl ClusterPullSecretStatus {
    /// The condition of this type.
    pub fn condition(&self, type_: ConditionType) -> Option<&Condition> {
        let name = type_.as_str();
        self.conditions.iter().find(|condition| condition.type_ == name)
    }

    /// The condition `Ready`.
    pub fn ready(&self) -> Option<&Condition> {
        self.condition(ConditionType::Ready)
    }
}

/// How many of the selected are done.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// How many are selected. One that is no longer selected counts too while its removal fails.
    #[schemars(range(min = 0))]
    pub selected: i64,

    /// How many of the selected are as declared.
    #[schemars(range(min = 0))]
    pub ready: i64,

    /// How many of the selected were refused or are in conflict, and how many removals fail.
    #[schemars(range(min = 0))]
    pub failed: i64,

    /// Ready of selected, for example `811/812`.
    #[schemars(length(max = 64))]
    pub summary: String,
}

impl Counts {
    /// Counts with the summary that goes with them. Negative numbers count as 0.
    pub fn new(selected: i64, ready: i64, failed: i64) -> Self {
        let (selected, ready, failed) = (selected.max(0), ready.max(0), failed.max(0));
        Self {
            selected,
            ready,
            failed,
            summary: format!("{ready}/{selected}"),
        }
    }
}

/// One namespace where something failed.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The namespace.
    #[schemars(length(max = 63))]
    pub namespace: String,

    /// Why, in one word.
    pub reason: FailureReason,

    /// Why, in a sentence. Never holds anything that came from a credential.
    #[schemars(length(max = 1024))]
    pub message: String,
}

impl Failure {
    /// A failure whose message fits the schema: it is cut to [`MAX_MESSAGE`] characters.
    pub fn new(namespace: impl Into<String>, reason: FailureReason, message: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            reason,
            message: cut(message.into()),
        }
    }
}

/// Why a namespace does not have what is declared for it, or still has what is not.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FailureReason {
    /// A Secret of that name exists and is not ours, or an older object decides it.
    SecretConflict,
    /// RBAC refused the write.
    Forbidden,
    /// A quota refused the write.
    QuotaExceeded,
    /// An admission policy or webhook refused the write.
    AdmissionDenied,
    /// RBAC by name does not list the name of the copy.
    NameNotPermitted,
    /// An object calls the Secret of that name a source, or the name is one of the operator's own: no copy is made there.
    SourceName,
    /// Another writer keeps undoing the write.
    Contended,
    /// Somebody made the account larger than the operator holds: it is let be.
    TooLarge,
    /// The copy is being deleted, and a finalizer that is not the operator's holds it.
    HeldByFinalizer,
    /// The API server failed or did not answer.
    ServerError,
}

impl FailureReason {
    /// The word that stands in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SecretConflict => "SecretConflict",
            Self::Forbidden => "Forbidden",
            Self::QuotaExceeded => "QuotaExceeded",
            Self::AdmissionDenied => "AdmissionDenied",
            Self::NameNotPermitted => "NameNotPermitted",
            Self::SourceName => "SourceName",
            Self::Contended => "Contended",
            Self::TooLarge => "TooLarge",
            Self::HeldByFinalizer => "HeldByFinalizer",
            Self::ServerError => "ServerError",
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The credentials of one declared registry.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryStatus {
    /// The server as declared; absent for a docker config that is taken whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub server: Option<String>,

    /// The servers that a docker config taken whole gives, sorted, at most 32. A key of that config that is not a plain
    /// `host[:port][/path]` shows only as its place, as in `entry 3: not a server name`, because it may hold a password.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::server_names")]
    pub servers: Vec<String>,

    /// Whether its credentials are resolved.
    pub state: RegistryState,

    /// Why, in one word.
    #[schemars(length(min = 1, max = 128))]
    pub reason: String,

    /// Why, in a sentence. Never holds anything that came from a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

impl RegistryStatus {
    /// A registry's status that fits the schema: the message is cut to [`MAX_MESSAGE`] characters, the server to
    /// [`MAX_NAME`].
    pub fn new(server: Option<String>, state: RegistryState, reason: Reason, message: Option<String>) -> Self {
        Self {
            server: server.map(|server| cut_to(MAX_NAME, server)),
            servers: Vec::new(),
            state,
            reason: reason.as_str().to_owned(),
            message: message.map(cut),
        }
    }

    /// The same with these servers: sorted, and as many as fit the schema.
    #[must_use]
    pub fn with_servers(mut self, mut servers: Vec<String>) -> Self {
        servers.sort();
        servers.dedup();
        servers.truncate(MAX_SERVERS);
        self.servers = servers.into_iter().map(|server| cut_to(MAX_NAME, server)).collect();
        self
    }
}

/// Whether the credentials of a registry are resolved.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RegistryState {
    /// The declared credentials are in use.
    Ready,
    /// They could not be resolved; the last good entry, if any, stays in use.
    NotReady,
}

/// Cuts to [`MAX_MESSAGE`] characters, which is how the API server counts, and marks the cut with an ellipsis.
fn cut(message: String) -> String {
    cut_to(MAX_MESSAGE, message)
}

/// As [`MAX_MESSAGE`], for text that may have at most `max` characters.
pub fn cut_to(max: usize, mut text: String) -> String {
    if text.chars().nth(max).is_some() {
        let end = text.char_indices().nth(max - 1).map_or(text.len(), |(at, _)| at);
        text.truncate(end);
        text.push('…');
    }
    text
}

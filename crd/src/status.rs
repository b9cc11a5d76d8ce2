//! Observed state: what the operator reports. The constructors cut every value to the bounds of the schema. If the API
//! server refused a status, the object would never get another one.

mod condition;
mod pods;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use condition::{Condition, ConditionStatus, ConditionType, Reason, remove_condition, set_condition};
pub use pods::PodCounts;

/// The most failures that a status lists. The counts include the rest.
pub const MAX_FAILURES: usize = 20;

/// The most registries that a status lists: as many as the schema allows in a spec.
pub const MAX_REGISTRIES: usize = 16;

/// The most servers that a status lists for one registry.
pub const MAX_SERVERS: usize = 32;

/// The most characters of a name or server in a status. An older schema may have accepted longer ones.
pub const MAX_NAME: usize = 253;

/// The most characters of a message in a status. Longer ones are cut.
pub const MAX_MESSAGE: usize = 1024;

/// Observed state: what the operator last saw and did for this object.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPullSecretStatus {
    /// The `metadata.generation` that this status describes. If it is lower than that of the object, the operator has
    /// not acted on the last change yet. It is -1 before the operator first acts on the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The installation of the operator that acts for this object, as `namespace/name` of its Lease. The first one that
    /// sees the object records itself here. Another installation acts only after the annotation
    /// `pullsecrets.dev/installation` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub installation: Option<String>,

    /// The name of the copy in every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub secret_name: Option<String>,

    /// The state of the object, by type. `Ready` sums up the next three. `CredentialsReady`: the source of each
    /// registry gives a login. `SecretsSynced`: each selected namespace has the copy. `ServiceAccountsSynced`: each
    /// selected account has the reference. `Reconciling` is present while work is outstanding, `Stalled` while a person
    /// must act.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,

    /// How many namespaces are selected, and how many of them have the copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Counts>,

    /// How many service accounts are selected, and how many of them have the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_accounts: Option<Counts>,

    /// Pods that wait for an image because they came before the reference. Absent unless the operator replaces such
    /// Pods (`--recover-pods`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodCounts>,

    /// Namespaces that lack the copy or a reference, or still have one that must go. At most 20, in the order of their
    /// names. `namespaces.failed` and `serviceAccounts.failed` count all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub failures: Vec<Failure>,

    /// Whether each registry has a login: one entry for each of `spec.registries`, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub registries: Vec<RegistryStatus>,

    /// Registries whose source gives a login, of those in `spec.registries`, for example `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub registries_ready: Option<String>,

    /// The Secret in the operator's own namespace that stores the last good logins of this object. Absent until the
    /// operator stores the first login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub state_secret_name: Option<String>,

    /// The last value of the annotation `pullsecrets.dev/reconcile-requested-at` that the operator acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_handled_reconcile_at: Option<String>,
}

impl ClusterPullSecretStatus {
    /// Returns the condition of this type.
    pub fn condition(&self, type_: ConditionType) -> Option<&Condition> {
        let name = type_.as_str();
        self.conditions.iter().find(|condition| condition.type_ == name)
    }

    /// Returns the condition `Ready`.
    pub fn ready(&self) -> Option<&Condition> {
        self.condition(ConditionType::Ready)
    }
}

/// Counts of selected, ready and failed namespaces or accounts.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// How many are selected. A namespace or account that is no longer selected still counts while its removal fails.
    #[schemars(range(min = 0))]
    pub selected: i64,

    /// How many of the selected have the current copy or, for accounts, the reference.
    #[schemars(range(min = 0))]
    pub ready: i64,

    /// How many of the selected lack it for a known reason, plus the removals that fail. `failures` names the reasons.
    #[schemars(range(min = 0))]
    pub failed: i64,

    /// `ready` of `selected`, for example `811/812`.
    #[schemars(length(max = 64))]
    pub summary: String,
}

impl Counts {
    /// Creates counts with their summary. Negative numbers count as 0.
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

/// A namespace with a failure.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The name of the namespace.
    #[schemars(length(max = 63))]
    pub namespace: String,

    /// The cause, in one word. `crd/README.md` says what to do about each.
    pub reason: FailureReason,

    /// The cause, in a sentence, with the fix. It never contains any part of a credential.
    #[schemars(length(max = 1024))]
    pub message: String,
}

impl Failure {
    /// Creates a failure, and cuts its message to [`MAX_MESSAGE`] characters.
    pub fn new(namespace: impl Into<String>, reason: FailureReason, message: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            reason,
            message: cut(message.into()),
        }
    }
}

/// Why a namespace lacks what is declared for it, or still has what should be gone.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FailureReason {
    /// The operator does not manage the Secret of that name, or an older object decides it.
    SecretConflict,
    /// RBAC refused the write.
    Forbidden,
    /// A quota refused the write.
    QuotaExceeded,
    /// An admission policy or webhook refused the write.
    AdmissionDenied,
    /// The RBAC rule of `config/named` does not list the name of the copy.
    NameNotPermitted,
    /// An object names the Secret of that name as a source, or the name is reserved for the operator. The operator
    /// makes no copy there.
    SourceName,
    /// Another writer keeps undoing the write.
    Contended,
    /// The `imagePullSecrets` of the account are too large for the operator, which leaves them as they are. Or others filled
    /// the Secret or the account up to a limit of Kubernetes, so that the write does not fit.
    TooLarge,
    /// The copy is being deleted, and a finalizer of another party holds it.
    HeldByFinalizer,
    /// The admission policies on the operator are no longer in force. The operator removes, but adds and rotates no
    /// login.
    NotRestrained,
    /// The API server failed or did not answer.
    ServerError,
}

impl FailureReason {
    /// Returns the word in the status.
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
            Self::NotRestrained => "NotRestrained",
            Self::ServerError => "ServerError",
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Credentials of one declared registry.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryStatus {
    /// The server as declared. Absent for a docker config taken whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub server: Option<String>,

    /// The servers in a docker config taken whole, sorted, at most 32. A key that is not a plain `host[:port][/path]`
    /// may contain a password. So it appears only by its position, as in `entry 3: not a server name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::server_names")]
    pub servers: Vec<String>,

    /// `Ready`: the source gives a login, and copies have it. `NotReady`: it does not, and copies keep the last good
    /// login, if there was one.
    pub state: RegistryState,

    /// The cause, in one word: `Resolved`, `Superseded`, `SourceNotFound`, `SourceInvalid`,
    /// `SourceNamespaceNotAllowed`, or `InvalidSpec`.
    #[schemars(length(min = 1, max = 128))]
    pub reason: String,

    /// The cause, in a sentence, or a warning. It never contains any part of a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

impl RegistryStatus {
    /// Creates a registry's status. It cuts the message to [`MAX_MESSAGE`] characters, and the server to [`MAX_NAME`].
    pub fn new(server: Option<String>, state: RegistryState, reason: Reason, message: Option<String>) -> Self {
        Self {
            server: server.map(|server| cut_to(MAX_NAME, server)),
            servers: Vec::new(),
            state,
            reason: reason.as_str().to_owned(),
            message: message.map(cut),
        }
    }

    /// Returns this status with the servers: sorted, distinct, and as many as the schema allows.
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
    /// The operator could not resolve them. The last good entry, if any, stays in use.
    NotReady,
}

/// Cuts to [`MAX_MESSAGE`] characters, the unit of the API server, and marks the cut with an ellipsis.
fn cut(message: String) -> String {
    cut_to(MAX_MESSAGE, message)
}

/// Cuts to `max` characters, as [`MAX_MESSAGE`] describes for messages.
pub fn cut_to(max: usize, mut text: String) -> String {
    if text.chars().nth(max).is_some() {
        let end = text.char_indices().nth(max - 1).map_or(text.len(), |(at, _)| at);
        text.truncate(end);
        text.push('…');
    }
    text
}

//! Conditions and their one setter.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

// The fields are those of `meta/v1`. That type has no bounds in its schema, so this crate defines its own.
/// One aspect of the state of an object.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The name of the condition, for example `Ready`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub type_: String,

    /// Whether the condition holds. `Unknown`: the operator has not observed it yet.
    pub status: ConditionStatus,

    /// The cause, in one word. `crd/README.md` says what to do about each.
    #[schemars(
        length(min = 1, max = 1024),
        regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    )]
    pub reason: String,

    /// The cause, in a sentence, with the fix. It never contains any part of a credential.
    #[schemars(length(max = 1024))]
    pub message: String,

    /// When `status` last changed.
    #[schemars(length(max = 64))]
    pub last_transition_time: Time,

    /// The `metadata.generation` that this condition describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
}

impl Condition {
    /// Returns whether the reason reports outstanding work rather than a failure.
    pub fn is_progress(&self) -> bool {
        self.reason == Reason::Progressing.as_str()
    }
}

/// Whether a condition holds.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// The operator could not observe it.
    Unknown,
}

impl ConditionStatus {
    /// Returns the word in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl fmt::Display for ConditionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Every condition that the operator sets, in their order in the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// All selected namespaces and accounts are as declared.
    Ready,
    /// The credentials of every registry are resolved.
    CredentialsReady,
    /// Every selected namespace has the current copy.
    SecretsSynced,
    /// Every selected account refers to the copy.
    ServiceAccountsSynced,
    /// Work is outstanding. It is present only then, and never together with `Stalled`.
    Reconciling,
    /// A person must act. It is present only then.
    Stalled,
}

impl ConditionType {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [
        Self::Ready,
        Self::CredentialsReady,
        Self::SecretsSynced,
        Self::ServiceAccountsSynced,
        Self::Reconciling,
        Self::Stalled,
    ];

    /// Returns the word in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::CredentialsReady => "CredentialsReady",
            Self::SecretsSynced => "SecretsSynced",
            Self::ServiceAccountsSynced => "ServiceAccountsSynced",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == word)
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Every reason of a condition, and of a registry's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Everything is as declared.
    Synced,
    /// No namespace is selected. This is not an error.
    NoNamespaceSelected,
    /// A registry has no resolved credentials.
    CredentialsNotReady,
    /// Some namespaces do not have the copy.
    NamespacesFailed,
    /// Some accounts do not refer to the copy.
    ServiceAccountsFailed,
    /// Work is outstanding.
    Progressing,
    /// The credentials are resolved.
    Resolved,
    /// Another registry of the object declares the same server, and the operator uses that one.
    Superseded,
    /// The source Secret does not exist.
    SourceNotFound,
    /// The source Secret is unusable: wrong type, missing key, unparsable, or one of the operator's own.
    SourceInvalid,
    /// The operator may not read sources in the namespace of the source.
    SourceNamespaceNotAllowed,
    /// The operator cannot write the Secret with the last good logins, and hands out no new login before it can.
    StateNotWritten,
    /// The object asks for no change of accounts (`mode: None`).
    NotRequested,
    /// Another writer keeps undoing the operator's writes.
    Contended,
    /// This version cannot read the spec. The operator adds and removes no copy and no reference.
    InvalidSpec,
}

impl Reason {
    /// Returns the word in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "Synced",
            Self::NoNamespaceSelected => "NoNamespaceSelected",
            Self::CredentialsNotReady => "CredentialsNotReady",
            Self::NamespacesFailed => "NamespacesFailed",
            Self::ServiceAccountsFailed => "ServiceAccountsFailed",
            Self::Progressing => "Progressing",
            Self::Resolved => "Resolved",
            Self::Superseded => "Superseded",
            Self::SourceNotFound => "SourceNotFound",
            Self::SourceInvalid => "SourceInvalid",
            Self::SourceNamespaceNotAllowed => "SourceNamespaceNotAllowed",
            Self::StateNotWritten => "StateNotWritten",
            Self::NotRequested => "NotRequested",
            Self::Contended => "Contended",
            Self::InvalidSpec => "InvalidSpec",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Sets one condition. All code that writes conditions calls this function.
///
/// - `lastTransitionTime` becomes `now`, in whole seconds, only when `status` changes.
/// - The list keeps the order of [`ConditionType`]. Conditions of other writers stay behind the operator's, in their
///   own order.
/// - The message is cut to [`MAX_MESSAGE`](super::MAX_MESSAGE) characters, on a character boundary.
///
/// Setting the same values again changes no field, even with a later `now`.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    type_: ConditionType,
    status: ConditionStatus,
    reason: Reason,
    message: impl Into<String>,
    generation: i64,
    now: Time,
) {
    let since = conditions
        .iter()
        .find(|known| known.type_ == type_.as_str() && known.status == status)
        .map_or_else(|| whole_seconds(now), |known| known.last_transition_time.clone());
    remove_condition(conditions, type_);
    conditions.push(Condition {
        type_: type_.as_str().to_owned(),
        status,
        reason: reason.as_str().to_owned(),
        message: super::cut(message.into()),
        last_transition_time: since,
        observed_generation: Some(generation),
    });
    // The sort is stable, so conditions of other writers keep their order.
    conditions.sort_by_key(|known| ConditionType::parse(&known.type_).map_or(ConditionType::ALL.len(), |t| t as usize));
}

/// Removes a condition if it is present.
pub fn remove_condition(conditions: &mut Vec<Condition>, type_: ConditionType) {
    conditions.retain(|known| known.type_ != type_.as_str());
}

/// Truncates to whole seconds, as the wire format does. A finer time would differ from itself after one round trip.
fn whole_seconds(Time(now): Time) -> Time {
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}

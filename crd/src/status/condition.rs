//! Conditions and the one way to set them.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

// The fields are those of `meta/v1`; the type is our own because that one has no bounds in its schema.
/// One aspect of the state of the object.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The aspect, for example `Ready`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub type_: String,

    /// Whether it holds: `True`, `False` or `Unknown`.
    pub status: ConditionStatus,

    /// Why, in one word.
    #[schemars(
        length(min = 1, max = 1024),
        regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    )]
    pub reason: String,

    /// Why, in a sentence. Never holds anything that came from a credential.
    #[schemars(length(max = 1024))]
    pub message: String,

    /// When the status last changed from one value to another.
    #[schemars(length(max = 64))]
    pub last_transition_time: Time,

    /// The `metadata.generation` that this condition speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
}

impl Condition {
    /// Whether its reason says that nothing is wrong yet.
    pub fn is_progress(&self) -> bool {
        self.reason == Reason::Progressing.as_str()
    }
}

/// Whether a condition holds.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It could not be seen.
    Unknown,
}

impl ConditionStatus {
    /// The word that stands in the status.
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

/// Every condition that the operator sets, in the order in which they stand in the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// Everything declared holds in every selected namespace.
    Ready,
    /// The credentials of every registry are resolved.
    CredentialsReady,
    /// Every selected namespace has the current copy.
    SecretsSynced,
    /// Every selected account refers to the copy.
    ServiceAccountsSynced,
    /// Work is outstanding. Present only then; never together with `Stalled`.
    Reconciling,
    /// A person must act. Present only then.
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

    /// The word that stands in the status.
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
    /// All is as declared.
    Synced,
    /// No namespace is selected; nothing is wrong.
    NoNamespaceSelected,
    /// The credentials of a registry are not resolved.
    CredentialsNotReady,
    /// Some namespaces do not have the copy.
    NamespacesFailed,
    /// Some accounts do not refer to the copy.
    ServiceAccountsFailed,
    /// Work is going on.
    Progressing,
    /// Credentials are resolved.
    Resolved,
    /// Another registry of the object declares the same server and is used instead.
    Superseded,
    /// The source Secret does not exist.
    SourceNotFound,
    /// The source Secret cannot be used: wrong type, missing key, unparsable, or one of our own.
    SourceInvalid,
    /// The source is in a namespace that the operator may not read sources from.
    SourceNamespaceNotAllowed,
    /// The Secret that remembers the last good logins cannot be written: no new login is handed out before it is.
    StateNotWritten,
    /// Accounts are not to be touched (`mode: None`).
    NotRequested,
    /// Another writer keeps undoing our writes.
    Contended,
    /// The spec cannot be understood by this version; nothing is added, nothing removed.
    InvalidSpec,
}

impl Reason {
    /// The word that stands in the status.
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

/// Sets one condition: the only way in which conditions are written.
///
/// - `lastTransitionTime` becomes `now`, less fractions of a second, only when `status` differs from what was there.
/// - The list keeps the order of [`ConditionType`]; conditions of other writers stay, behind ours, in their own order.
/// - The message is cut to [`MAX_MESSAGE`](super::MAX_MESSAGE) characters, on a character boundary.
///
/// Setting the same values again changes nothing, whatever `now` is.
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
    // The sort is stable, so what is not ours keeps its order.
    conditions.sort_by_key(|known| ConditionType::parse(&known.type_).map_or(ConditionType::ALL.len(), |t| t as usize));
}

/// Takes a condition out; nothing happens if it is not there.
pub fn remove_condition(conditions: &mut Vec<Condition>, type_: ConditionType) {
    conditions.retain(|known| known.type_ != type_.as_str());
}

/// The wire format has whole seconds: a finer time in memory would differ from itself after one round trip.
fn whole_seconds(Time(now): Time) -> Time {
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}

//! Violations: what a status claimed, when it was written, and the deviation at that time.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::DynamicObject;

/// The field manager of the status.
const MANAGER: &str = "pullsecrets";

/// A deviation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::witness) enum Thing {
    /// A copy with the current logins is missing.
    Copy,
    /// The entry of this account is missing.
    Reference(String),
    /// A copy exists that no object declares.
    Leftover,
}

/// A status with `Ready=True` during a deviation that had lasted too long.
#[derive(Debug, Clone)]
pub(in crate::witness) struct Violation {
    pub(in crate::witness) object: String,
    pub(in crate::witness) secret: String,
    pub(in crate::witness) namespace: String,
    pub(in crate::witness) thing: Thing,
    /// When the status was written.
    pub(in crate::witness) written: Timestamp,
    pub(super) since: Timestamp,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            object,
            namespace,
            thing,
            written,
            since,
            ..
        } = self;
        let what = match thing {
            Thing::Copy => "lacked a copy with the logins of now".to_owned(),
            Thing::Reference(account) => format!("lacked the reference on {account}"),
            Thing::Leftover => "kept a login that no object declares".to_owned(),
        };
        write!(
            formatter,
            "{object} said Ready=True at {written}, and {namespace} had {what} since {since}"
        )
    }
}

impl Violation {
    /// Returns whether the copy was made after the status.
    pub(in crate::witness) fn is_before(&self, copy: &Secret) -> bool {
        let created = copy.metadata.creation_timestamp.as_ref();
        created.is_some_and(|created| created.0 > self.written)
    }
}

pub(super) fn says_ready(object: &DynamicObject) -> bool {
    let status = &object.data["status"];
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let ready = conditions
        .into_iter()
        .any(|one| one["type"] == "Ready" && one["status"] == "True");
    ready && status["observedGeneration"].as_i64() == object.metadata.generation
}

/// Returns when the status was last written, by the server's record. It has whole seconds, and so is never too late.
pub(super) fn written(object: &DynamicObject) -> Option<Timestamp> {
    let entries = object.managed_fields().iter();
    let of_status = entries
        .filter(|entry| entry.subresource.as_deref() == Some("status") && entry.manager.as_deref() == Some(MANAGER));
    of_status
        .filter_map(|entry| entry.time.as_ref().map(|time| time.0))
        .max()
}

//! Which installation acts for an object, as far as this process knows.

use std::sync::Arc;

use crd::names::ANNOTATION_INSTALLATION;
use kube::ResourceExt as _;
use plan::installation::{self, Assignment, assignment};
use serde_json::Value;

use crate::api::lease::LEASE;
use crate::api::partial::RawClusterPullSecret;

/// The installation that acts for an object.
pub(super) struct Installation {
    /// This installation, as `namespace/name`.
    own: Arc<str>,
    /// The installation that the status recorded last. It stays when another writer clears the status.
    recorded: Option<String>,
    /// This installation was recorded after another one, and this process saw both.
    taken_over: bool,
    /// The definition is an older one, which drops the record from the status.
    pub(super) unrecorded: bool,
    /// The object was read. A watch that is older than the definition does not show the record.
    was_read: bool,
    /// The other installation that was reported last.
    reported: Option<String>,
}

impl Installation {
    /// Reads the record in the status of `seen`.
    pub(super) fn new(seen: &RawClusterPullSecret, operator_namespace: &str) -> Self {
        let mut new = Self {
            own: format!("{operator_namespace}/{LEASE}").into(),
            recorded: None,
            taken_over: false,
            unrecorded: false,
            was_read: false,
            reported: None,
        };
        new.see(seen);
        new
    }

    /// Reads the record again. `seen` must still have its status.
    pub(super) fn see(&mut self, seen: &RawClusterPullSecret) {
        let recorded = seen.status.get("installation").and_then(Value::as_str);
        if let Some(recorded) = recorded.filter(|recorded| installation::is_valid(recorded)) {
            self.record(recorded.to_owned());
            self.unrecorded = false;
        }
    }

    fn record(&mut self, installation: String) {
        let is_own = installation == *self.own;
        self.taken_over = is_own && (self.taken_over || self.predecessor().is_some());
        self.recorded = Some(installation);
    }

    /// Returns whether this process took the object over from another installation. That one wrote until then, by what
    /// its own watches showed, and a watch of this process that has gone silent does not show it.
    pub(super) fn is_taken_over(&self) -> bool {
        self.taken_over
    }

    /// Returns this installation.
    pub(super) fn own(&self) -> &Arc<str> {
        &self.own
    }

    /// Returns the installation that acts for the object.
    pub(super) fn assignment<'a>(&'a self, seen: &'a RawClusterPullSecret) -> Assignment<'a> {
        assignment(&self.own, self.recorded.as_deref(), handed_to(seen))
    }

    /// Returns the namespace of sources that name none.
    pub(super) fn source_namespace<'a>(&'a self, seen: &'a RawClusterPullSecret) -> &'a str {
        let acting = match self.assignment(seen) {
            Assignment::Others(other) => other,
            Assignment::Ours | Assignment::Claimable => &self.own,
        };
        installation::namespace(acting)
    }

    /// Returns another installation, if it acted for the object before.
    pub(super) fn predecessor(&self) -> Option<&str> {
        self.recorded.as_deref().filter(|recorded| *recorded != &*self.own)
    }

    /// Returns whether the object was read.
    pub(super) fn was_read(&self) -> bool {
        self.was_read
    }

    /// The object was read.
    pub(super) fn read(&mut self) {
        self.was_read = true;
    }

    /// This installation was recorded. `shows` says whether the status has the record.
    pub(super) fn claimed(&mut self, shows: bool) {
        self.record(self.own.to_string());
        self.unrecorded = !shows;
    }

    /// Returns whether the annotation names no installation that the object can be handed over to.
    pub(super) fn is_misnamed(&self, seen: &RawClusterPullSecret) -> bool {
        handed_to(seen).is_some_and(|named| !installation::can_be_handed_to(named, &self.own))
    }

    /// Returns the other installation that acts for the object, once for each, and whether this one acted before.
    pub(super) fn newly_elsewhere(&mut self, seen: &RawClusterPullSecret) -> Option<(String, bool)> {
        let other = match self.assignment(seen) {
            Assignment::Others(other) => Some(other.to_owned()),
            Assignment::Ours | Assignment::Claimable => None,
        };
        let reported = std::mem::replace(&mut self.reported, other.clone());
        let handed_over = self.recorded.as_deref() == Some(&*self.own);
        other
            .filter(|other| reported.as_ref() != Some(other))
            .map(|other| (other, handed_over))
    }
}

/// Returns the installation that a person hands the object over to.
fn handed_to(seen: &RawClusterPullSecret) -> Option<&str> {
    seen.annotations().get(ANNOTATION_INSTALLATION).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(recorded: &str) -> RawClusterPullSecret {
        serde_json::from_value(
            json!({"apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret",
            "metadata": {"name": "company"}, "spec": {}, "status": {"installation": recorded}}),
        )
        .unwrap()
    }

    #[test]
    fn a_takeover_is_what_this_process_saw() {
        let mut installation = Installation::new(&seen("a/pullsecrets"), "a");
        assert!(!installation.is_taken_over(), "it acted before this process began");
        installation.see(&seen("b/pullsecrets"));
        assert!(!installation.is_taken_over());
        installation.see(&seen("a/pullsecrets"));
        assert!(installation.is_taken_over());
        installation.see(&seen("b/pullsecrets"));
        installation.claimed(false);
        assert!(installation.is_taken_over());
    }
}

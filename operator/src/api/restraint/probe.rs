//! The dry runs that the policies must refuse.

/// A write that a policy must refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// A Secret that holds no pull secret.
    Secret,
    /// An annotation on the `ServiceAccount` `default`.
    ServiceAccount,
    /// A Lease that is not the operator's.
    Lease,
    /// The `spec` of a `ClusterPullSecret`.
    Object,
    /// The deletion of the operator's own Pod, which runs.
    Pod,
}

impl Probe {
    /// The end of the name of the policy that must refuse it.
    pub(super) fn policy(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::ServiceAccount => "serviceaccounts",
            Self::Lease => "leases",
            Self::Object => "objects",
            Self::Pod => "pods",
        }
    }

    /// Whether the operator has the right to write such objects in every namespace, and can try that without an existing
    /// Pod.
    pub(super) fn is_everywhere(self) -> bool {
        matches!(self, Self::Secret | Self::ServiceAccount)
    }

    /// What the dry run does, in another namespace or in the operator's own.
    pub(super) fn describe(self, elsewhere: Option<&str>) -> String {
        let what = match self {
            Self::Secret => "a dry run that creates an Opaque Secret",
            Self::ServiceAccount => "a dry run that annotates ServiceAccount default",
            Self::Lease => "a dry run that creates a foreign Lease",
            Self::Object => "a dry run that changes the spec of a ClusterPullSecret",
            Self::Pod => "a dry run that deletes the operator's own Pod",
        };
        elsewhere.map_or_else(
            || what.to_owned(),
            |namespace| format!("{what} in namespace {namespace}"),
        )
    }
}

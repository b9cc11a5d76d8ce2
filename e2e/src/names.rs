//! Names of the installation.

/// The operator's namespace, and by default the only one with sources.
pub const SYSTEM_NAMESPACE: &str = "pullsecrets-system";

/// The `ServiceAccount` of the operator.
pub const OPERATOR_ACCOUNT: &str = "pullsecrets";

/// The user name of [`OPERATOR_ACCOUNT`] in the API server's audit log.
pub const OPERATOR_USER: &str = "system:serviceaccount:pullsecrets-system:pullsecrets";

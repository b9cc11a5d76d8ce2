//! What is installed under which name.

/// The namespace that the operator lives in, and the only one that it reads sources from by default.
pub const SYSTEM_NAMESPACE: &str = "pullsecrets-system";

/// The `ServiceAccount` of the operator.
pub const OPERATOR_ACCOUNT: &str = "pullsecrets";

/// The user name of [`OPERATOR_ACCOUNT`] in the API server's audit log.
pub const OPERATOR_USER: &str = "system:serviceaccount:pullsecrets-system:pullsecrets";

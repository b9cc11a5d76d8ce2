//! Pods that came before the reference on their account.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pods that came before the reference on their account. Only an operator with `--recover-pods` reports them.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodCounts {
    /// Pods of phase `Pending` that wait for an image of this object and lack its reference, masked ones included.
    /// Events in their namespaces say which of them a person must recreate.
    #[schemars(range(min = 0))]
    pub waiting: i64,

    /// Pods that the operator has replaced for this object so far.
    #[schemars(range(min = 0))]
    pub recovered: i64,

    /// Waiting Pods whose list `imagePullSecrets` is their own, or that of their controller's template. The operator
    /// never replaces them, because their successors would lack the reference too.
    #[schemars(range(min = 0))]
    pub masked: i64,
}

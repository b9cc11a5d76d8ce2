//! A `ServiceAccount`.

use std::sync::Arc;

use super::text::Text;
use plan::labels::Labels;

/// A `ServiceAccount`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// All labels.
    pub labels: Labels,
    /// The names in `imagePullSecrets`, in its order. A name may be empty or occur twice.
    pub secrets: Arc<[Text]>,
    /// The names that the operator added, by the annotation `pullsecrets.dev/attached`.
    pub attached: Arc<[Text]>,
}

//! A `ServiceAccount`.

use plan::labels::Labels;

use super::text::Text;

/// A `ServiceAccount`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// All labels.
    pub labels: Labels,
    /// The names in `imagePullSecrets`, in its order. A name may be empty or occur twice.
    pub secrets: Box<[Text]>,
    /// The names that the operator added, by the annotation `pullsecrets.dev/attached`.
    pub attached: Box<[Text]>,
}

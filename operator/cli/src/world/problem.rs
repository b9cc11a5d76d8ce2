//! What makes a snapshot incomplete.

use std::fmt;

use serde::Serialize;

use super::kind::Kind;
use super::text::Text;

/// Objects that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unseen {
    /// Their kind.
    pub kind: Kind,
    /// Their namespace, or all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Text>,
    /// The one object, or all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// Why, in words that hold no value of a Secret: `you may not list them`.
    pub why: String,
}

/// An object that was read and could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Its kind, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Its namespace, if that could be decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Text>,
    /// Its name, if that could be decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// Why, without any of its bytes.
    pub why: String,
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, Some(self.kind), self.namespace.as_deref(), self.name.as_deref())?;
        write!(f, ": {}", self.why)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, self.kind, self.namespace.as_deref(), self.name.as_deref())?;
        write!(f, ": {}", self.why)
    }
}

fn place(f: &mut fmt::Formatter<'_>, kind: Option<Kind>, namespace: Option<&str>, name: Option<&str>) -> fmt::Result {
    match (kind, name) {
        (Some(kind), Some(name)) => write!(
            f,
            "{kind} {}{name}",
            namespace.map(|of| format!("{of}/")).unwrap_or_default()
        ),
        (Some(kind), None) => {
            f.write_str(kind.plural())?;
            namespace.map_or(Ok(()), |namespace| write!(f, " in {namespace}"))
        }
        (None, _) => f.write_str("an object"),
    }
}

//! Source Secrets: which may be used, and how messages name them.

use std::collections::BTreeMap;
use std::fmt;

use crd::names::{LABEL_OBJECT, STATE_TYPE};
use crd::{Reason, SecretReference};

use super::problem::Problem;
use crate::labels::Labels;

/// A source Secret as read.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// Its `type`.
    pub type_: String,
    /// Its labels. A Secret with our label is a copy and never a source.
    pub labels: Labels,
    /// Its data, decoded from base64.
    pub data: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("type_", &self.type_)
            .field("data", &format_args!("{} keys, redacted", self.data.len()))
            .finish_non_exhaustive()
    }
}

/// The result of a look-up of a source Secret.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'a> {
    /// The operator read it.
    Found(&'a Source),
    /// No Secret has that name.
    Missing,
    /// The operator does not read Secrets of that namespace.
    NotAllowed,
    /// The Secrets of that namespace are not listed yet.
    Unread,
}

/// Returns what a Secret of this type holds if that must not leave its namespace. Other types may be sources.
pub fn confined(type_: &str) -> Option<&'static str> {
    match type_ {
        "kubernetes.io/service-account-token" => Some("tokens of service accounts"),
        "bootstrap.kubernetes.io/token" => Some("bootstrap tokens"),
        "kubernetes.io/tls" => Some("TLS keys"),
        "kubernetes.io/ssh-auth" => Some("SSH keys"),
        type_ if type_.starts_with("helm.sh/") => Some("Helm releases"),
        _ => None,
    }
}

const MANAGED: &str = "it is managed by pullsecrets and cannot be a source";

/// Returns the source that the reference names, or why it cannot be one.
pub(super) fn find<'a>(
    reference: &SecretReference,
    own: &str,
    lookup: impl FnOnce(&SecretReference) -> Lookup<'a>,
) -> Result<&'a Source, Problem> {
    let problem = |reason, what: &str| {
        Err(Problem {
            reason,
            message: format!("secret {:?}: {what}", display(reference, own)),
        })
    };
    match lookup(reference) {
        Lookup::Missing => problem(Reason::SourceNotFound, "not found: create it, or correct secretRef"),
        Lookup::Unread => problem(
            Reason::SourceNamespaceNotAllowed,
            "the operator cannot list secrets in that namespace: give it a Role there to list and watch secrets, as in \
             config/README.md",
        ),
        Lookup::NotAllowed => problem(
            Reason::SourceNamespaceNotAllowed,
            &format!(
                "the operator reads sources only in its own namespace {own:?} and in those of --source-namespaces: move \
                 the secret, or add its namespace to that flag"
            ),
        ),
        Lookup::Found(source) if source.type_ == STATE_TYPE => problem(Reason::SourceInvalid, MANAGED),
        Lookup::Found(source) => match (source.labels.get(LABEL_OBJECT), confined(&source.type_)) {
            (Some(owner), _) => problem(
                Reason::SourceInvalid,
                &format!("{MANAGED}: it is a copy that ClusterPullSecret {owner:?} keeps"),
            ),
            (None, Some(content)) => problem(
                Reason::SourceInvalid,
                &format!("type is {:?}: {content} must not leave their namespace", source.type_),
            ),
            (None, None) => Ok(source),
        },
    }
}

/// Names the source in messages, always with its namespace.
pub(super) fn display(reference: &SecretReference, own: &str) -> String {
    let namespace = reference.namespace.as_deref().unwrap_or(own);
    format!("{namespace}/{}", reference.name)
}

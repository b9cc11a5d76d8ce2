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
    /// The keys of its data, also of what was not read, as far as messages show them.
    pub keys: ShownKeys,
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
    /// The API server forbids to list the Secrets of that namespace.
    Forbidden,
    /// The Secrets of that namespace are not listed yet.
    Unread,
}

/// Names of data keys that a message may show: the first five that are plain words.
///
/// A person may have put a value in the place of a key. A plain word has letters only, with single `.`, `-` or `_`
/// before and between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShownKeys {
    shown: Vec<String>,
    /// There are others.
    more: bool,
}

impl ShownKeys {
    /// The most keys that are shown.
    const MOST: usize = 5;
    /// The longest key that is shown, in bytes.
    const LONGEST: usize = 32;

    /// Takes the names to show from all keys of a Secret.
    pub fn of<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        let mut taken = Self::default();
        for key in keys {
            if taken.shown.len() < Self::MOST && is_plain(key) {
                taken.shown.push(key.to_owned());
            } else {
                taken.more = true;
            }
        }
        taken
    }
}

impl fmt::Display for ShownKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted: Vec<String> = self.shown.iter().map(|key| format!("{key:?}")).collect();
        match (quoted.is_empty(), self.more) {
            (true, false) => f.write_str("the secret is empty"),
            (true, true) => f.write_str("the secret has other keys"),
            (false, false) => write!(f, "the secret has {}", quoted.join(", ")),
            (false, true) => write!(f, "the secret has {} and other keys", quoted.join(", ")),
        }
    }
}

fn is_plain(key: &str) -> bool {
    let words = key.strip_prefix(['.', '_', '-']).unwrap_or(key);
    let mut words = words.split(['.', '_', '-']);
    key.len() <= ShownKeys::LONGEST
        && words.all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

/// Returns whether the content of a Secret of this type must not leave its namespace. Other types may be sources.
pub fn is_confined(type_: &str) -> bool {
    confined(type_).is_some()
}

/// Returns what a Secret of this type holds if that must not leave its namespace, and why it is no login.
fn confined(type_: &str) -> Option<(&'static str, &'static str)> {
    match type_ {
        "kubernetes.io/service-account-token" => {
            Some(("tokens of service accounts", "they are logins to this cluster"))
        }
        "bootstrap.kubernetes.io/token" => Some(("bootstrap tokens", "they let a node join this cluster")),
        "kubernetes.io/tls" => Some(("TLS keys", "kubelets log in to a registry without a certificate")),
        "kubernetes.io/ssh-auth" => Some(("SSH keys", "registries take a password or a token instead")),
        type_ if type_.starts_with("helm.sh/") => Some(("Helm releases", "they hold all values of a chart")),
        _ => None,
    }
}

/// What to do about a Secret that is no login.
const INSTEAD: &str = "name a Secret with the login of the registry instead, made by `kubectl create secret \
                       docker-registry` for dockerConfig, or of type kubernetes.io/basic-auth for basicAuth";

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
        Lookup::Forbidden => problem(
            Reason::SourceNamespaceNotAllowed,
            "the operator cannot list secrets in that namespace: give it a Role there to list and watch secrets, as in \
             config/README.md",
        ),
        Lookup::Unread => problem(
            Reason::SourceNamespaceNotAllowed,
            "the API server has not listed the secrets of that namespace yet: the operator keeps asking, and its log has \
             the error, if there is one",
        ),
        Lookup::NotAllowed => problem(
            Reason::SourceNamespaceNotAllowed,
            &format!(
                "the operator reads sources only in its own namespace {own:?} and in those of --source-namespaces: move \
                 the secret, or add its namespace to that flag"
            ),
        ),
        Lookup::Found(source) if source.type_ == STATE_TYPE => problem(
            Reason::SourceInvalid,
            &format!("{MANAGED}: it holds the last good logins of an object; {INSTEAD}"),
        ),
        Lookup::Found(source) => match (source.labels.get(LABEL_OBJECT), confined(&source.type_)) {
            (Some(owner), _) => problem(
                Reason::SourceInvalid,
                &format!(
                    "{MANAGED}: it is a copy that ClusterPullSecret {owner:?} keeps; name the source of that object instead"
                ),
            ),
            (None, Some((content, why))) => problem(
                Reason::SourceInvalid,
                &format!(
                    "type is {:?}: {content} must not leave their namespace, and {why}; {INSTEAD}",
                    source.type_
                ),
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

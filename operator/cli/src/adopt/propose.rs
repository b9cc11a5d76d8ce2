//! The source, the object and the Secrets of one adoption.

use std::collections::BTreeSet;

use crd::{
    ClusterPullSecret, ClusterPullSecretSpec, ConflictPolicy, Credentials, DockerConfigSource, Registry,
    SecretReference, SecretTemplate,
};

use super::content::Content;
use super::leftovers::{Leftovers, Secret};
use super::role::{Found, State};
use super::select;
use super::tool::Tool;

/// The longest name of an object.
const LONGEST: usize = 63;

/// What is carried out for one group.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The object, as it starts: suspended, and with the policy `Adopt`.
    pub object: ClusterPullSecret,
    /// The object exists.
    pub exists: bool,
    /// Where its login comes from.
    pub source: Source,
    /// The Secrets, in the order in which they are adopted: what a tool copies from comes last.
    pub members: Vec<Member>,
    /// The accounts whose entry is not recorded yet, each as namespace and name.
    pub accounts: Vec<(String, String)>,
}

/// Where the login of an object comes from.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its namespace, which is that of the operator.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The Secret that it is copied from, as namespace and name. None: it exists.
    pub from: Option<(String, String)>,
    /// What it must hold.
    pub content: Content,
}

/// A Secret that is adopted.
#[derive(Clone, Debug)]
pub struct Member {
    /// The Secret as seen.
    pub secret: Secret,
    pub(super) found: Found,
    /// Its content is not that of the group.
    pub aligned: bool,
}

impl Member {
    /// Returns the tool that left it.
    pub fn tool(&self) -> Tool {
        self.found.tool
    }

    /// Returns how far its adoption is.
    pub fn state(&self) -> State {
        self.secret.state()
    }
}

/// Returns the name of the object for copies of this name.
pub(super) fn object_name(secret: &str) -> String {
    let cut: String = secret.chars().take(LONGEST).collect();
    cut.trim_end_matches(['-', '.']).to_owned()
}

/// Returns the name of the source for copies of this name, where no other is given.
pub(super) fn source_name(secret: &str) -> String {
    format!("{}-source", object_name(secret))
}

/// Returns the object that covers these namespaces, as it starts.
pub(super) fn object(
    seen: &Leftovers,
    secret: &str,
    source: &str,
    operator_namespace: &str,
    wanted: &BTreeSet<&str>,
    left: &BTreeSet<&str>,
) -> ClusterPullSecret {
    let protected = super::accepted::protected(seen, operator_namespace);
    let name = object_name(secret);
    let reference = SecretReference {
        name: source.to_owned(),
        namespace: None,
    };
    let spec = ClusterPullSecretSpec {
        registries: vec![Registry {
            server: None,
            credentials: Credentials {
                basic_auth: None,
                docker_config: Some(DockerConfigSource {
                    secret_ref: reference,
                    key: None,
                }),
            },
        }],
        namespaces: select::namespaces(seen, &protected, wanted, left),
        service_accounts: select::accounts(seen, wanted, secret).0,
        secret: SecretTemplate {
            name: (name != secret).then(|| secret.to_owned()),
            conflict_policy: ConflictPolicy::Adopt,
            ..SecretTemplate::default()
        },
        deletion_policy: crd::DeletionPolicy::default(),
        suspend: true,
    };
    ClusterPullSecret::new(&name, spec)
}

/// Returns the command that copies the login inside the cluster. It shows no value, and none is an argument.
pub(super) fn copy_command((namespace, name): &(String, String), source: &Source) -> String {
    format!(
        "kubectl get secret {name} -n {namespace} -o go-template='{{{{index .data \".dockerconfigjson\"}}}}' | base64 -d | \
         kubectl create secret generic {} -n {} --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=/dev/stdin",
        source.name, source.namespace
    )
}

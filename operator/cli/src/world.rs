//! The snapshot of one cluster: the facts that decide whether an image can be pulled.
//!
//! It is built from the JSON of single objects, of the API's lists, or of the output of `kubectl get -o json`. Only what
//! decides is kept. An object that cannot be decoded becomes a [`Problem`] with its name, and hides no other object.
//!
//! # Secrecy
//!
//! The logins of Secrets are in [`Logins`], which has neither `Debug` of its content nor `Serialize`. Everything else holds
//! a [`LoginId`] only. Keys of docker configs are kept as written, because matching needs them. Messages must name an entry
//! by [`Entry::name`].

mod account;
mod decode;
mod dump;
mod kind;
mod login;
mod namespace;
mod pod;
mod problem;
mod secret;
mod shared;
mod text;
mod workload;

use std::collections::{BTreeMap, BTreeSet};

use crd::ClusterPullSecret;

pub use account::Account;
pub(crate) use decode::{Data, page};
pub use decode::{ItemError, Page, PageError};
pub(crate) use dump::objects;
pub use kind::Kind;
pub use login::{LoginId, Logins};
pub use namespace::{Namespace, SecretSeen};
pub use pod::{Pod, Progress};
pub use problem::{Problem, Unseen};
pub use secret::{Content, Entry, Secret};
pub use text::Text;
pub use workload::{Image, PullPolicy, Role, Template, Workload, WorkloadId};

use shared::Shared;

/// The annotation in which `kubectl apply` keeps all of what it applied, with the login of a Secret.
pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What is known of one cluster.
#[derive(Debug, Default)]
pub struct World {
    /// The namespaces by name. One that was not listed is here as soon as an object in it was added.
    pub namespaces: BTreeMap<Text, Namespace>,
    /// The `ClusterPullSecret`s by name, without `managedFields`.
    pub objects: BTreeMap<Text, ClusterPullSecret>,
    /// The distinct logins of all Secrets.
    pub logins: Logins,
    /// How Secrets were read.
    pub secrets: SecretsRead,
    /// What could not be seen. Each makes the answer incomplete.
    pub unseen: Vec<Unseen>,
    /// Objects that were read and could not be decoded. Each makes the answer incomplete.
    pub problems: Vec<Problem>,
    shared: Shared,
}

/// How the Secrets of a snapshot were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretsRead {
    /// All Secrets of the listed namespaces. One that is absent does not exist, and unused ones are known.
    #[default]
    Listed,
    /// Each of [`World::referenced_secrets`] by its name. One that is absent does not exist.
    ByName,
}

impl World {
    /// Returns the Secrets that accounts, templates and Pods refer to, each as namespace and name.
    ///
    /// A caller without the right to list Secrets reads these one by one, after all other kinds.
    pub fn referenced_secrets(&self) -> BTreeSet<(Text, Text)> {
        let names = |namespace: &Text, seen: &Namespace| {
            let accounts = seen.accounts.values().flat_map(|account| account.secrets.iter());
            let templates = seen.workloads.values().map(|workload| &workload.template);
            let templates = templates.chain(seen.pods.values().map(|pod| &pod.template));
            let listed = templates.flat_map(|template| template.secrets.iter());
            let names = accounts.chain(listed).filter(|name| !name.is_empty());
            names.map(|name| (namespace.clone(), name.clone())).collect::<Vec<_>>()
        };
        self.namespaces
            .iter()
            .flat_map(|(name, seen)| names(name, seen))
            .collect()
    }

    /// Records that objects could not be read, for example for lack of a right.
    pub fn cannot_see(&mut self, unseen: Unseen) {
        self.unseen.push(unseen);
    }

    /// Returns whether all objects of this kind in the namespace were read.
    pub fn sees(&self, kind: Kind, namespace: &str) -> bool {
        let covers = |unseen: &Unseen| {
            unseen.kind == kind && unseen.name.is_none() && unseen.namespace.as_deref().is_none_or(|of| of == namespace)
        };
        !self.unseen.iter().any(covers)
    }

    /// Returns what is known of a Secret: its content, that it does not exist, or that it could not be read.
    pub fn secret<'a>(&'a self, namespace: &str, name: &str) -> SecretSeen<'a> {
        if let Some(secret) = self.namespaces.get(namespace).and_then(|seen| seen.secrets.get(name)) {
            return SecretSeen::Found(secret);
        }
        let unseen = self.unseen.iter().find(|unseen| {
            unseen.kind == Kind::Secret
                && unseen.namespace.as_deref().is_none_or(|of| of == namespace)
                && unseen.name.as_deref().is_none_or(|of| of == name)
        });
        let broken = || {
            self.problems.iter().find(|problem| {
                problem.kind == Some(Kind::Secret)
                    && problem.namespace.as_deref() == Some(namespace)
                    && problem.name.as_deref() == Some(name)
            })
        };
        let why = unseen.map(|unseen| unseen.why.as_str());
        let why = why.or_else(|| broken().map(|problem| problem.why.as_str()));
        why.map_or(SecretSeen::Missing, SecretSeen::Unseen)
    }
}

//! What other tools left, and how the operator takes it over in place.
//!
//! [`Leftovers`] is the snapshot: Secrets without their values, accounts, and of each other tool its workloads, leases and
//! custom resources. [`Plan::of`] recognises what each Secret is, groups by name and content, and says what is adopted,
//! what is left alone, and what a person must do first. [`write`](mod@write) has the body of each request that carries a plan out.
//!
//! # Secrecy
//!
//! The data of a Secret is decoded once, into a digest under a key of this run and the servers that the schema accepts.
//! Values of annotations are kept only for the marks of known tools, and never where they hold a login.

mod about;
mod accepted;
mod after;
mod blocks;
mod content;
mod decode;
mod eso;
mod group;
mod keys;
mod kyverno;
mod leftovers;
mod options;
mod plan;
mod propose;
mod recognise;
mod report;
mod role;
mod select;
mod tool;
mod undo;
pub mod write;

pub use content::Content;
pub use leftovers::{Account, Custom, Lease, Leftovers, Meta, Namespace, Owner, Secret, Workload};
pub use options::Options;
pub use plan::Plan;
pub use propose::{Member, Proposal, Source};
pub use report::{AdoptReport, ContextPlan, Copy, GroupReport, LeftBy, Reason, Refused, Step, Verdict};
pub use role::State;
pub use tool::Tool;
pub use undo::{Undo, undoable};

/// The group and plural of each custom resource that is read, where a cluster has it.
pub const CUSTOMS: [(&str, &str, &str); 14] = [
    ("ops.alexellis.io", "clusterpullsecrets", "ClusterPullSecret"),
    ("images.banzaicloud.io", "imagepullsecrets", "ImagePullSecret"),
    ("kyverno.io", "clusterpolicies", "ClusterPolicy"),
    ("kyverno.io", "policies", "Policy"),
    ("kyverno.io", "updaterequests", "UpdateRequest"),
    ("policies.kyverno.io", "generatingpolicies", "GeneratingPolicy"),
    (
        "policies.kyverno.io",
        "namespacedgeneratingpolicies",
        "NamespacedGeneratingPolicy",
    ),
    ("policies.kyverno.io", "mutatingpolicies", "MutatingPolicy"),
    ("secretgen.carvel.dev", "secretimports", "SecretImport"),
    ("apps.jfrog.com", "secretrotators", "SecretRotator"),
    ("external-secrets.io", "externalsecrets", "ExternalSecret"),
    ("external-secrets.io", "clusterexternalsecrets", "ClusterExternalSecret"),
    ("acrpull.microsoft.com", "acrpullbindings", "AcrPullBinding"),
    ("msi-acrpull.microsoft.com", "acrpullbindings", "AcrPullBinding"),
];

#[cfg(test)]
pub(crate) mod tests;

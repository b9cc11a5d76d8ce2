//! A namespace and the objects in it.

use std::collections::BTreeMap;

use plan::labels::Labels;

use super::account::Account;
use super::pod::Pod;
use super::secret::Secret;
use super::text::Text;
use super::workload::{Workload, WorkloadId};

/// A namespace and the objects in it.
#[derive(Debug, Default)]
pub struct Namespace {
    /// Its labels. Empty if the namespace itself was not read.
    pub labels: Labels,
    /// It is being deleted.
    pub terminating: bool,
    /// Its `ServiceAccount`s by name.
    pub accounts: BTreeMap<Text, Account>,
    /// Its Secrets by name, also those that kubelets ignore.
    pub secrets: BTreeMap<Text, Secret>,
    /// The objects that create Pods from a template. Bare Pods are not among them.
    pub workloads: BTreeMap<WorkloadId, Workload>,
    /// Its Pods by name, also those of workloads.
    pub pods: BTreeMap<Text, Pod>,
}

/// What is known of a Secret.
#[derive(Clone, Copy, Debug)]
pub enum SecretSeen<'a> {
    /// It exists.
    Found(&'a Secret),
    /// It does not exist.
    Missing,
    /// It could not be read, for this reason.
    Unseen(&'a str),
}

//! The snapshot of one cluster: what other tools left, and what runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crd::ClusterPullSecret;
use plan::labels::Labels;
use plan::payload::DigestKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::content::Content;

/// What is known of one cluster.
pub struct Leftovers {
    /// The key of all digests of this run.
    pub(super) key: DigestKey,
    /// Now, in seconds of Unix time.
    pub now: i64,
    /// The namespaces by name.
    pub namespaces: BTreeMap<String, Namespace>,
    /// The Secrets that hold docker configs, or are in the place of one, by namespace and name.
    pub secrets: BTreeMap<(String, String), Secret>,
    /// The accounts, by namespace and name.
    pub accounts: BTreeMap<(String, String), Account>,
    /// What runs Pods.
    pub workloads: Vec<Workload>,
    /// The objects of other tools.
    pub customs: Vec<Custom>,
    /// The leases of controllers.
    pub leases: Vec<Lease>,
    /// The `ClusterPullSecret`s by name.
    pub objects: BTreeMap<String, ClusterPullSecret>,
    /// What could not be read, or not be decoded, a sentence for each. Each makes the answer incomplete.
    pub unread: Vec<String>,
}

/// The metadata of an object. `Debug` shows its place only, because people write anything into annotations.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// Its namespace. Empty for an object of the cluster.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub version: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// The annotations of known tools. One that holds a login has an empty value.
    pub annotations: BTreeMap<String, String>,
    /// Its owners.
    pub owners: Vec<Owner>,
    /// The field managers that wrote it.
    pub managers: BTreeSet<String>,
    /// When an annotation that stops a tool was last written, in seconds of Unix time.
    pub stopped_at: BTreeMap<String, i64>,
    /// It is being deleted.
    pub deleting: bool,
}

/// An ownerReference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Owner {
    /// The group and version.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The uid.
    pub uid: String,
    /// It manages the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    /// Its foreground deletion waits for the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}

/// A namespace.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// Its metadata.
    pub meta: Meta,
}

/// A Secret without its values.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Its metadata.
    pub meta: Meta,
    /// Its type.
    pub type_: String,
    /// `immutable: true`.
    pub immutable: bool,
    /// What the operator would read of it.
    pub content: Content,
}

/// A `ServiceAccount`.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Its metadata.
    pub meta: Meta,
    /// The names in `imagePullSecrets`, in its order.
    pub entries: Vec<String>,
    /// The names in the annotation `pullsecrets.dev/attached`.
    pub attached: Vec<String>,
}

/// What runs the Pods of a tool.
#[derive(Clone, Debug, Default)]
pub struct Workload {
    /// Its kind.
    pub kind: String,
    /// Its metadata.
    pub meta: Meta,
    /// The labels of its Pods.
    pub pod_labels: BTreeMap<String, String>,
    /// The images of its containers, without tag and digest.
    pub images: Vec<String>,
    /// It has Pods, or wants some.
    pub runs: bool,
}

/// An object of another tool. `Debug` shows its place only.
#[derive(Clone)]
pub struct Custom {
    /// Its API group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its metadata.
    pub meta: Meta,
    /// Its spec, without parts that may hold data.
    pub spec: Value,
    /// Its status, in the same way.
    pub status: Value,
}

/// A Lease that a controller holds.
#[derive(Clone, Debug, Default)]
pub struct Lease {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who holds it. Empty for one that was released.
    pub holder: String,
    /// When it was renewed, in seconds of Unix time.
    pub renewed: i64,
    /// How long that lasts, in seconds.
    pub lasts: i64,
}

impl Leftovers {
    /// Makes an empty snapshot at a time, whose digests have this key.
    pub fn new(random: [u8; 16], now: i64) -> Self {
        Self {
            key: DigestKey::new(random),
            now,
            namespaces: BTreeMap::new(),
            secrets: BTreeMap::new(),
            accounts: BTreeMap::new(),
            workloads: Vec::new(),
            customs: Vec::new(),
            leases: Vec::new(),
            objects: BTreeMap::new(),
            unread: Vec::new(),
        }
    }

    /// Forgets what runs, so that it can be read again.
    pub fn forget_tools(&mut self) {
        self.workloads.clear();
        self.customs.clear();
        self.leases.clear();
    }

    /// Returns whether everything could be read.
    pub fn is_complete(&self) -> bool {
        self.unread.is_empty()
    }

    /// Sets the time to that of the last heartbeat, for a snapshot from files.
    pub fn end_dump(&mut self) {
        let renewed = self.leases.iter().map(|lease| lease.renewed);
        let stopped = self
            .namespaces
            .values()
            .flat_map(|namespace| namespace.meta.stopped_at.values());
        self.now = renewed.chain(stopped.copied()).max().unwrap_or_default();
    }

    /// Returns the Secret in this place.
    pub fn secret(&self, namespace: &str, name: &str) -> Option<&Secret> {
        self.secrets.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// Returns the labels of a namespace, as `plan` takes them.
    pub(super) fn labels(&self, namespace: &str) -> Labels {
        let labels = self.namespaces.get(namespace).map(|seen| &seen.meta.labels);
        labels.into_iter().flatten().collect()
    }

    /// Returns the accounts of a namespace.
    pub fn accounts_in<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Account> {
        let first = (namespace.to_owned(), String::new());
        let here = self.accounts.range(first..);
        here.take_while(move |((of, _), _)| of == namespace)
            .map(|(_, account)| account)
    }

    /// Returns the objects of this group and kind.
    pub(super) fn customs<'a>(&'a self, group: &'a str, kind: &'a str) -> impl Iterator<Item = &'a Custom> {
        self.customs
            .iter()
            .filter(move |custom| custom.group == group && custom.kind == kind)
    }

    /// Returns the object that an ownerReference names, if it still exists.
    pub(super) fn owner(&self, owner: &Owner) -> Option<&Custom> {
        self.customs.iter().find(|custom| custom.meta.uid == owner.uid)
    }
}

impl Lease {
    /// Returns whether a controller holds it at this time.
    pub(super) fn is_held(&self, now: i64) -> bool {
        !self.holder.is_empty() && self.renewed.saturating_add(self.lasts) >= now
    }
}

impl Owner {
    /// Returns the API group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Returns whether it is a `ClusterPullSecret` of ours.
    pub fn is_ours(&self) -> bool {
        self.group() == crd::names::GROUP
    }
}

impl Meta {
    /// Returns whether it has a label, with this value if one is given.
    pub(super) fn is_labelled(&self, key: &str, value: Option<&str>) -> bool {
        let found = self.labels.get(key);
        found.is_some_and(|found| value.is_none_or(|value| found == value))
    }

    /// Returns the value of an annotation.
    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str)
    }

    /// Returns `NAMESPACE/NAME`, or the name.
    pub fn place(&self) -> String {
        if self.namespace.is_empty() {
            return self.name.clone();
        }
        format!("{}/{}", self.namespace, self.name)
    }
}

impl Custom {
    /// Returns its kind and place, as commands name it.
    pub(super) fn shown(&self) -> String {
        format!("{} {}", self.kind, self.meta.place())
    }
}

impl fmt::Debug for Leftovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leftovers")
            .field("secrets", &self.secrets.len())
            .field("unread", &self.unread)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

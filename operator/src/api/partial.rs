//! Partial types: each keeps only the fields that matter, and drops the rest while it is decoded.
//!
//! Foreign data never stays in memory. `managedFields` are skipped, or become one bit; Secret data becomes a digest.
//! The one exception is [`SourceSecret`]: it is read only in the namespaces of sources, and keeps only what an object
//! reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock};

use crd::names::{
    ANNOTATION_ATTACHED, ANNOTATION_DECLARED, ANNOTATION_RETAINED, DOCKER_CONFIG_TYPE, FIELD_MANAGER,
    FIELD_MANAGER_UNPROVEN, GROUP, LABEL_MANAGED_BY, LABEL_OBJECT,
};
use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::Resource;
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use plan::identity::Version;
use plan::labels::Labels;
use plan::observed::{
    Account, Entry, MAX_ENTRIES, MAX_ENTRIES_BYTES, MAX_NAME_BYTES, MAX_OWNERS, MAX_PARTIAL_OWNERS, Owner, Secret,
    SecretTraits, brief, parse_attached,
};
use plan::payload::{Digest, DigestKey, NO_LOGIN};
use plan::registries::Source;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::wanted::{Wanted, prune, word};

/// The key of the digests of this process.
pub static DIGEST_KEY: LazyLock<DigestKey> = LazyLock::new(|| DigestKey::new(rand::random()));

/// Implements `Resource` for a partial type.
macro_rules! partial_resource {
    ($type:ident: $kind:literal, $group:expr, $version:literal, $plural:literal, $scope:ty, metadata only: $metadata:literal) => {
        impl Resource for $type {
            type DynamicType = ();
            type Scope = $scope;

            fn metadata_api() -> bool {
                $metadata
            }
            fn kind((): &()) -> std::borrow::Cow<'_, str> {
                $kind.into()
            }
            fn group((): &()) -> std::borrow::Cow<'_, str> {
                $group.into()
            }
            fn version((): &()) -> std::borrow::Cow<'_, str> {
                $version.into()
            }
            fn plural((): &()) -> std::borrow::Cow<'_, str> {
                $plural.into()
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

/// `ObjectMeta` without `managedFields`, which are most of it. `M` keeps what it needs of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "M: Deserialize<'de> + Default")]
struct WireMeta<M = IgnoredAny> {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
    finalizers: Option<Vec<String>>,
    #[serde(default)]
    managed_fields: M,
}

impl<M> WireMeta<M> {
    fn split(self) -> (ObjectMeta, M) {
        let meta = ObjectMeta {
            name: self.name,
            namespace: self.namespace,
            uid: self.uid,
            resource_version: self.resource_version,
            generation: self.generation,
            creation_timestamp: self.creation_timestamp,
            deletion_timestamp: self.deletion_timestamp,
            labels: self.labels,
            annotations: self.annotations,
            owner_references: self.owner_references,
            finalizers: self.finalizers,
            ..ObjectMeta::default()
        };
        (meta, self.managed_fields)
    }
}

fn meta<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let wire: WireMeta = WireMeta::deserialize(deserializer)?;
    Ok(wire.split().0)
}

/// Uid and resourceVersion of an object.
pub fn version(meta: &ObjectMeta) -> Version {
    Version::new(
        meta.uid.as_deref().unwrap_or_default(),
        meta.resource_version.as_deref().unwrap_or_default(),
    )
}

/// The metadata of a namespace or account that matters. Tenants may write any amount of other metadata, so decoding
/// skips it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeanMeta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    deletion_timestamp: Option<IgnoredAny>,
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    annotations: Attached,
    #[serde(default)]
    managed_fields: ListedByUs,
}

impl LeanMeta {
    /// Only the fields that identify the object.
    fn identity(&self) -> ObjectMeta {
        ObjectMeta {
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            uid: self.uid.clone(),
            resource_version: self.resource_version.clone(),
            ..ObjectMeta::default()
        }
    }

    fn labels(&self) -> Labels {
        self.labels.iter().flatten().collect()
    }
}

/// Whether `managedFields` name our manager as owner of `imagePullSecrets`.
#[derive(Default)]
struct ListedByUs(bool);

impl<'de> Deserialize<'de> for ListedByUs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Entry {
            #[serde(default)]
            manager: String,
            #[serde(rename = "fieldsV1")]
            fields: Option<Fields>,
        }
        #[derive(Deserialize)]
        struct Fields {
            #[serde(rename = "f:imagePullSecrets")]
            list: Option<IgnoredAny>,
        }
        let entries = Option::<Vec<Entry>>::deserialize(deserializer)?.unwrap_or_default();
        let ours =
            |entry: Entry| entry.manager == FIELD_MANAGER && entry.fields.is_some_and(|fields| fields.list.is_some());
        Ok(Self(entries.into_iter().any(ours)))
    }
}

/// The one annotation that records which references we added.
#[derive(Default)]
struct Attached(Option<String>);

impl<'de> Deserialize<'de> for Attached {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Annotations;
        impl<'de> Visitor<'de> for Annotations {
            type Value = Attached;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("annotations")
            }
            fn visit_unit<E>(self) -> Result<Attached, E> {
                Ok(Attached(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Attached, A::Error> {
                let mut attached = None;
                while let Some(key) = all.next_key::<String>()? {
                    if key == ANNOTATION_ATTACHED {
                        attached = Some(all.next_value()?);
                    } else {
                        all.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Attached(attached))
            }
        }
        deserializer.deserialize_any(Annotations)
    }
}

/// A namespace, of which only metadata is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "WireNamespace")]
pub struct PartialNamespace {
    metadata: ObjectMeta,
    labels: Labels,
    terminating: bool,
}
partial_resource!(PartialNamespace: "Namespace", "", "v1", "namespaces", ClusterResourceScope, metadata only: true);

#[derive(Deserialize)]
struct WireNamespace {
    metadata: LeanMeta,
}

impl From<WireNamespace> for PartialNamespace {
    fn from(WireNamespace { metadata }: WireNamespace) -> Self {
        Self {
            labels: metadata.labels(),
            terminating: metadata.deletion_timestamp.is_some(),
            metadata: metadata.identity(),
        }
    }
}

impl PartialNamespace {
    /// Keeps only the labels that an object selects by.
    pub fn prune(&mut self, keys: &Wanted) {
        prune(&mut self.labels, keys);
    }

    /// The labels of the namespace.
    pub fn labels(&self) -> Labels {
        self.labels.clone()
    }

    /// Whether the namespace has a deletionTimestamp.
    pub fn is_terminating(&self) -> bool {
        self.terminating
    }
}

/// A `ServiceAccount`, reduced while it is decoded.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "WireServiceAccount")]
pub struct PartialServiceAccount {
    metadata: ObjectMeta,
    facts: Account,
}
partial_resource!(PartialServiceAccount: "ServiceAccount", "", "v1", "serviceaccounts", NamespaceResourceScope, metadata only: false);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireServiceAccount {
    metadata: LeanMeta,
    #[serde(default)]
    image_pull_secrets: Entries,
}

impl From<WireServiceAccount> for PartialServiceAccount {
    fn from(wire: WireServiceAccount) -> Self {
        let metadata = wire.metadata.identity();
        let Entries { entries, too_large } = wire.image_pull_secrets;
        let attached = wire.metadata.annotations.0.as_deref();
        // Field ownership does not matter once a record exists.
        let listed_by_us = attached.is_none() && wire.metadata.managed_fields.0;
        let facts = Account {
            version: version(&metadata),
            labels: wire.metadata.labels(),
            attached: attached
                .map(|text| parse_attached(text, &entries).into())
                .unwrap_or_default(),
            deleting: wire.metadata.deletion_timestamp.is_some(),
            entries: entries.into(),
            too_large,
            listed_by_us,
            hidden: None,
        };
        Self { metadata, facts }
    }
}

impl PartialServiceAccount {
    /// Keeps only the labels that an object selects by. In a long list, keeps only names that copies have.
    pub fn prune(&mut self, keys: &Wanted, copies: &Wanted) {
        prune(&mut self.facts.labels, keys);
        self.facts.compact(|name| copies.has(name));
    }

    /// Turns the account into facts for the plan.
    pub fn facts(self) -> Account {
        self.facts
    }
}

/// `imagePullSecrets`, decoded element by element. Of a list that is too large, no element is kept.
#[derive(Default)]
struct Entries {
    entries: Vec<Entry>,
    too_large: bool,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Entries;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_unit<E>(self) -> Result<Entries, E> {
                Ok(Entries::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Entries, A::Error> {
                let mut list = Entries::default();
                let mut bytes = 0;
                while let Some(element) = all.next_element::<serde_json::Value>()? {
                    let entry = entry(&element);
                    bytes += entry.name().len() + entry.raw_json().map_or(0, str::len);
                    if list.entries.len() >= MAX_ENTRIES || bytes > MAX_ENTRIES_BYTES {
                        while all.next_element::<IgnoredAny>()?.is_some() {}
                        return Ok(Entries {
                            entries: Vec::new(),
                            too_large: true,
                        });
                    }
                    list.entries.push(entry);
                }
                Ok(list)
            }
        }
        deserializer.deserialize_any(List)
    }
}

fn entry(element: &serde_json::Value) -> Entry {
    let name = element
        .get("name")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    let only_a_name = !name.is_empty() && element.as_object().is_some_and(|fields| fields.len() == 1);
    if only_a_name {
        Entry::named(name)
    } else {
        Entry::raw(name, &element.to_string())
    }
}

/// The data of a Secret, reduced to a digest.
#[derive(Clone, Debug, Default, Deserialize)]
struct Digests {
    #[serde(rename = ".dockerconfigjson", default, deserialize_with = "digest")]
    docker_config: Option<Arc<Digest>>,
}

fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<Digest>>, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = Option<Digest>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("base64")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Option<Digest>, E> {
            Ok((text != NO_LOGIN).then(|| DIGEST_KEY.digest(text)))
        }
    }
    deserializer.deserialize_str(Text).map(|digest| digest.map(Arc::new))
}

/// Whether `managedFields` show that we applied the data. A copy that lost its label is recognized by this alone.
#[derive(Default)]
struct AppliedByUs(bool);

impl<'de> Deserialize<'de> for AppliedByUs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Entry {
            #[serde(default)]
            manager: String,
            #[serde(default)]
            operation: String,
            #[serde(rename = "fieldsV1")]
            fields: Option<Fields>,
        }
        #[derive(Deserialize)]
        struct Fields {
            #[serde(rename = "f:data")]
            data: Option<Data>,
        }
        #[derive(Deserialize)]
        struct Data {
            #[serde(rename = "f:.dockerconfigjson")]
            docker_config: Option<IgnoredAny>,
        }
        let entries = Option::<Vec<Entry>>::deserialize(deserializer)?.unwrap_or_default();
        let ours = |entry: Entry| {
            let data = entry.fields.and_then(|fields| fields.data);
            entry.manager == FIELD_MANAGER
                && entry.operation == "Apply"
                && data.is_some_and(|data| data.docker_config.is_some())
        };
        Ok(Self(entries.into_iter().any(ours)))
    }
}

/// A copy, or a foreign Secret with the name of one, reduced while it is decoded.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "WireSecret")]
pub struct PartialSecret {
    metadata: ObjectMeta,
    facts: Secret,
}
partial_resource!(PartialSecret: "Secret", "", "v1", "secrets", NamespaceResourceScope, metadata only: false);

#[derive(Deserialize)]
struct WireSecret {
    metadata: WireMeta<AppliedByUs>,
    #[serde(rename = "type", default)]
    type_: String,
    #[serde(default)]
    immutable: Option<bool>,
    #[serde(default)]
    data: Option<Digests>,
}

impl From<WireSecret> for PartialSecret {
    fn from(wire: WireSecret) -> Self {
        let (metadata, AppliedByUs(applied_by_us)) = wire.metadata.split();
        let traits = SecretTraits {
            docker_config_type: wire.type_ == DOCKER_CONFIG_TYPE,
            immutable: wire.immutable.unwrap_or(false),
            applied_by_us: applied_by_us && !is_labelled(&metadata),
            ..traits(&metadata)
        };
        let facts = Secret {
            version: version(&metadata),
            digest: wire.data.and_then(|data| data.docker_config),
            traits: Arc::new(traits),
        };
        let metadata = identity(metadata);
        Self { metadata, facts }
    }
}

/// Only the fields that identify the object; the rest of the metadata is dropped.
fn identity(meta: ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: meta.name,
        namespace: meta.namespace,
        uid: meta.uid,
        resource_version: meta.resource_version,
        ..ObjectMeta::default()
    }
}

impl PartialSecret {
    /// For a name that no object uses, keeps only our own marks: the label, its manager and a few owners.
    pub fn prune(&mut self, names: &Wanted) {
        if self.metadata.name.as_deref().is_some_and(|name| names.has(name)) {
            return;
        }
        let traits = Arc::make_mut(&mut self.facts.traits);
        traits
            .labels
            .keep(|key| [LABEL_OBJECT, LABEL_MANAGED_BY].contains(&key));
        traits.annotations.keep(|key| key == ANNOTATION_RETAINED);
        traits.owners.truncate(MAX_PARTIAL_OWNERS);
        traits.owners.shrink_to_fit();
        traits.partial = true;
    }

    /// Turns the Secret into facts for the plan.
    pub fn facts(self) -> Secret {
        self.facts
    }
}

/// Longest uid that is kept. The uid of a server is a UUID of 36 characters.
const LONGEST_UID: usize = 64;

/// Whether the object carries our label.
fn is_labelled(meta: &ObjectMeta) -> bool {
    meta.labels
        .as_ref()
        .is_some_and(|labels| labels.contains_key(LABEL_OBJECT))
}

/// Whether the owner is a `ClusterPullSecret` of any version.
fn is_ours(reference: &OwnerReference) -> bool {
    reference.kind == "ClusterPullSecret" && reference.api_version.split('/').next() == Some(GROUP)
}

/// Most labels and annotations together that the schema allows.
const DECLARED: usize = 32;

/// Extracts our own marks, and the values of keys that were declared last. Others may write a megabyte of labels on a
/// copy, so the rest is dropped.
fn traits(meta: &ObjectMeta) -> SecretTraits {
    let references = meta.owner_references.as_deref().unwrap_or_default();
    let mut owners: Vec<Owner> = references
        .iter()
        .filter(|reference| is_ours(reference))
        .map(owner)
        .collect();
    owners.sort_unstable();
    owners.dedup();
    owners.truncate(MAX_OWNERS);
    owners.shrink_to_fit();
    let labelled = is_labelled(meta);
    let annotation = |key: &str| meta.annotations.as_ref().and_then(|all| all.get(key));
    let declared: BTreeSet<&str> = annotation(ANNOTATION_DECLARED)
        .filter(|_| labelled)
        .map(|keys| keys.split(',').take(DECLARED).collect())
        .unwrap_or_default();
    let held = |all: Option<&BTreeMap<String, String>>, ours: [&str; 2]| -> Labels {
        let held = |(key, _): &(&String, &String)| ours.contains(&key.as_str()) || declared.contains(key.as_str());
        let bounded = |(key, value): (&String, &String)| {
            let named = [LABEL_OBJECT, ANNOTATION_RETAINED].contains(&key.as_str()) && value.len() <= MAX_NAME_BYTES;
            let value = if named { value.into() } else { brief(value) };
            (brief(key).into_owned(), value.into_owned())
        };
        all.into_iter().flatten().filter(held).map(bounded).collect()
    };
    let labels = meta.labels.as_ref().filter(|_| labelled);
    SecretTraits {
        deleting: meta.deletion_timestamp.is_some(),
        finalizer: holder(meta),
        labels: held(labels, [LABEL_OBJECT, LABEL_MANAGED_BY]),
        annotations: held(meta.annotations.as_ref(), [ANNOTATION_RETAINED, ANNOTATION_DECLARED]),
        controlled: references.iter().any(|reference| reference.controller == Some(true)),
        owners,
        ..SecretTraits::default()
    }
}

/// Reads one owner. The server bounds neither name nor uid, so an owner that no object can be is kept as a foreign one.
fn owner(reference: &OwnerReference) -> Owner {
    let can_be = reference.name.len() <= MAX_NAME_BYTES && reference.uid.len() <= LONGEST_UID;
    let (uid, name) = if can_be {
        (reference.uid.as_str(), reference.name.as_str())
    } else {
        ("", "")
    };
    Owner {
        uid: uid.into(),
        name: name.into(),
    }
}

/// The first finalizer of a Secret that is being deleted. The server bounds its length.
fn holder(meta: &ObjectMeta) -> Option<Box<str>> {
    meta.deletion_timestamp.as_ref()?;
    meta.finalizers.as_ref()?.first().map(|name| name.as_str().into())
}

/// The field manager that last wrote the fields for which `owns` holds, unless it is ours.
pub fn last_writer(meta: &ObjectMeta, owns: impl Fn(&serde_json::Value) -> bool) -> Option<String> {
    let entries = meta.managed_fields.iter().flatten();
    let theirs = entries.filter(|entry| {
        !matches!(entry.manager.as_deref(), Some(FIELD_MANAGER | FIELD_MANAGER_UNPROVEN))
            && entry.fields_v1.as_ref().is_some_and(|fields| owns(&fields.0))
    });
    theirs.max_by_key(|entry| entry.time.clone())?.manager.clone()
}

/// The reply to a write of a Secret. It holds only metadata, so that no copy's data comes back.
#[derive(Clone, Debug, Deserialize)]
pub struct SecretMeta {
    #[serde(deserialize_with = "meta")]
    metadata: ObjectMeta,
}
partial_resource!(SecretMeta: "Secret", "", "v1", "secrets", NamespaceResourceScope, metadata only: true);

impl SecretMeta {
    /// The facts after a write, where `digest` stands for the data that the reply does not show.
    pub fn facts(&self, digest: Option<Arc<Digest>>) -> Secret {
        let traits = SecretTraits {
            docker_config_type: true,
            ..traits(&self.metadata)
        };
        Secret {
            version: version(&self.metadata),
            digest,
            traits: Arc::new(traits),
        }
    }

    /// Owners of another kind than ours.
    pub fn other_owners(&self) -> Vec<&OwnerReference> {
        let references = self.metadata.owner_references.as_deref().unwrap_or_default();
        references.iter().filter(|reference| !is_ours(reference)).collect()
    }

    /// Whether a finalizer of another controller delays the deletion.
    pub fn is_held_up(&self) -> bool {
        self.metadata
            .finalizers
            .as_ref()
            .is_some_and(|finalizers| !finalizers.is_empty())
    }
}

/// A Secret in a namespace of sources. It is the only type that keeps data, and keeps only what an object reads.
#[derive(Clone, Deserialize)]
pub struct SourceSecret {
    /// Holds `managedFields`, which date the last change, until it is pruned.
    metadata: ObjectMeta,
    #[serde(rename = "type", default)]
    type_: String,
    #[serde(default)]
    data: BTreeMap<String, ByteString>,
}
partial_resource!(SourceSecret: "Secret", "", "v1", "secrets", NamespaceResourceScope, metadata only: false);

impl fmt::Debug for SourceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceSecret")
            .field("name", &self.metadata.name)
            .finish_non_exhaustive()
    }
}

impl SourceSecret {
    /// Whether an object uses it as a source, or it holds the saved state of one.
    pub fn is_wanted(&self, wanted: &Wanted) -> bool {
        self.metadata.name.as_deref().is_some_and(|name| wanted.has(name))
    }

    /// Drops all but the name of an unwanted Secret, and the unread keys of a wanted one. A tenant with access to the
    /// namespace may keep a thousand Secrets of a megabyte there.
    pub fn prune(&mut self, wanted: &Wanted) {
        if !self.is_wanted(wanted) {
            self.data.clear();
            self.metadata = identity(std::mem::take(&mut self.metadata));
            self.type_.clear();
            return;
        }
        let name = self.metadata.name.clone().unwrap_or_default();
        self.data.retain(|key, _| wanted.has(&word(&name, key)));
        self.metadata.annotations = None;
        self.metadata.owner_references = None;
        if let Some(labels) = &mut self.metadata.labels {
            labels.retain(|key, _| key == LABEL_OBJECT);
        }
        // The types that matter are shorter.
        self.type_.truncate(self.type_.floor_char_boundary(MAX_NAME_BYTES));
    }

    /// Returns the Secret after [`SourceSecret::prune`].
    #[must_use]
    pub fn pruned(mut self, wanted: &Wanted) -> Self {
        self.prune(wanted);
        self
    }

    /// The time of the last change, in seconds since 1970.
    pub fn changed_at(&self) -> Option<i64> {
        let writes = self.metadata.managed_fields.iter().flatten();
        let last = writes.filter_map(|write| write.time.as_ref()).max();
        let time = last.or(self.metadata.creation_timestamp.as_ref())?;
        Some(time.0.as_second())
    }

    /// Turns the Secret into a source for the plan.
    pub fn into_source(self) -> Source {
        let confined = plan::registries::confined(&self.type_).is_some();
        let data = if confined { BTreeMap::new() } else { self.data };
        Source {
            labels: self.metadata.labels.iter().flatten().collect(),
            data: data.into_iter().map(|(key, value)| (key, value.0)).collect(),
            type_: self.type_,
        }
    }
}

/// A `ClusterPullSecret` as the server sent it. One that this version cannot decode must not hide the others.
#[derive(Clone, Debug, Deserialize)]
pub struct RawClusterPullSecret {
    #[serde(deserialize_with = "meta")]
    metadata: ObjectMeta,
    /// The raw spec.
    #[serde(default)]
    pub spec: serde_json::Value,
    /// The raw status.
    #[serde(default)]
    pub status: serde_json::Value,
}
partial_resource!(RawClusterPullSecret: "ClusterPullSecret", GROUP, "v1alpha1", "clusterpullsecrets", ClusterResourceScope, metadata only: false);

#[cfg(test)]
mod tests {
    use plan::observed::MAX_STALE_RECORDS;

    use super::*;

    #[test]
    fn an_element_of_image_pull_secrets_is_kept_as_it_came() {
        let account: PartialServiceAccount = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "a", "uid": "u", "resourceVersion": "7", "managedFields": [{"manager": "x"}],
                "annotations": {"pullsecrets.dev/attached": "ours", "other": "kept out"}},
            "imagePullSecrets": [{"name": "x"}, {}, {"name": "y", "future": 1}],
        }))
        .unwrap();
        let facts = account.facts();
        assert_eq!(facts.entries[0], Entry::named("x"));
        assert_eq!(facts.entries[1], Entry::raw("", "{}"));
        assert_eq!(facts.entries[2].name(), "y");
        assert_eq!(facts.entries[2].raw_json(), Some(r#"{"future":1,"name":"y"}"#));
        assert_eq!(*facts.attached, ["ours".into()]);
    }

    fn seen(secret: serde_json::Value) -> Secret {
        serde_json::from_value::<PartialSecret>(secret).unwrap().facts()
    }

    #[test]
    fn a_copy_is_seen_alike_by_the_watch_and_in_the_reply_to_its_write() {
        let metadata = serde_json::json!({"name": "a", "uid": "u", "resourceVersion": "7",
            "labels": {LABEL_OBJECT: "a", "l": "v", "theirs": "x"},
            "annotations": {"a": "b", "theirs": "x", ANNOTATION_DECLARED: "l,a"}});
        let watched = seen(
            serde_json::json!({"metadata": metadata, "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": "e30=", "other": "Zm9v"}}),
        );
        let written: SecretMeta = serde_json::from_value(serde_json::json!({"metadata": metadata})).unwrap();
        assert_eq!(watched, written.facts(Some(Arc::new(DIGEST_KEY.digest("e30=")))));
        assert_eq!(watched.traits.labels.get("l"), Some("v"));
        assert_eq!(watched.traits.annotations.get("a"), Some("b"));
        assert_eq!(watched.traits.labels.get("theirs"), None);
        assert_eq!(watched.traits.annotations.get("theirs"), None);
    }

    fn listed(elements: &[serde_json::Value], attached: &str) -> Account {
        let account = serde_json::json!({"metadata": {"name": "a", "annotations": {ANNOTATION_ATTACHED: attached}},
            "imagePullSecrets": elements});
        serde_json::from_value::<PartialServiceAccount>(account)
            .unwrap()
            .facts()
    }

    #[test]
    fn a_list_beyond_its_bound_is_not_held() {
        let named = |number: usize| serde_json::json!({"name": format!("n{number}")});
        let most: Vec<_> = (0..MAX_ENTRIES).map(named).collect();
        let held = listed(&most, "n255,n7");
        assert_eq!(
            (held.entries.len(), held.attached.len(), held.too_large),
            (MAX_ENTRIES, 2, false)
        );
        let more: Vec<_> = (0..=MAX_ENTRIES).map(named).collect();
        let empty = vec![serde_json::json!({}); 100_000];
        let long = [serde_json::json!({"name": "x".repeat(MAX_ENTRIES_BYTES + 1)})];
        let record: Vec<String> = (0..2 * MAX_STALE_RECORDS).map(|number| format!("n{number}")).collect();
        for beyond in [&more[..], &empty, &long] {
            let held = listed(beyond, &record.join(","));
            assert_eq!(
                (held.entries.len(), held.attached.len(), held.too_large),
                (0, MAX_STALE_RECORDS, true)
            );
        }
    }

    #[test]
    fn what_others_write_on_an_account_or_a_copy_is_skipped() {
        let many: BTreeMap<String, String> = (0..10_000).map(|n| (format!("k{n}"), "v".repeat(60))).collect();
        let owner = |n| {
            serde_json::json!({"apiVersion": "pullsecrets.dev/v1", "kind": "ClusterPullSecret",
            "name": "o", "uid": format!("u{n}")})
        };
        let owners: Vec<_> = (0..10_000).map(owner).collect();
        let mut labels = many.clone();
        labels.insert(LABEL_OBJECT.to_owned(), "a".to_owned());
        let mut annotations = many;
        let keys: Vec<&str> = annotations.keys().map(String::as_str).collect();
        let declared = keys.join(",");
        annotations.insert(ANNOTATION_DECLARED.to_owned(), declared);
        let metadata = serde_json::json!({"name": "a", "labels": labels, "annotations": annotations,
            "ownerReferences": owners});
        let copy: PartialSecret = serde_json::from_value(serde_json::json!({"metadata": metadata})).unwrap();
        assert_eq!(
            copy.metadata,
            ObjectMeta {
                name: Some("a".to_owned()),
                ..ObjectMeta::default()
            }
        );
        let traits = copy.facts().traits;
        assert_eq!(traits.owners.len(), MAX_OWNERS);
        assert_eq!(traits.labels.iter().count(), DECLARED + 1);
        assert_eq!(traits.annotations.iter().count(), DECLARED + 1);
        let account: PartialServiceAccount = serde_json::from_value(serde_json::json!({"metadata": metadata})).unwrap();
        assert_eq!(
            account.metadata,
            ObjectMeta {
                name: Some("a".to_owned()),
                ..ObjectMeta::default()
            }
        );
    }

    /// The largest account that a tenant can make just below the bounds.
    #[test]
    fn an_account_takes_few_bytes_whatever_is_written_on_it() {
        let names: Vec<String> = (0..MAX_ENTRIES).map(|number| format!("{number:0>62}")).collect();
        let stale = (0..64).map(|number| format!("{number:0>253}"));
        let attached: Vec<String> = names.iter().cloned().chain(stale).collect();
        let entries: Vec<_> = names.iter().map(|name| serde_json::json!({"name": name})).collect();
        let metadata = serde_json::json!({"name": "a", "annotations": {ANNOTATION_ATTACHED: attached.join(",")}});
        let account = serde_json::json!({"metadata": metadata, "imagePullSecrets": entries});
        let mut account: PartialServiceAccount = serde_json::from_value(account).unwrap();
        account.prune(&Wanted::new(&[]), &Wanted::new(&["company", &names[0]]));
        let held = account.facts();
        let text = |name: &str| name.len() + 48;
        let bytes: usize = held.entries.iter().map(|entry| text(entry.name())).sum::<usize>()
            + held.attached.iter().map(|name| text(name)).sum::<usize>();
        assert_eq!((held.entries.len(), held.attached.len(), held.too_large), (1, 1, false));
        assert!(bytes < 256, "{bytes} bytes");
    }

    /// Bytes that the traits take on the heap.
    fn bytes(traits: &SecretTraits) -> usize {
        let words = traits.labels.iter().chain(traits.annotations.iter());
        let words: usize = words.map(|(key, value)| key.len() + value.len() + 64).sum();
        let owner = |owner: &Owner| {
            let other = owner.uid.to_string();
            owner.name.len() + other.len() + 16
        };
        words + traits.owners.capacity() * size_of::<Owner>() + traits.owners.iter().map(owner).sum::<usize>()
    }

    /// The largest metadata that a tenant can give a Secret with our label.
    fn hostile(number: usize) -> PartialSecret {
        let keys: Vec<String> = (0..64)
            .map(|key| format!("pull-secret.{}/{key}", "x".repeat(230)))
            .collect();
        let value = |key: &String| (key.clone(), format!("{number}{}", "v".repeat(12_000)));
        let mut annotations: BTreeMap<String, String> = keys.iter().map(value).collect();
        annotations.insert(ANNOTATION_DECLARED.to_owned(), keys.join(","));
        annotations.insert(ANNOTATION_RETAINED.to_owned(), "r".repeat(200_000));
        let mut labels: BTreeMap<&str, String> = keys.iter().map(|key| (key.as_str(), "l".repeat(63))).collect();
        labels.insert(LABEL_OBJECT, "x".repeat(63));
        let owner = |n: usize| {
            let (name, uid) = if n == 0 { (1_000_000, 1_000_000) } else { (253, 64) };
            serde_json::json!({"apiVersion": "pullsecrets.dev/v1", "kind": "ClusterPullSecret",
                "name": "o".repeat(name), "uid": format!("{n:04}{}", "u".repeat(uid - 4))})
        };
        let owners: Vec<_> = (0..1_000).map(owner).collect();
        let metadata = serde_json::json!({"name": "a", "labels": labels, "annotations": annotations,
            "ownerReferences": owners});
        serde_json::from_value(serde_json::json!({"metadata": metadata})).unwrap()
    }

    #[test]
    fn a_copy_takes_few_bytes_whatever_is_written_on_it() {
        let mut copy = hostile(1);
        let held = bytes(&copy.facts.traits);
        assert!(held < 24 * 1024, "{held} bytes under the name of an object's copies");
        let asked = Wanted::new(&["a"]);
        copy.prune(&asked);
        assert_eq!(bytes(&copy.facts.traits), held);
        copy.prune(&Wanted::new(&["other"]));
        let held = bytes(&copy.facts.traits);
        assert!(
            held < 1536 && copy.facts.traits.partial,
            "{held} bytes under the name of none"
        );
        assert_eq!(copy.facts.traits.labels.get(LABEL_OBJECT).map(str::len), Some(63));
    }

    #[test]
    fn a_value_that_is_too_long_still_counts_as_another_one() {
        let with = |value: &str| {
            let metadata = serde_json::json!({"name": "a", "labels": {LABEL_OBJECT: "a"},
                "annotations": {"k": value, ANNOTATION_DECLARED: "k"}});
            seen(serde_json::json!({"metadata": metadata})).traits
        };
        let declared = "v".repeat(1024);
        assert_eq!(with(&declared), with(&declared));
        for other in [format!("{declared}x"), "v".repeat(100_000), "v".to_owned()] {
            assert_ne!(with(&declared), with(&other));
        }
    }

    #[test]
    fn secrets_of_others_are_all_of_one_shape_whatever_is_written_on_them() {
        let theirs = |word: &str| {
            let marks = serde_json::json!({"theirs": word, "app.kubernetes.io/managed-by": word});
            seen(serde_json::json!({"metadata": {"name": "a", "labels": marks, "annotations": marks}, "type": word}))
        };
        assert_eq!(theirs("x").traits, theirs("y").traits);
        assert_eq!(*theirs("x").traits, SecretTraits::default());
        let annotations = serde_json::json!({ANNOTATION_RETAINED: "company", ANNOTATION_DECLARED: "l", "a": "b"});
        let retained = seen(serde_json::json!({"metadata": {"annotations": annotations}}));
        assert_eq!(retained.traits.annotations.iter().count(), 2);
    }

    #[test]
    fn an_apply_by_us_that_owns_the_data_is_evidence_and_nothing_less() {
        let told = |labels: serde_json::Value, manager: &str, operation: &str, fields: serde_json::Value| {
            let entry = serde_json::json!({"manager": manager, "operation": operation, "time": "2026-01-01T00:00:00Z",
                "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields});
            let fields = [serde_json::json!({"manager": "kubectl", "operation": "Update"}), entry];
            let secret = serde_json::json!({"metadata": {"labels": labels, "managedFields": fields}});
            seen(secret).traits.applied_by_us
        };
        let applied = |manager: &str, operation: &str, fields| told(serde_json::json!({}), manager, operation, fields);
        let data = serde_json::json!({"f:data": {".": {}, "f:.dockerconfigjson": {}}, "f:type": {}});
        assert!(applied("pullsecrets", "Apply", data.clone()));
        let labelled = serde_json::json!({LABEL_OBJECT: "a"});
        assert!(
            !told(labelled, "pullsecrets", "Apply", data.clone()),
            "the label says it"
        );
        assert!(!applied("pullsecrets", "Update", data.clone()));
        assert!(!applied("kubectl", "Apply", data));
        assert!(!applied("pullsecrets", "Apply", serde_json::json!({"f:metadata": {}})));
        assert!(!applied(
            "pullsecrets",
            "Apply",
            serde_json::json!({"f:data": {"f:other": {}}})
        ));
    }

    #[test]
    fn our_manager_of_a_list_is_proof_where_there_is_no_record() {
        let proves = |manager: &str, field: &str, annotations: serde_json::Value| {
            let entry = serde_json::json!({"manager": manager, "operation": "Update", "fieldsV1": {field: {}}});
            let metadata = serde_json::json!({"name": "a", "annotations": annotations, "managedFields": [entry]});
            let account = serde_json::json!({"metadata": metadata, "imagePullSecrets": [{"name": "x"}]});
            serde_json::from_value::<PartialServiceAccount>(account)
                .unwrap()
                .facts()
                .listed_by_us
        };
        let (list, none) = ("f:imagePullSecrets", serde_json::json!({}));
        assert!(proves("pullsecrets", list, none.clone()));
        assert!(!proves("pullsecrets-unproven", list, none.clone()));
        assert!(!proves("kubectl", list, none.clone()));
        assert!(!proves("pullsecrets", "f:metadata", none));
        assert!(!proves(
            "pullsecrets",
            list,
            serde_json::json!({ANNOTATION_ATTACHED: "x"})
        ));
    }

    #[test]
    fn a_source_was_changed_when_it_was_written_last() {
        let changed_at = |times: &[&str]| {
            let writes: Vec<_> = times.iter().map(|time| serde_json::json!({"time": time})).collect();
            let metadata = serde_json::json!({"creationTimestamp": "1970-01-01T00:00:07Z", "managedFields": writes});
            let source: SourceSecret = serde_json::from_value(serde_json::json!({"metadata": metadata})).unwrap();
            source.changed_at()
        };
        assert_eq!(changed_at(&[]), Some(7));
        assert_eq!(changed_at(&["1970-01-01T00:01:00Z", "1970-01-01T00:00:30Z"]), Some(60));
    }

    #[test]
    fn the_last_writer_of_a_field_is_the_latest_other_manager_that_owns_it() {
        let entry = |manager: &str, minute: u32, field: &str| {
            serde_json::json!({"manager": manager, "operation": "Update", "time": format!("2026-01-01T00:0{minute}:00Z"),
                "fieldsType": "FieldsV1", "fieldsV1": {field: {}}})
        };
        let writer = |entries: &[serde_json::Value]| {
            let meta: ObjectMeta = serde_json::from_value(serde_json::json!({"managedFields": entries})).unwrap();
            last_writer(&meta, |fields| fields.get("f:imagePullSecrets").is_some())
        };
        let (list, other) = ("f:imagePullSecrets", "f:metadata");
        assert_eq!(writer(&[]), None);
        assert_eq!(
            writer(&[entry("pullsecrets", 5, list), entry("kubectl", 4, other)]),
            None
        );
        let both = [
            entry("early", 1, list),
            entry("late", 2, list),
            entry("later", 3, other),
        ];
        assert_eq!(writer(&both).as_deref(), Some("late"));
    }
}

//! The body of each request that carries a plan out, or undoes it.
//!
//! Each patch is a merge patch with the uid and the resourceVersion as seen. A Secret or an account that changed since
//! answers with a conflict, and is read and judged again.

use std::collections::BTreeMap;

use crd::ClusterPullSecret;
use crd::names::{
    ANNOTATION_ADOPTED, ANNOTATION_ATTACHED, ANNOTATION_RETAINED, DOCKER_CONFIG_TYPE, LABEL_MANAGED_BY, LABEL_OBJECT,
    MANAGED_BY,
};
use serde_json::{Map, Value, json};

use super::about::about;
use super::decode::docker_config;
use super::eso;
use super::keys::WITH_LOGINS;
use super::leftovers::{Account, Leftovers, Meta, Owner, Secret};
use super::propose::{Member, Source};
use super::recognise::{Record, recognise};
use super::role::{Role, State};
use super::tool::Tool;
use crate::world::LAST_APPLIED;

/// The record on a source that an adoption made.
const SOURCE: &str = "source";

/// What a tool wrote besides the login.
struct Marks {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    owners: Vec<Owner>,
}

impl Marks {
    fn of(seen: &Leftovers, member: &Member) -> Self {
        let (about, meta) = (about(member.found.tool), &member.secret.meta);
        let kept = member.found.tool == Tool::ExternalSecrets && eso::keeper(seen, &member.secret).is_some();
        let goes = |(key, _): &(&String, &String)| !(kept && eso::PUT_BACK.contains(&key.as_str()));
        let owned = |(key, value): (&String, &String)| (key.clone(), value.clone());
        // Else the old login outlives its rotation.
        let applied = meta.annotations.get_key_value(LAST_APPLIED);
        let of_tool = |owner: &&Owner| about.owners.contains(&owner.group());
        Self {
            labels: about.marked_labels(meta).into_iter().filter(goes).map(owned).collect(),
            annotations: about
                .marked_annotations(meta)
                .into_iter()
                .filter(goes)
                .chain(applied)
                .map(owned)
                .collect(),
            owners: meta.owners.iter().filter(of_tool).cloned().collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty() && self.owners.is_empty()
    }
}

/// Returns whether a Secret has marks of its tool, or was not recorded yet.
pub fn needs_strip(seen: &Leftovers, member: &Member) -> bool {
    member.state() == State::Left && member.secret.record().is_none() || !Marks::of(seen, member).is_empty()
}

/// Returns the patch that takes the marks of the tool off a Secret, and records them.
pub fn strip(seen: &Leftovers, member: &Member) -> Value {
    let (marks, meta) = (Marks::of(seen, member), &member.secret.meta);
    let mut record = member.secret.record().unwrap_or_default();
    record.from = format!("{:?}", member.found.tool);
    record.source |= member.found.role == Role::Source;
    let mut annotations = nulls(marks.annotations.keys());
    record.labels.extend(marks.labels.clone());
    record.annotations.extend(
        marks
            .annotations
            .into_iter()
            .filter(|(key, _)| !WITH_LOGINS.contains(&key.as_str())),
    );
    for owner in &marks.owners {
        if !record.owners.iter().any(|known| known.uid == owner.uid) {
            record.owners.push(owner.clone());
        }
    }
    annotations.insert(ANNOTATION_ADOPTED.to_owned(), json!(record_text(&record)));
    let mut metadata = versioned(meta);
    metadata.insert("annotations".to_owned(), Value::Object(annotations));
    if !marks.labels.is_empty() {
        metadata.insert("labels".to_owned(), Value::Object(nulls(marks.labels.keys())));
    }
    if !marks.owners.is_empty() {
        let stays: Vec<&Owner> = meta
            .owners
            .iter()
            .filter(|owner| !marks.owners.contains(owner))
            .collect();
        metadata.insert("ownerReferences".to_owned(), json!(stays));
    }
    json!({ "metadata": metadata })
}

/// Returns the patch that records an entry of an account as one of the operator. It writes no list.
///
/// Annotations by which an account asks a tool for the Secret go, and are recorded as those of a Secret are.
pub fn record(account: &Account, secret: &str, tools: &[Tool]) -> Value {
    let mut attached = account.attached.clone();
    if !attached.iter().any(|name| name == secret) {
        attached.push(secret.to_owned());
    }
    let asking = if tools.contains(&Tool::Pfnet) {
        about(Tool::Pfnet).marked_annotations(&account.meta)
    } else {
        Vec::new()
    };
    let mut annotations = nulls(asking.iter().map(|(key, _)| *key));
    if !asking.is_empty() {
        let owned = |(key, value): (&String, &String)| (key.clone(), value.clone());
        let record = Record {
            from: format!("{:?}", Tool::Pfnet),
            annotations: asking.into_iter().map(owned).collect(),
            ..Record::default()
        };
        annotations.insert(ANNOTATION_ADOPTED.to_owned(), json!(record_text(&record)));
    }
    annotations.insert(ANNOTATION_ATTACHED.to_owned(), json!(attached.join(",")));
    let mut metadata = versioned(&account.meta);
    metadata.insert("annotations".to_owned(), Value::Object(annotations));
    json!({ "metadata": metadata })
}

/// Returns the source as it is created, from the JSON of the Secret that it is copied from.
pub fn source(source: &Source, json: &str) -> Option<Value> {
    Some(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": source.name,
            "namespace": source.namespace,
            "annotations": {ANNOTATION_ADOPTED: SOURCE},
        },
        "type": DOCKER_CONFIG_TYPE,
        "data": docker_config(json)?,
    }))
}

/// Returns whether an adoption made this source.
pub fn is_made_source(secret: &Secret) -> bool {
    secret.meta.annotation(ANNOTATION_ADOPTED) == Some(SOURCE)
}

/// Returns the patch of the object that sets these fields of its spec.
pub fn object(object: &ClusterPullSecret, spec: &Value) -> Value {
    json!({
        "metadata": {"uid": object.metadata.uid, "resourceVersion": object.metadata.resource_version},
        "spec": spec,
    })
}

/// Returns the patch that puts back what an adoption took off, once the operator has left the Secret to its namespace.
///
/// An owner that no longer exists stays off, because garbage collection would delete the Secret with it.
pub fn restore(seen: &Leftovers, secret: &Secret) -> Option<Value> {
    let record = secret.record()?;
    let meta = &secret.meta;
    let mut annotations = nulls([ANNOTATION_ADOPTED.to_owned(), ANNOTATION_RETAINED.to_owned()].iter());
    annotations.extend(record.annotations.into_iter().map(|(key, value)| (key, json!(value))));
    let mut labels = nulls([LABEL_OBJECT.to_owned()].iter());
    if meta.is_labelled(LABEL_MANAGED_BY, Some(MANAGED_BY)) {
        labels.insert(LABEL_MANAGED_BY.to_owned(), Value::Null);
    }
    labels.extend(record.labels.into_iter().map(|(key, value)| (key, json!(value))));
    let lives = |owner: &Owner| {
        let account = |account: &Account| account.meta.uid == owner.uid;
        seen.owner(owner).is_some() || seen.accounts.values().any(account)
    };
    let mut owners: Vec<Owner> = meta.owners.iter().filter(|owner| !owner.is_ours()).cloned().collect();
    for owner in record.owners {
        if lives(&owner) && !owners.iter().any(|known| known.uid == owner.uid) {
            owners.push(owner);
        }
    }
    let mut metadata = versioned(meta);
    metadata.insert("annotations".to_owned(), Value::Object(annotations));
    metadata.insert("labels".to_owned(), Value::Object(labels));
    metadata.insert("ownerReferences".to_owned(), json!(owners));
    Some(json!({ "metadata": metadata }))
}

/// Returns the patch that takes the record of an entry off an account, and puts back what an adoption took off. The entry
/// stays.
pub fn unrecord(account: &Account, secret: &str) -> Value {
    let mut attached = account.attached.clone();
    attached.retain(|name| name != secret);
    let value = if attached.is_empty() {
        Value::Null
    } else {
        json!(attached.join(","))
    };
    let mut annotations = Map::new();
    if let Some(record) = account.meta.record() {
        annotations.insert(ANNOTATION_ADOPTED.to_owned(), Value::Null);
        annotations.extend(record.annotations.into_iter().map(|(key, value)| (key, json!(value))));
    }
    annotations.insert(ANNOTATION_ATTACHED.to_owned(), value);
    let mut metadata = versioned(&account.meta);
    metadata.insert("annotations".to_owned(), Value::Object(annotations));
    json!({ "metadata": metadata })
}

/// Returns the member as it is now, if all that the plan depends on is as it was.
///
/// The error says what changed.
pub fn judged_again(seen: &Leftovers, member: &Member, now: Secret) -> Result<Member, String> {
    if now.meta.uid != member.secret.meta.uid {
        return Err("it was deleted and created again meanwhile".to_owned());
    }
    if now.meta.deleting {
        return Err("it is being deleted".to_owned());
    }
    let adopted = now.state() == State::Adopted;
    if !adopted && !now.content.is_same(&member.secret.content) {
        return Err("its content changed meanwhile".to_owned());
    }
    let found = recognise(seen, &now).ok_or("its type changed meanwhile")?;
    if let Some(step) = super::blocks::first(seen, &now, &found).into_iter().next() {
        return Err(step.why);
    }
    if let Some(why) = super::blocks::never(&now, &found) {
        return Err(why);
    }
    Ok(Member {
        secret: now,
        found,
        aligned: member.aligned,
    })
}

fn record_text(record: &Record) -> String {
    serde_json::to_string(record).unwrap_or_default()
}

fn versioned(meta: &Meta) -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert("uid".to_owned(), json!(meta.uid));
    metadata.insert("resourceVersion".to_owned(), json!(meta.version));
    metadata
}

fn nulls<'a>(keys: impl Iterator<Item = &'a String>) -> Map<String, Value> {
    keys.map(|key| (key.clone(), Value::Null)).collect()
}

//! The table of tools, what is near to them and is left alone, and groups.

mod groups;
mod near;
pub(crate) mod rows;
mod selection;
mod tools;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::leftovers::Leftovers;
use super::options::Options;
use super::plan::Plan;
use super::report::{GroupReport, Verdict};
use super::{Proposal, Step};

/// A word that must not appear in anything that is printed or written, except in data of Secrets.
pub(crate) const CANARY: &str = "CANARY";

/// The namespace of the operator.
pub(crate) const OPERATOR: &str = "pullsecrets-system";

/// The time of all snapshots, in seconds and as text.
const NOW: i64 = 1_772_445_600;
pub(crate) const NOW_TEXT: &str = "2026-03-02T10:00:00Z";

/// What a person asks for, in a form that tests change.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) from: Vec<String>,
    pub(crate) align: bool,
    pub(crate) source: Option<&'static str>,
    pub(crate) only: Option<&'static str>,
}

/// A snapshot of these objects.
pub(crate) fn seen(objects: &[Value]) -> Leftovers {
    let mut seen = Leftovers::new([7; 16], NOW);
    for object in objects {
        seen.add_dump("test", &object.to_string());
    }
    assert!(seen.unread.is_empty(), "{:?}", seen.unread);
    seen
}

pub(crate) fn plan(seen: &Leftovers, asked: &Asked) -> Plan {
    let selects = |namespace: &str| {
        asked
            .only
            .is_none_or(|only| only.split(',').any(|only| only == namespace))
    };
    Plan::of(
        seen,
        &Options {
            from: &asked.from,
            align: asked.align,
            source: asked.source,
            operator_namespace: OPERATOR,
            selects: &selects,
        },
    )
}

/// The only group of a plan.
pub(crate) fn only(plan: Plan) -> (GroupReport, Option<Proposal>) {
    let mut groups = plan.groups;
    assert_eq!(groups.len(), 1, "{groups:#?}");
    groups.remove(0)
}

/// The verdict of the only group.
pub(crate) fn verdict(objects: &[Value]) -> (Verdict, GroupReport) {
    let (group, _) = only(plan(&seen(objects), &Asked::default()));
    (group.verdict, group)
}

pub(crate) fn commands(steps: &[Step]) -> String {
    let commands = steps.iter().filter_map(|step| step.command.as_deref());
    commands.collect::<Vec<_>>().join("\n")
}

/// Namespaces, each with its account `default`.
pub(crate) fn namespaces(names: &[&str]) -> Vec<Value> {
    let namespace = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}})
    };
    names
        .iter()
        .flat_map(|name| [namespace(name), account(name, "default", &[])])
        .collect()
}

pub(crate) fn account(namespace: &str, name: &str, entries: &[&str]) -> Value {
    let entries: Vec<Value> = entries.iter().map(|entry| json!({"name": entry})).collect();
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "imagePullSecrets": entries,
        "metadata": {"namespace": namespace, "name": name, "uid": format!("sa-{namespace}-{name}"), "resourceVersion": "5"}})
}

/// A docker config with one login.
pub(crate) fn login(server: &str, user: &str) -> Value {
    json!({"auths": {server: {"username": user, "password": CANARY}}})
}

/// A pull secret with the metadata of a tool and this docker config.
pub(crate) fn secret(namespace: &str, name: &str, metadata: &Value, config: &Value) -> Value {
    let mut all =
        json!({"namespace": namespace, "name": name, "uid": format!("uid-{namespace}-{name}"), "resourceVersion": "7"});
    merge(&mut all, metadata);
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": all, "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": STANDARD.encode(config.to_string())}})
}

/// A Deployment with this image and these labels, that wants so many Pods.
pub(crate) fn deployment(namespace: &str, name: &str, labels: &Value, image: &str, replicas: u8) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {"replicas": replicas, "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"image": image}]}}},
        "status": {"replicas": replicas}})
}

/// Applies a merge patch.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else {
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key).or_insert(Value::Null), value);
        }
    }
}

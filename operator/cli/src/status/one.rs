//! The tree of one object.

use crd::{ClusterPullSecret, ClusterPullSecretStatus, Condition, RegistryStatus};

use super::tree::Node;
use super::{Deletion, ObjectState, is_observed, is_ready};
use crate::output::Terminal;

/// Most copies that are named.
const COPIES: usize = 20;

/// Returns the tree of one object in one context.
pub fn tree_of(state: &ObjectState, terminal: Terminal) -> String {
    let object = &state.object;
    let mut root = Node::new(first_line(state));
    let Some(status) = object.status.as_ref() else {
        root.add(Node::new("the operator has not reported on it yet: is it running?"));
        return root.text(terminal);
    };
    if let Some(message) = status
        .ready()
        .filter(|_| !is_ready(object))
        .map(|ready| ready.message.as_str())
    {
        root.add(Node::new(message));
    }
    for condition in status.conditions.iter().filter(|condition| is_telling(condition)) {
        root.add(Node::new(format!(
            "{}={} {}: {}",
            condition.type_, condition.status, condition.reason, condition.message
        )));
    }
    // An object that the operator has not looked at has no rows and no counts yet.
    if !status.registries.is_empty() {
        root.add(registries(object, &status.registries));
    }
    if let Some(counts) = &status.namespaces {
        let mut namespaces = Node::new(format!("namespaces {} of {}", counts.ready, counts.selected));
        let rows = status.failures.iter();
        let rows: Vec<[String; 3]> = rows
            .map(|failure| {
                [
                    failure.namespace.clone(),
                    failure.reason.to_string(),
                    failure.message.clone(),
                ]
            })
            .collect();
        namespaces.add_rows(&rows);
        root.add(namespaces);
    }
    if let Some(counts) = &status.service_accounts {
        root.add(Node::new(format!("accounts {} of {}", counts.ready, counts.selected)));
    }
    if let Some(deletion) = &state.deletion {
        root.add(waiting(deletion));
    }
    root.text(terminal)
}

/// What a deletion waits for.
fn waiting(deletion: &Deletion) -> Node {
    let mut node = Node::new(format!(
        "deletion since {} waits for: {}",
        deletion.since,
        deletion.advice()
    ));
    for finalizer in &deletion.finalizers {
        node.add(Node::new(format!("finalizer {finalizer}")));
    }
    for copy in deletion.copies.iter().take(COPIES) {
        node.add(Node::new(format!("copy {copy}")));
    }
    if let Some(more) = deletion.copies.len().checked_sub(COPIES).filter(|more| *more > 0) {
        node.add(Node::new(format!("and {more} more copies")));
    }
    if let Some(why) = &deletion.copies_unseen {
        node.add(Node::new(format!("copies: {why}")));
    }
    node
}

fn first_line(state: &ObjectState) -> String {
    let object = &state.object;
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let ready = object.status.as_ref().and_then(ClusterPullSecretStatus::ready);
    let ready = ready.map_or_else(
        || "Ready=Unknown".to_owned(),
        |ready| format!("Ready={} {}", ready.status, ready.reason),
    );
    let generation = object.metadata.generation.unwrap_or_default();
    let seen = if is_observed(object) { "seen" } else { "not seen yet" };
    let mut line = format!(
        "{name}   {ready}, generation {generation} {seen}, context {}",
        state.context
    );
    if object.spec.suspend {
        line.push_str(", suspended");
    }
    line
}

/// `Ready` and its parts are in the tree. `Reconciling` repeats them.
fn is_telling(condition: &Condition) -> bool {
    condition.type_ == "Stalled"
}

fn registries(object: &ClusterPullSecret, registries: &[RegistryStatus]) -> Node {
    let mut node = Node::new("registries");
    let rows: Vec<[String; 3]> = registries
        .iter()
        .enumerate()
        .map(|(at, registry)| {
            let whole = || format!("docker config: {}", registry.servers.join(", "));
            let server = registry.server.clone().unwrap_or_else(whole);
            let source = object.spec.registries.get(at).map(source).unwrap_or_default();
            [
                server,
                registry.reason.clone(),
                registry.message.clone().unwrap_or(source),
            ]
        })
        .collect();
    node.add_rows(&rows);
    node
}

/// The Secret with the login.
fn source(registry: &crd::Registry) -> String {
    let references = registry
        .credentials
        .references()
        .map(|reference| match &reference.namespace {
            Some(namespace) => format!("{namespace}/{}", reference.name),
            None => reference.name.clone(),
        });
    references.collect::<Vec<_>>().join(", ")
}

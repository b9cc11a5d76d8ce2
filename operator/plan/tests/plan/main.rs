//! The plan in tables: each row has a small cluster, and the expected writes and states.
//!
//! Each line of an expectation is about one Secret or one account. It has the write, the wait, the state of each object
//! that wants it, and the objects that leave or wait for the write. An unexpected or missing line is a failure, so a row
//! also says what the operator does *not* do.

#[path = "../common/mod.rs"]
mod common;

mod accounts;
mod conflicts;
mod copies;
mod declared;
mod drift;
mod going;
mod handover;
mod permitted;
mod records;
mod restrained;
mod retained;
mod several;
mod sources;
mod suspended;
mod tied;

use std::sync::Arc;
use std::time::Duration;

use plan::action::{AccountAction, Content, SecretAction};
use plan::decision::{Decision, State};
use plan::object::Object;
use plan::observed::{Account, Namespace};
use plan::scope::{Cluster, Scope};
use plan::secret::REFERENCES_FIRST;
use plan::{secret, service_account};

use common::World;

/// A sentence, a cluster, and all that the plan makes of it.
type Row<'a> = (&'a str, World, &'a [&'a str]);

fn check<const N: usize>(rows: [Row<'_>; N]) {
    check_after(Duration::ZERO, rows);
}

/// The same where what is to go has been known to go for that long.
fn check_after<const N: usize>(removal_pending_for: Duration, rows: [Row<'_>; N]) {
    for (sentence, world, expected) in rows {
        assert_eq!(decided(&world, removal_pending_for), expected, "{sentence}");
    }
}

/// The lines of all namespaces; what is neither touched nor spoken of has none.
fn decided(world: &World, removal_pending_for: Duration) -> Vec<String> {
    let cluster = world.cluster();
    let mut lines = Vec::new();
    for (namespace, facts) in &world.namespaces {
        lines.extend(decided_in(&cluster, namespace, facts, removal_pending_for));
    }
    lines
}

fn decided_in(cluster: &Cluster, namespace: &str, facts: &Namespace, removal_pending_for: Duration) -> Vec<String> {
    let scope = cluster.scope(namespace, facts);
    let mut lines = Vec::new();
    for name in scope.secret_names() {
        let decision = decide_secret(&scope, name, removal_pending_for);
        let action = decision.action.as_ref().map(|action| secret_text(facts, name, action));
        lines.extend(line(&format!("secret {namespace}/{name}"), action, &decision));
    }
    for (name, seen) in &facts.accounts {
        let decision = service_account::decide(&scope, name, seen, service_account::Context::default());
        let action = decision.action.as_ref().map(|action| account_text(seen, action));
        lines.extend(line(&format!("account {namespace}/{name}"), action, &decision));
    }
    lines
}

fn decide_secret<'a>(scope: &Scope<'a>, name: &'a str, removal_pending_for: Duration) -> Decision<'a, SecretAction> {
    secret::decide(
        scope,
        name,
        secret::Context {
            removal_pending_for,
            ..secret::Context::default()
        },
    )
}

fn secret_text(facts: &Namespace, name: &str, action: &SecretAction) -> String {
    let (text, version) = match action {
        SecretAction::Create(_) => ("create".to_owned(), None),
        SecretAction::Update { version, .. } => ("update".to_owned(), Some(version)),
        SecretAction::Assign {
            version,
            object,
            owners,
        } => {
            let owners: Vec<_> = owners.iter().map(|owner| owner.name.as_ref()).collect();
            (format!("assign to {object} owned by {owners:?}"), Some(version))
        }
        SecretAction::Reclaim { version, object } => (format!("reclaim for {object}"), Some(version)),
        SecretAction::Release { version, object } => (format!("release from {object}"), Some(version)),
        SecretAction::Delete { version } => ("delete".to_owned(), Some(version)),
        SecretAction::Empty { version } => ("empty".to_owned(), Some(version)),
    };
    let seen = facts.secrets.get(name).map(|seen| &seen.version);
    assert_eq!(
        version, seen,
        "every write of a Secret carries what it was planned from"
    );
    text
}

fn account_text(seen: &Account, action: &AccountAction) -> String {
    assert_eq!(action.version, seen.version, "and so does every write of an account");
    format!("{:?} recording [{}]", action.entries, action.attached.join(", "))
}

fn line<A>(key: &str, action: Option<String>, decision: &Decision<'_, A>) -> Option<String> {
    let mut parts: Vec<String> = action.into_iter().collect();
    parts.extend(
        decision
            .requeue_after
            .map(|delay| format!("wait {} s", delay.as_secs())),
    );
    parts.extend(decision.removal_pending.then(|| "leaving".to_owned()));
    parts.extend(decision.states.iter().map(|(object, state)| {
        let state = match state {
            State::Ready => "Ready",
            State::Pending => "Pending",
            State::Failed(failure) => failure.reason.as_str(),
        };
        format!("{} {state}", object.name)
    }));
    parts.extend(decision.removals.iter().filter_map(|(object, state)| match state {
        State::Failed(failure) => Some(format!("{} {} leaving", object.name, failure.reason)),
        State::Pending if decision.pending_cleanup.contains(object) => None,
        State::Pending | State::Ready => Some(format!("{} leaving", object.name)),
    }));
    parts.extend(
        decision
            .pending_cleanup
            .iter()
            .map(|object| format!("owed to {}", object.name)),
    );
    (!parts.is_empty()).then(|| format!("{key}: {}", parts.join(", ")))
}

/// What a create or an update of `name` in the namespace `n` declares.
fn content(world: &World, name: &str) -> Content {
    let cluster = world.cluster();
    let scope = cluster.scope("n", &world.namespaces["n"]);
    let name = scope.secret_names().into_iter().find(|known| ***known == *name);
    let action = name.and_then(|name| decide_secret(&scope, name, Duration::ZERO).action);
    match action {
        Some(SecretAction::Create(content) | SecretAction::Update { content, .. }) => Some(content),
        Some(
            SecretAction::Assign { .. }
            | SecretAction::Reclaim { .. }
            | SecretAction::Release { .. }
            | SecretAction::Delete { .. }
            | SecretAction::Empty { .. },
        )
        | None => None,
    }
    .expect("a write of the copy")
}

/// Returns the message of the object about its copy `company` in the namespace `n`.
fn message(world: &World, object: &str) -> String {
    let cluster = world.cluster();
    let scope = cluster.scope("n", &world.namespaces["n"]);
    let decision = decide_secret(&scope, "company", Duration::ZERO);
    let reported = |(wanting, state): &(&Arc<Object>, State)| match state {
        State::Failed(failure) if wanting.name.as_ref() == object => Some(failure.message.to_string()),
        State::Failed(_) | State::Ready | State::Pending => None,
    };
    decision.states.iter().find_map(reported).unwrap_or_default()
}

/// A world in which `company` selects the namespace `n`, and the account `default` has no reference yet.
fn fresh(object: Object) -> World {
    World::of([object])
        .namespace("n", &[])
        .account("n/default", common::bare())
}

/// The same, with the copy as it is and the reference in place.
fn with_copy(object: Object, copy: common::Stored) -> World {
    fresh(object)
        .secret("n/company", copy)
        .account("n/default", common::account(&["company"], &["company"]))
}

/// Longer than references are waited for.
const LATE: Duration = REFERENCES_FIRST;

//! Tests of the reconciler alone: events, lists and replies in, work and summaries out.

mod affected;
mod contention;
mod copies;
mod in_flight;
mod long_lists;
mod managed_names;
mod observe;
mod random;
mod removal;
mod retry;
mod rollout;
mod squatters;
mod start;
mod stuck;
mod summary;

use std::sync::Arc;
use std::time::Duration;

use crd::{ClusterPullSecretSpec, FailureReason};
use plan::action::SecretAction;
use plan::decision::Failure;
use plan::identity::Version;
use plan::object::{Lifecycle, Object, Spec};
use plan::observed::{Account, Entry, Secret, SecretTraits};
use plan::payload::{DigestKey, Payload};
use plan::summary::{Count, Summary};
use serde_json::json;

use super::observe::ADMISSION_LAG;
use super::{Affected, Kind, Reconciler, SHARED, Seen};
use crate::outcome::{ApiError, Outcome};
use crate::wanted::LabelKeys;
use crate::work::{Key, Lane, Target, Work, Write};

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u32) -> Duration {
    SECOND * seconds
}

fn object(lifecycle: Lifecycle) -> Arc<Object> {
    object_for("default", lifecycle)
}

/// An object that selects the accounts of that name.
fn object_for(account: &str, lifecycle: Lifecycle) -> Arc<Object> {
    let spec: ClusterPullSecretSpec = serde_json::from_value(json!({
        "registries": [{"server": "ghcr.io", "credentials": {"dockerConfig": {"secretRef": {"name": "source"}}}}],
        "namespaces": {"selectors": [{"matchLabels": {"pull": "yes"}}]},
        "serviceAccounts": {"names": [account]},
    }))
    .unwrap();
    Arc::new(Object {
        name: "company".into(),
        uid: "uid-company".into(),
        created: 1,
        lifecycle,
        spec: Spec::parse("company", &spec, "pullsecrets-system").unwrap(),
        payload: Some(Arc::new(Payload::new(b"{}", &DigestKey::new([0; 16])))),
        tied: None,
    })
}

fn account(version: &str, entries: &[&str], attached: &[&str]) -> Account {
    Account {
        version: Version::new("uid-account", version),
        labels: plan::labels::Labels::default(),
        entries: entries.iter().map(|name| Entry::named(name)).collect(),
        attached: attached.iter().map(|&name| name.into()).collect(),
        deleting: false,
        too_large: false,
        listed_by_us: false,
        hidden: None,
    }
}

/// The Secret that a server would hold after this write.
fn written(action: &SecretAction, version: &str) -> Secret {
    let (SecretAction::Create(content) | SecretAction::Update { content, .. }) = action else {
        panic!("{action:?} leaves no content");
    };
    let traits = SecretTraits {
        docker_config_type: true,
        labels: content.labels.iter().collect(),
        annotations: content.annotations.iter().collect(),
        owners: content.owners.clone(),
        ..SecretTraits::default()
    };
    Secret {
        version: Version::new("uid-copy", version),
        digest: Some(Arc::clone(content.payload.digest())),
        traits: Arc::new(traits),
    }
}

fn selected() -> plan::labels::Labels {
    [("pull", "yes")].into_iter().collect()
}

fn secret_key() -> Key {
    Key::secret(&"a".into(), &"company".into())
}

fn account_key() -> Key {
    Key::account(&"a".into(), &"default".into())
}

/// A started reconciler with the object and the selected namespace `a`, before any write.
fn started() -> Reconciler {
    let mut reconciler = Reconciler::new([]);
    for kind in [Kind::Namespace, Kind::Account, Kind::Copy] {
        reconciler.begin_list(kind.clone());
        reconciler.end_list(kind, at(0));
    }
    reconciler.declare(&object(Lifecycle::Active), 1, true, at(0));
    reconciler.start(at(0));
    reconciler.see_namespace("a", selected(), false, at(0));
    reconciler.see_account("a", "default", Seen::There(account("10", &[], &[])), at(0));
    reconciler
}

fn secret_action(reconciler: &Reconciler) -> SecretAction {
    match reconciler.write(&secret_key(), at(0)) {
        Some(Write::Secret { action, .. }) => action,
        other => panic!("expected a write of the secret, found {other:?}"),
    }
}

/// The same, with copy and reference in place.
fn served() -> Reconciler {
    let mut reconciler = started();
    let copy = written(&secret_action(&reconciler), "20");
    assert_eq!(
        reconciler.wrote_secret(&secret_key(), Outcome::Done(Some(copy)), at(0)),
        []
    );
    let patched = account("21", &["company"], &["company"]);
    assert_eq!(
        reconciler.wrote_account(&account_key(), Outcome::Done(Some(patched)), at(0)),
        []
    );
    reconciler
}

fn summary(reconciler: &Reconciler) -> Summary {
    reconciler.tally.summary("company").unwrap()
}

fn keys(work: &[Work]) -> Vec<Key> {
    work.iter().map(|work| work.key.clone()).collect()
}

/// The work of all namespaces in the rollout queue.
fn turns(reconciler: &mut Reconciler, now: Duration) -> Vec<Work> {
    let mut work = Vec::new();
    for lane in [Lane::Fresh, Lane::Bulk] {
        while let Some(found) = reconciler.next_namespace(lane, now) {
            work.extend(found);
        }
    }
    work
}

/// The same object under another name, which its copies have too.
fn another(name: &str) -> Arc<Object> {
    let object = object(Lifecycle::Active);
    Arc::new(Object {
        name: name.into(),
        uid: name.into(),
        spec: Spec {
            secret_name: name.into(),
            ..object.spec.clone()
        },
        ..(*object).clone()
    })
}

/// Whether it is due at once, except that writes of one account are shared.
fn is_soon(work: &Work, now: Duration) -> bool {
    work.at.is_none_or(|at| at <= now + SHARED)
}

/// Hands out the write that the account needs.
fn patch(reconciler: &mut Reconciler, now: Duration) {
    let action = reconciler.write(&account_key(), now).unwrap();
    reconciler.start_write(&account_key(), &Arc::new(action), now);
}

fn squatter(version: &str) -> Secret {
    Secret {
        version: Version::new("uid-other", version),
        digest: None,
        traits: Arc::default(),
    }
}

fn refusal() -> plan::decision::Failure {
    plan::decision::Failure::new(FailureReason::AdmissionDenied, "refused")
}

/// The namespace `a` is no longer selected, and its reference is gone.
fn left(mut reconciler: Reconciler) -> Reconciler {
    reconciler.see_namespace("a", plan::labels::Labels::default(), false, at(1));
    reconciler.wrote_account(&account_key(), Outcome::Done(Some(account("30", &[], &[]))), at(1));
    reconciler
}

fn forbidden() -> ApiError {
    ApiError::Refused(Failure::new(FailureReason::Forbidden, "the server forbids it (403)"))
}

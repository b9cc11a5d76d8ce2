//! Starts: what is listed and read before the first write.

use super::*;

#[test]
fn no_write_is_planned_before_all_is_listed() {
    let mut reconciler = Reconciler::new([]);
    reconciler.declare(&object(Lifecycle::Active), 1, true, at(0));
    assert_eq!(reconciler.see_namespace("a", selected(), false, at(0)), []);
    assert_eq!(reconciler.end_list(Kind::Namespace, at(0)), []);
    assert!(!reconciler.is_listed());
    assert_eq!(turns(&mut reconciler, at(0)), []);
    reconciler.end_list(Kind::Account, at(0));
    reconciler.end_list(Kind::Copy, at(0));
    assert!(reconciler.is_listed());
    reconciler.start(at(0));
    assert_eq!(keys(&turns(&mut reconciler, at(0))), [secret_key()]);
}

/// A reconciler that starts with everything listed and no write made, as after a restart beside a squatter.
fn restarted() -> (Reconciler, Vec<Work>) {
    let mut reconciler = Reconciler::new([]);
    reconciler.declare(&object(Lifecycle::Active), 1, true, at(0));
    reconciler.see_namespace("a", selected(), false, at(0));
    reconciler.see_account("a", "default", Seen::There(account("10", &[], &[])), at(0));
    for kind in [Kind::Namespace, Kind::Account, Kind::Copy] {
        reconciler.end_list(kind, at(0));
    }
    reconciler.start(at(0));
    let work = turns(&mut reconciler, at(0));
    (reconciler, work)
}

/// A restart writes no reference before it knows whose Secret is there.
#[test]
fn after_a_restart_references_wait_for_secrets() {
    let (mut reconciler, work) = restarted();
    assert_eq!(keys(&work), [secret_key()]);
    let squatter = Secret {
        version: Version::new("uid-other", "5"),
        digest: None,
        traits: Arc::default(),
    };
    let work = reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(squatter)), at(1));
    assert_eq!(work, [], "no reference was written, and none is to be");

    let (mut reconciler, _) = restarted();
    let copy = written(&secret_action(&reconciler), "20");
    let work = reconciler.wrote_secret(&secret_key(), Outcome::Done(Some(copy)), at(1));
    assert_eq!(keys(&work), [account_key()]);

    let (mut reconciler, _) = restarted();
    let refusal = Failure::new(FailureReason::QuotaExceeded, "quota \"q\" is used up");
    let work = reconciler.wrote_secret(&secret_key(), Outcome::Failed(ApiError::Refused(refusal)), at(1));
    assert!(
        keys(&work).contains(&account_key()),
        "a copy that cannot be made holds up no reference"
    );

    let (mut reconciler, _) = restarted();
    let mut unresolved = (*object(Lifecycle::Active)).clone();
    unresolved.payload = None;
    reconciler.declare(&Arc::new(unresolved), 2, false, at(1));
    let work = turns(&mut reconciler, at(1));
    assert_eq!(keys(&work), [account_key()], "nor one without a payload");
}

/// After a restart, no watch shows a retained copy.
#[test]
fn references_stay_until_their_secret_is_read() {
    let reconciler = |elsewhere: &str| {
        let spec: ClusterPullSecretSpec = serde_json::from_value(json!({
            "registries": [{"server": "ghcr.io", "credentials": {"dockerConfig": {"secretRef": {"name": "source"}}}}],
            "namespaces": {"names": [elsewhere]},
        }))
        .unwrap();
        let object = Arc::new(Object {
            spec: Spec::parse("company", &spec, "pullsecrets-system").unwrap(),
            ..(*object(Lifecycle::Active)).clone()
        });
        let mut reconciler = Reconciler::new([]);
        reconciler.declare(&object, 1, true, at(0));
        reconciler.see_namespace("a", selected(), false, at(0));
        reconciler.see_account(
            "a",
            "default",
            Seen::There(account("10", &["company"], &["company"])),
            at(0),
        );
        for kind in [Kind::Namespace, Kind::Account, Kind::Copy] {
            reconciler.end_list(kind, at(0));
        }
        reconciler.start(at(0));
        reconciler
    };
    let mut read = reconciler("b");
    assert_eq!(keys(&turns(&mut read, at(0))), [secret_key()], "it is to be read");
    assert!(read.is_unread(&secret_key()));
    assert_eq!(
        (read.write(&secret_key(), at(0)), read.write(&account_key(), at(0))),
        (None, None)
    );
    let retained = Secret {
        version: Version::new("uid-copy", "5"),
        digest: None,
        traits: Arc::new(SecretTraits {
            docker_config_type: true,
            annotations: [("pullsecrets.dev/retained", "former")].into_iter().collect(),
            ..SecretTraits::default()
        }),
    };
    assert_eq!(
        read.wrote_secret(&secret_key(), Outcome::Changed(Some(retained)), at(1)),
        []
    );
    assert_eq!(read.write(&account_key(), at(1)), None, "Pods there pull with it");
    assert_eq!(summary(&read).references_left.due, 0);

    let mut read = reconciler("b");
    turns(&mut read, at(0));
    let work = read.failed(&secret_key(), ApiError::Unavailable("no reply".to_owned()), at(1));
    assert_eq!(keys(&work), [secret_key()], "it is read again");
    assert_eq!(summary(&read).references_left.due, 1);
    let work = read.wrote_secret(&secret_key(), Outcome::Changed(None), at(2));
    assert_eq!(keys(&work), [account_key()], "it leads nowhere");
}

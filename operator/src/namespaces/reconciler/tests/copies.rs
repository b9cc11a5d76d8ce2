//! Copies that change hands, lose their label, or come from a backup.

use super::*;

/// A copy that a backup brings back before its object is not deleted.
#[test]
fn a_copy_restored_before_its_object_is_kept() {
    let mut reconciler = served();
    let Some(restored) = reconciler.places["a"].facts.secrets.get("company").cloned() else {
        panic!("there is a copy");
    };
    reconciler.declare(&object(Lifecycle::Deleting), 2, false, at(1));
    reconciler.wrote_account(&account_key(), Outcome::Done(Some(account("30", &[], &[]))), at(2));
    reconciler.wrote_secret(&secret_key(), Outcome::Done(None), at(2));
    reconciler.forget_object("company", true, at(3));
    let restored = Secret {
        version: Version::new("uid-restored", "31"),
        traits: Arc::new(SecretTraits {
            owners: Vec::new(),
            ..(*restored.traits).clone()
        }),
        ..restored
    };
    reconciler.see_secret("a", "company", Seen::There(restored), at(4));
    assert!(matches!(secret_action(&reconciler), SecretAction::Release { .. }));
}

/// A copy whose object goes passes in time to one that cannot act.
#[test]
fn a_copy_passes_to_a_frozen_successor() {
    let mut reconciler = served();
    let mut successor = (*object(Lifecycle::Frozen)).clone();
    successor.name = "successor".into();
    successor.uid = "u-successor".into();
    successor.created += 1;
    reconciler.declare(&object(Lifecycle::Deleting), 2, false, at(1));
    assert_eq!(
        reconciler.tally.pending_cleanup("company"),
        2,
        "the copy and its reference are to go"
    );
    turns(&mut reconciler, at(1));
    reconciler.declare(&Arc::new(successor), 1, true, at(2));
    let work = turns(&mut reconciler, at(2));
    let [work] = work.as_slice() else {
        panic!("{work:?}");
    };
    assert_eq!(
        (&work.key, work.at),
        (&secret_key(), Some(at(6))),
        "known since the deletion"
    );
    assert_eq!(reconciler.write(&secret_key(), at(2)), None);
    assert_eq!(
        reconciler.tally.pending_cleanup("company"),
        1,
        "the object waits for it"
    );
    let Some(Write::Secret {
        action: SecretAction::Assign { object, owners, .. },
        ..
    }) = reconciler.write(&secret_key(), at(6))
    else {
        panic!("{:?}", reconciler.write(&secret_key(), at(6)));
    };
    assert_eq!((object.as_ref(), owners.len()), ("successor", 1));
}

/// A late event that a copy lost its label does not hide that it was restored.
#[test]
fn a_late_deletion_event_hides_no_copy() {
    let mut reconciler = served();
    let restored = written(&secret_action(&started()), "40");
    reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(restored)), at(1));
    let lost = Seen::Gone(Version::new("uid-copy", "39"));
    assert_eq!(reconciler.see_secret("a", "company", lost, at(1)), []);
    assert_eq!(reconciler.write(&secret_key(), at(1)), None, "it is there");
    let gone = Seen::Gone(Version::new("uid-copy", "41"));
    assert_eq!(
        keys(&reconciler.see_secret("a", "company", gone, at(1))),
        [secret_key()]
    );
}

/// A source name is free when its object goes.
#[test]
fn a_source_name_is_free_without_its_object() {
    let mut reconciler = started();
    let spec: ClusterPullSecretSpec = serde_json::from_value(json!({
        "registries": [{"credentials": {"dockerConfig": {"secretRef": {"name": "company", "namespace": "a"}}}}],
        "namespaces": {"names": ["elsewhere"]},
    }))
    .unwrap();
    let reader = Arc::new(Object {
        name: "reader".into(),
        uid: "uid-reader".into(),
        spec: Spec::parse("reader", &spec, "pullsecrets-system").unwrap(),
        ..(*object(Lifecycle::Active)).clone()
    });
    reconciler.declare(&reader, 2, true, at(1));
    assert_eq!(reconciler.write(&secret_key(), at(1)), None);
    assert_eq!(summary(&reconciler).failures[0].1.reason, FailureReason::SourceName);
    turns(&mut reconciler, at(1));
    reconciler.forget_object("reader", true, at(2));
    assert_eq!(keys(&turns(&mut reconciler, at(2))), [secret_key(), account_key()]);
    assert_eq!(summary(&reconciler).failures, []);
}

/// A copy that is replaced without its label is still ours.
#[test]
fn a_copy_replaced_without_label_is_ours() {
    let mut reconciler = served();
    let gone = Seen::Gone(Version::new("uid-copy", "30"));
    reconciler.see_secret("a", "company", gone, at(1));
    let unlabelled = |uid: &str, version: &str| Secret {
        version: Version::new(uid, version),
        digest: None,
        traits: Arc::new(SecretTraits {
            docker_config_type: true,
            ..SecretTraits::default()
        }),
    };
    let met = unlabelled("uid-copy", "30");
    reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(met)), at(1));
    assert!(matches!(secret_action(&reconciler), SecretAction::Update { .. }));
    let changed = unlabelled("uid-copy", "31");
    reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(changed)), at(1));
    assert!(matches!(secret_action(&reconciler), SecretAction::Update { .. }));
    let another = unlabelled("uid-another", "32");
    reconciler.wrote_secret(&secret_key(), Outcome::Changed(Some(another)), at(1));
    assert_eq!(reconciler.write(&secret_key(), at(1)), None);
    assert_eq!(summary(&reconciler).failures[0].1.reason, FailureReason::SecretConflict);
}

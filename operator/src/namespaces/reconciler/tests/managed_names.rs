//! Lists and watches of each managed name, in place of one by label.

use super::*;

/// As [`served`], with the managed names `company` and `other`. In the namespace `b`, a foreign Secret has the second
/// name.
fn served_by_name() -> Reconciler {
    let mut reconciler = Reconciler::new([]).managing(["company".into(), "other".into()].into());
    for kind in reconciler.kinds_of_secrets() {
        reconciler.begin_list(kind.clone());
        reconciler.end_list(kind, at(0));
    }
    assert!(!reconciler.is_listed());
    reconciler.see_namespace("a", selected(), false, at(0));
    reconciler.see_namespace("b", plan::labels::Labels::default(), false, at(0));
    reconciler.see_account("a", "default", Seen::There(account("10", &[], &[])), at(0));
    for kind in [Kind::Namespace, Kind::Account] {
        reconciler.end_list(kind, at(0));
    }
    reconciler.declare(&object(Lifecycle::Active), 1, true, at(0));
    reconciler.start(at(0));
    assert_eq!(
        keys(&turns(&mut reconciler, at(0))),
        [secret_key(), account_key()],
        "no reference waits"
    );
    let copy = written(&secret_action(&reconciler), "20");
    reconciler.wrote_secret(&secret_key(), Outcome::Done(Some(copy)), at(0));
    let patched = account("21", &["company"], &["company"]);
    reconciler.wrote_account(&account_key(), Outcome::Done(Some(patched)), at(0));
    assert_eq!(
        reconciler.see_secret("b", "other", Seen::There(squatter("22")), at(0)),
        []
    );
    reconciler
}

#[test]
fn each_managed_name_is_listed_before_planning() {
    let mut reconciler = Reconciler::new([]).managing(["company".into(), "other".into()].into());
    let named = |name: &str| Kind::Named(name.into());
    assert_eq!(reconciler.kinds_of_secrets(), [named("company"), named("other")]);
    for kind in [Kind::Namespace, Kind::Account, named("company")] {
        reconciler.end_list(kind, at(0));
    }
    assert!(!reconciler.is_listed(), "the other name is missing");
    reconciler.end_list(named("other"), at(0));
    assert!(reconciler.is_listed());
}

/// A list of one managed name leaves the Secrets of another as they were.
#[test]
fn a_list_of_one_name_leaves_another() {
    let mut reconciler = served_by_name();
    reconciler.begin_list(Kind::Named("other".into()));
    assert_eq!(reconciler.end_list(Kind::Named("other".into()), at(1)), []);
    assert_eq!(reconciler.write(&secret_key(), at(1)), None, "the copy is still there");
    reconciler.begin_list(Kind::Named("company".into()));
    reconciler.begin_list(Kind::Named("other".into()));
    assert_eq!(
        reconciler.end_list(Kind::Named("other".into()), at(1)),
        [],
        "the first list goes on"
    );
    let work = reconciler.end_list(Kind::Named("company".into()), at(1));
    assert_eq!(keys(&work), [secret_key()], "now it is known to be gone");
}

/// A copy that is written while the list of its name comes in is not taken for gone.
#[test]
fn a_copy_written_during_its_list_stays() {
    let mut reconciler = served_by_name();
    reconciler.begin_list(Kind::Named("company".into()));
    let copy = written(&secret_action(&started()), "30");
    reconciler.wrote_secret(&secret_key(), Outcome::Done(Some(copy)), at(1));
    assert_eq!(reconciler.end_list(Kind::Named("company".into()), at(1)), []);
    assert_eq!(reconciler.write(&secret_key(), at(1)), None);
}

/// A squatter under a managed name is waited for without reading or following it.
#[test]
fn a_squatter_under_a_managed_name_is_watched() {
    let mut reconciler = served_by_name();
    reconciler.see_namespace("b", selected(), false, at(1));
    reconciler.see_account("b", "default", Seen::There(account("23", &[], &[])), at(1));
    let key = Key::secret(&"b".into(), &"company".into());
    let work = reconciler.see_secret("b", "company", Seen::There(squatter("24")), at(2));
    assert_eq!(work, [], "the create is no longer wanted, nor the reference");
    assert_eq!(reconciler.write(&key, at(2)), None);
    assert!(!reconciler.is_squatted(&key), "its watch tells when it goes");
    let work = reconciler.see_secret("b", "company", Seen::Gone(Version::new("uid-other", "25")), at(3));
    assert_eq!(keys(&work), [key, Key::account(&"b".into(), &"default".into())]);
}

/// A copy that loses its label under a managed name is mended in one write.
#[test]
fn a_copy_without_its_label_is_updated_once() {
    let mut reconciler = served_by_name();
    let traits = SecretTraits {
        docker_config_type: true,
        applied_by_us: true,
        ..SecretTraits::default()
    };
    let stripped = Secret {
        version: Version::new("uid-copy", "30"),
        digest: None,
        traits: Arc::new(traits),
    };
    let work = reconciler.see_secret("a", "company", Seen::There(stripped), at(1));
    assert_eq!(keys(&work), [secret_key()]);
    assert!(matches!(secret_action(&reconciler), SecretAction::Update { .. }));
}

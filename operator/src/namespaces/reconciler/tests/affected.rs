//! What an event makes the reconciler evaluate.

use super::*;

/// A started reconciler with a copy that no object wants yet, and many accounts, one of which records it.
fn crowded() -> Reconciler {
    let mut reconciler = served();
    for number in 0..50 {
        let name = format!("other-{number}");
        reconciler.see_account("a", &name, Seen::There(account("30", &["theirs"], &[])), at(1));
    }
    let recorded = account("31", &["company", "labelled"], &["company", "labelled"]);
    reconciler.see_account("a", "default", Seen::There(recorded), at(1));
    reconciler
}

fn labelled(version: &str) -> Secret {
    let labels = [(crd::names::LABEL_OBJECT, "gone")];
    let traits = SecretTraits {
        docker_config_type: true,
        labels: labels.into_iter().collect(),
        ..SecretTraits::default()
    };
    Secret {
        version: Version::new("uid-labelled", version),
        digest: None,
        traits: Arc::new(traits),
    }
}

#[test]
fn a_secret_that_comes_touches_its_accounts_alone() {
    let reconciler = crowded();
    let touched = |name: &str, new: &Secret| {
        let (name, namespace) = (name.into(), "a".into());
        let key = Key::secret(&namespace, &name);
        let affected = reconciler.affected_by(&key, &name, None, Some(new), &[]);
        let evaluation = reconciler.evaluate(&reconciler.cluster, &namespace, &affected, at(1));
        evaluation.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    let both = ["secret a/labelled", "service account a/default"];
    assert_eq!(touched("labelled", &labelled("40")), both);
    assert_eq!(touched("unrecorded", &labelled("40")), ["secret a/unrecorded"]);
    assert_eq!(
        touched("company", &squatter("40")).len(),
        52,
        "each may be about to refer to it"
    );
}

#[test]
fn what_leaves_elsewhere_costs_no_account_a_look() {
    let mut reconciler = crowded();
    reconciler
        .pending
        .set_removal(&Key::secret(&"elsewhere".into(), &"company".into()), Some(at(1)));
    for number in 0..50 {
        reconciler.see_secret("a", &format!("labelled-{number}"), Seen::There(labelled("40")), at(1));
    }
    let name = "default".into();
    let evaluate = |reconciler: &Reconciler, records: &[Arc<str>]| {
        let affected = Affected::Account(&name, records);
        let evaluation = reconciler.evaluate(&reconciler.cluster, &"a".into(), &affected, at(1));
        evaluation.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(evaluate(&reconciler, &[]), ["service account a/default"]);
    for waits in ["labelled", "labelled-7"] {
        reconciler
            .pending
            .set_removal(&Key::secret(&"a".into(), &waits.into()), Some(at(1)));
    }
    assert_eq!(
        evaluate(&reconciler, &[]),
        ["secret a/labelled", "service account a/default"]
    );
    let before = ["labelled-7".into(), "labelled-8".into()];
    let evaluation = evaluate(&reconciler, &before);
    assert_eq!(
        evaluation,
        ["secret a/labelled", "secret a/labelled-7", "service account a/default"]
    );
}

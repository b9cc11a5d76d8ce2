//! The verdict on what a template would create now.

use cli::audit::Fails;
use cli::verdict::{LoginOutcome, Reason};
use cli::world::{Kind, Unseen};
use plan::keyring::Difference;

use crate::cluster::{Cluster, IMAGE};

#[test]
fn a_matching_login_makes_a_workload_ready() {
    let cluster = Cluster::listing(&["company"])
        .login("company", &["r.example.com"])
        .deployment(&[]);
    let report = cluster.report(&["r.example.com"]);
    assert_eq!(report.findings, []);
    assert!(report.complete);
    assert_eq!(report.exit_code(Fails::NextPod), 0);
    let context = &report.contexts[0];
    assert_eq!((context.summary.workloads, context.summary.ready), (1, 1));
    assert_eq!(&*context.registries[0].registry, "r.example.com");
}

#[test]
fn no_list_at_all_is_no_reference() {
    let found = Cluster::listing(&[]).deployment(&[]).finding();
    assert_eq!((found.reason, found.fails), (Reason::NoReference, Fails::NextPod));
    assert_eq!(
        found.why,
        "neither its template nor account default lists a pull secret"
    );
    let fix = found.fix.expect("a fix");
    assert!(
        fix.starts_with("kubectl create secret docker-registry pull -n ns --docker-server=r.example.com"),
        "{fix}"
    );
}

#[test]
fn a_login_that_is_there_is_referred_to() {
    let found = Cluster::listing(&[])
        .login("company", &["r.example.com"])
        .deployment(&[])
        .finding();
    let fix = found.fix.expect("a fix");
    assert!(
        fix.contains("patch serviceaccount default -n ns") && fix.contains(r#"{"name":"company"}"#),
        "{fix}"
    );
}

#[test]
fn an_account_that_is_gone_is_no_reference() {
    let found = Cluster::default().account("other", &[]).deployment(&[]).finding();
    assert_eq!(found.reason, Reason::NoReference);
    assert_eq!(found.why, "account default does not exist, so no Pod can be created");
}

#[test]
fn a_listed_secret_that_is_gone_is_missing() {
    let found = Cluster::listing(&["company"]).deployment(&[]).finding();
    assert_eq!(
        (found.reason, found.why.as_str()),
        (Reason::SecretMissing, "secret company does not exist")
    );
    let fix = found.fix.expect("a fix");
    assert!(
        fix.starts_with("kubectl create secret docker-registry company -n ns"),
        "{fix}"
    );
}

#[test]
fn a_secret_without_the_key_has_no_key() {
    let found = Cluster::listing(&["company"])
        .login("company", &["q.example.com"])
        .deployment(&[])
        .finding();
    assert_eq!(found.reason, Reason::NoKey);
    assert_eq!(found.why, "secret company has no key for r.example.com");
    assert_eq!(found.images[0].near, None);
}

#[test]
fn near_misses_name_what_differs() {
    for (key, differs, entry) in [
        ("r.example.com:443", Difference::Port, "r.example.com:443"),
        ("oci://r.example.com", Difference::Scheme, "entry 1"),
        ("r.example.com/other", Difference::Path, "r.example.com/other"),
        ("R.example.com", Difference::Case, "entry 1"),
    ] {
        let found = Cluster::listing(&["company"])
            .login("company", &[key])
            .deployment(&[])
            .finding();
        assert_eq!(found.reason, Reason::NoKey, "{key}");
        let near = found.images[0].near.clone().expect("a near miss");
        assert_eq!(
            (near.entry.as_str(), near.differs.as_slice()),
            (entry, &[differs][..]),
            "{key}"
        );
        assert!(found.why.starts_with("secret company has "), "{}", found.why);
        assert!(
            !found.why.contains("oci://"),
            "a key that is no server is not shown: {}",
            found.why
        );
    }
}

#[test]
fn a_login_without_a_user_name_is_no_login() {
    for entry in [
        "null",
        "{}",
        r#"{"identitytoken":"CANARY"}"#,
        r#"{"auth":"OkNBTkFSWQ=="}"#,
    ] {
        let config = format!(r#"{{"auths":{{"r.example.com":{entry}}}}}"#);
        let found = Cluster::listing(&["company"])
            .config("company", &config)
            .deployment(&[])
            .finding();
        assert_eq!(found.reason, Reason::NoKey, "{entry}");
        assert_eq!(found.images[0].near.clone().expect("near").differs, []);
        assert!(found.why.contains("without a user name"), "{}", found.why);
    }
}

#[test]
fn a_secret_of_another_type_is_ignored() {
    let found = Cluster::listing(&["company"])
        .secret("company", "Opaque", &[(".dockerconfigjson", "{}")])
        .deployment(&[])
        .finding();
    assert_eq!(found.reason, Reason::NoKey);
    assert!(found.why.contains("kubelets read only the types"), "{}", found.why);
}

#[test]
fn one_unreadable_secret_stops_every_pull() {
    let found = Cluster::listing(&["company", "mirror"])
        .login("company", &["r.example.com"])
        .config("mirror", r#"{"auths":{"q.example.com":{"auth":"CANARY"}}}"#)
        .deployment(&[])
        .finding();
    assert_eq!(found.reason, Reason::Unreadable);
    assert_eq!(found.images[0].secret.as_deref(), Some("mirror"));
    assert!(
        found.why.starts_with("secret mirror cannot be read by a kubelet"),
        "{}",
        found.why
    );
}

#[test]
fn an_own_list_masks_that_of_the_account() {
    let found = Cluster::listing(&["company"])
        .login("company", &["r.example.com"])
        .workload(Kind::CronJob, "report", &["old-robot"], &[(IMAGE, "IfNotPresent")])
        .finding();
    assert_eq!((found.reason, &*found.workload.kind), (Reason::Masked, "CronJob"));
    assert_eq!(
        found.why,
        "its template lists imagePullSecrets [old-robot], so those of account default are not used"
    );
    let fix = found.fix.expect("a fix");
    assert!(fix.contains("patch cronjob/report -n ns --type=json"), "{fix}");
}

#[test]
fn an_empty_element_masks_as_well() {
    let found = Cluster::listing(&["company"])
        .login("company", &["r.example.com"])
        .deployment(&[""])
        .finding();
    assert_eq!(found.reason, Reason::Masked);
    let found = Cluster::listing(&[]).deployment(&[""]).finding();
    assert_eq!(found.reason, Reason::NoReference);
}

#[test]
fn only_a_refusal_of_every_login_counts() {
    let mut cluster = Cluster::listing(&["company", "second"])
        .login("company", &["r.example.com"])
        .config(
            "second",
            r#"{"auths":{"r.example.com":{"username":"other","password":"CANARY"}}}"#,
        )
        .deployment(&[]);
    let logins: Vec<_> = ["company", "second"]
        .map(|name| cluster.world.namespaces["ns"].secrets[name].entries()[0].login)
        .into();
    cluster.evidence.login(logins[0], IMAGE, LoginOutcome::Refused);
    assert_eq!(cluster.report(&[]).findings, [], "the kubelet tries the second login");
    cluster.evidence.login(logins[1], IMAGE, LoginOutcome::Unknown);
    assert_eq!(
        cluster.report(&[]).findings,
        [],
        "a registry that was not reached has not refused"
    );
    cluster.evidence.login(logins[1], IMAGE, LoginOutcome::Refused);
    assert_eq!(cluster.finding().reason, Reason::LoginRefused);
}

#[test]
fn what_cannot_be_seen_is_unknown() {
    let mut cluster = Cluster::listing(&["company", "hidden"])
        .login("company", &["r.example.com"])
        .deployment(&[]);
    cluster.world.cannot_see(Unseen {
        kind: Kind::Secret,
        namespace: Some("ns".into()),
        name: Some("hidden".into()),
        why: "you may not read it".to_owned(),
    });
    assert_eq!(
        cluster.finding().reason,
        Reason::Unknown,
        "it may be unreadable for kubelets as well"
    );
    assert_eq!(cluster.report(&[]).exit_code(Fails::Now), 2);
}

#[test]
fn a_name_that_no_object_has_is_in_no_command() {
    for name in ["$(reboot)", "-x", "a b", "A", "x;y"] {
        let found = Cluster::listing(&[name]).deployment(&[]).finding();
        assert_eq!((found.reason, found.fix), (Reason::SecretMissing, None), "{name}");
    }
    let found = Cluster::listing(&["a\u{1b}[2Jb"]).deployment(&[]).finding();
    assert_eq!(found.why, "secret a\u{fffd}[2Jb does not exist");
}

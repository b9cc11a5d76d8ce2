//! The requests that a rollout sends, in their order, and what it makes of the answers.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::{Value, json};

use super::{ContextReport, Done, Given, Installation, Rollout, Stop, Wanted, apply, of_login, remove};
use crate::cluster::fake::{Asked, Server};
use crate::output::Bars;

const GROUP: &str = "GET /apis/pullsecrets.dev/v1alpha1";
const SECRET: &str = "/api/v1/namespaces/pullsecrets-system/secrets/company";
const OBJECT: &str = "/apis/pullsecrets.dev/v1alpha1/clusterpullsecrets/company";
const PASSWORD: &str = "CANARY-password";

fn wanted() -> Wanted {
    let given = Given {
        server: "harbor.example.com",
        login: Some(("robot", PASSWORD)),
        excluded: &[],
        name: Some("company"),
        operator_namespace: "pullsecrets-system",
    };
    of_login(given).ok().unwrap()
}

fn rollout<'a>(wanted: &'a Wanted, stop: &'a Stop) -> Rollout<'a> {
    Rollout {
        wanted,
        install: None,
        dry_run: false,
        force: false,
        timeout: Duration::from_secs(20),
        stop,
    }
}

async fn applied(server: &Server, rollout: Rollout<'_>) -> ContextReport {
    let report = RefCell::new(ContextReport::default());
    let bar = Bars::new(false, &[]).add("c");
    apply(&server.connected, &bar, rollout, &report).await;
    report.into_inner()
}

fn reasons(report: &ContextReport) -> Vec<&str> {
    report.left.iter().map(|left| left.reason.as_str()).collect()
}

fn done(report: &ContextReport) -> Vec<Done> {
    report.written.iter().map(|written| written.done).collect()
}

/// The metadata of an object in this version.
fn metadata(version: &str) -> Value {
    json!({"metadata": {"uid": "u", "resourceVersion": version}})
}

/// The object, served in one namespace of one.
fn served(handled: &str) -> Value {
    let wanted = wanted();
    let condition = json!({"type": "Ready", "status": "True", "reason": "Synced", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1});
    let mut object = wanted.objects[0].manifest.clone();
    object["metadata"]["generation"] = json!(1);
    object["status"] = json!({"observedGeneration": 1, "conditions": [condition], "lastHandledReconcileAt": handled,
        "namespaces": {"selected": 1, "ready": 1, "failed": 0, "summary": "1/1"}});
    object
}

fn conflict(manager: &str) -> Value {
    json!({"details": {"causes": [{"message": format!("conflict with \"{manager}\" using v1"), "field": ".spec.x"}]}})
}

/// A login in a cluster without the operator would be of no use to anyone but a thief.
#[tokio::test]
async fn no_login_goes_to_a_cluster_without_the_definition() {
    let server = Server::new(|_, _| (404, json!({})));
    let ((_sender, stop), wanted) = (Stop::new(), wanted());
    let report = applied(&server, rollout(&wanted, &stop)).await;
    assert_eq!(reasons(&report), ["NotInstalled"]);
    assert_eq!(server.asked().len(), 1, "{:?}", server.asked());
}

/// The source comes first. The login is in one request, and in no other. What follows a failure is not written.
#[tokio::test]
async fn writes_end_at_the_first_failure() {
    let server = Server::new(|one, _| match one.what.as_str() {
        GROUP => (200, json!({})),
        what if what == format!("PATCH {SECRET}") => (201, metadata("1")),
        what if what.starts_with("PATCH") => (409, conflict("helm")),
        _ => (404, json!({})),
    });
    let ((_sender, stop), wanted) = (Stop::new(), wanted());
    let report = applied(&server, rollout(&wanted, &stop)).await;
    assert_eq!(
        (reasons(&report), done(&report)),
        (vec!["Conflict"], vec![Done::Created])
    );
    assert!(
        report.left[0].why.starts_with("helm set spec.x before"),
        "{:?}",
        report.left
    );
    let asked = server.asked();
    let order: Vec<&str> = asked.iter().map(|one| one.what.as_str()).collect();
    let expected = ["GET ", "PATCH "].map(|verb| [format!("{verb}{SECRET}"), format!("{verb}{OBJECT}")]);
    assert_eq!(
        order,
        [
            GROUP,
            &expected[0][0],
            &expected[1][0],
            &expected[0][1],
            &expected[1][1]
        ]
    );
    for patch in asked.iter().filter(|one| one.what.starts_with("PATCH")) {
        assert_eq!(patch.query, "fieldManager=kubectl-pullsecrets&fieldValidation=Strict");
    }
    let encoded = "Q0FOQVJZLXBhc3N3b3Jk";
    let holds_login = |one: &&Asked| one.body.contains(encoded) || one.body.contains(PASSWORD);
    assert_eq!(asked.iter().filter(holds_login).count(), 1);
    assert!(!format!("{report:?}").contains("CANARY"));
}

/// The status of an object that has not changed may be that of the old login.
#[tokio::test]
async fn a_changed_source_is_waited_for() {
    let server = Server::new(|one, before| {
        let polls = before.iter().filter(|one| one.what == format!("GET {OBJECT}")).count();
        match one.what.as_str() {
            GROUP => (200, json!({})),
            what if what == format!("GET {SECRET}") => (200, metadata("1")),
            what if what == format!("PATCH {SECRET}") => (200, metadata("2")),
            what if what == format!("PATCH {OBJECT}") => (200, metadata("9")),
            _ if polls == 0 => (200, metadata("9")),
            _ if polls < 3 => (200, served("before")),
            _ => (200, served("rollout-2")),
        }
    });
    let ((_sender, stop), wanted) = (Stop::new(), wanted());
    let report = applied(&server, rollout(&wanted, &stop)).await;
    assert_eq!(done(&report), [Done::Configured, Done::Unchanged]);
    assert_eq!(
        (report.left.len(), report.served, report.selected),
        (0, 1, 1),
        "{report:?}"
    );
    let asked = server.asked();
    let requests: Vec<&Asked> = asked.iter().filter(|one| one.query.contains("-request")).collect();
    assert_eq!(requests.len(), 1);
    let body: Value = serde_json::from_str(&requests[0].body).unwrap();
    assert_eq!(
        body["metadata"]["annotations"]["pullsecrets.dev/reconcile-requested-at"],
        "rollout-2"
    );
    assert_eq!((&body["metadata"]["uid"], &body["spec"]), (&json!("u"), &Value::Null));
    let polls = asked.iter().filter(|one| one.what == format!("GET {OBJECT}")).count();
    assert_eq!(
        polls, 4,
        "one before the write, and three until the status is of the new login"
    );
}

/// An interrupt before a write, and one while the tool waits.
#[tokio::test]
async fn an_interrupt_begins_no_further_write() {
    let server = Server::new(|_, _| (200, json!({})));
    let ((sender, stop), wanted) = (Stop::new(), wanted());
    sender.send(true).unwrap();
    let report = applied(&server, rollout(&wanted, &stop)).await;
    assert_eq!((reasons(&report), server.writes().len()), (vec!["Interrupted"], 0));

    let server = Server::new(|one, _| match one.what.as_str() {
        what if what.starts_with("PATCH") => (201, metadata("1")),
        what if what == format!("GET {OBJECT}") => (200, wanted_unserved()),
        _ => (200, json!({"metadata": {}})),
    });
    let (sender, stop) = Stop::new();
    let work = applied(&server, rollout(&wanted, &stop));
    let interrupt = async {
        // The second look at the object is the first one after it was written.
        server.was_asked(&format!("GET {OBJECT}"), 2).await;
        sender.send(true).unwrap();
    };
    let (report, ()) = tokio::join!(work, interrupt);
    assert_eq!(
        (done(&report), reasons(&report)),
        (vec![Done::Created; 2], vec!["NoStatus"])
    );
    assert!(
        report.left[0].why.starts_with("interrupted after it was written"),
        "{report:?}"
    );
}

fn wanted_unserved() -> Value {
    let mut object = served("");
    object["status"].take();
    object
}

/// A conflict in the last object of an installation leaves no first half of it.
#[tokio::test]
async fn an_installation_is_tried_before_it_is_written() {
    let image = format!("a@sha256:{}", "0a".repeat(32));
    let installation = Installation::new(Some(&image)).unwrap();
    let server = Server::new(|one, _| match one.what.as_str() {
        "GET /version" => (200, json!({"major": "1", "minor": "36"})),
        what if what.starts_with("GET") => (404, json!({})),
        what if what.ends_with("poddisruptionbudgets/pullsecrets") => (409, conflict("someone")),
        _ => (201, metadata("1")),
    });
    let ((_sender, stop), wanted) = (Stop::new(), wanted());
    let install = Rollout {
        install: Some(&installation),
        ..rollout(&wanted, &stop)
    };
    let report = applied(&server, install).await;
    assert_eq!((reasons(&report), server.writes().len()), (vec!["Conflict"], 0));
    let tried = server.asked().iter().filter(|one| one.is_dry_run()).count();
    assert_eq!(tried, installation.objects.len());

    let old = Server::new(|_, _| (200, json!({"major": "1", "minor": "32"})));
    assert_eq!(reasons(&applied(&old, install).await), ["KubernetesTooOld"]);
}

/// What `kubectl apply -k` has installed is taken over, by the objects that conflict and no others.
#[tokio::test]
async fn what_kubectl_has_installed_is_taken_over() {
    let image = format!("a@sha256:{}", "0a".repeat(32));
    let installation = Installation::new(Some(&image)).unwrap();
    let server = Server::new(|one, _| match one.what.as_str() {
        "GET /version" => (200, json!({"major": "1", "minor": "36"})),
        GROUP => (404, json!({})),
        what if what.starts_with("GET") => (404, json!({})),
        what if what.contains("/deployments/") && !one.query.contains("force=true") => {
            (409, conflict("kubectl-client-side-apply"))
        }
        _ => (200, metadata("1")),
    });
    let (sender, stop) = Stop::new();
    let wanted = wanted();
    let install = Rollout {
        install: Some(&installation),
        ..rollout(&wanted, &stop)
    };
    let interrupt = async {
        // The definition is never served here.
        server.was_asked(GROUP, 1).await;
        sender.send(true).unwrap();
    };
    let (report, ()) = tokio::join!(applied(&server, install), interrupt);
    assert_eq!(reasons(&report), ["NotServed"], "{report:?}");
    assert_eq!(report.written.len(), installation.objects.len());
    let forced = server
        .asked()
        .iter()
        .filter(|one| one.query.contains("force=true"))
        .count();
    assert_eq!(forced, 2, "tried and written");
}

/// The object goes first, and its source only when it is gone and no other object reads the source.
#[tokio::test]
async fn a_source_goes_after_its_object() {
    let other = |name: &str| {
        let mut object = wanted().objects[0].manifest.clone();
        object["metadata"]["name"] = json!(name);
        object
    };
    for (reader, expected) in [("company", vec![]), ("other", vec!["InUse"])] {
        let list = json!({"metadata": {}, "items": [other(reader)]});
        let server = Server::new(move |one, before| {
            let is_deleted = before
                .iter()
                .any(|one| one.what.starts_with("DELETE") && one.what.ends_with(OBJECT));
            match one.what.as_str() {
                what if what == format!("GET {OBJECT}") && is_deleted => (404, json!({})),
                "GET /apis/pullsecrets.dev/v1alpha1/clusterpullsecrets" => (200, list.clone()),
                what if what == format!("GET {SECRET}") => (
                    200,
                    json!({"metadata": {"uid": "u", "managedFields": [{"manager": "kubectl-pullsecrets"}]}}),
                ),
                _ => (200, metadata("1")),
            }
        });
        let ((_sender, stop), wanted) = (Stop::new(), wanted());
        let report = RefCell::new(ContextReport::default());
        let bar = Bars::new(false, &[]).add("c");
        let how = (rollout(&wanted, &stop), "pullsecrets-system");
        remove(&server.connected, &bar, how, &report).await;
        assert_eq!(reasons(&report.into_inner()), expected);
        let mut writes = vec![format!("DELETE {OBJECT}")];
        writes.extend(expected.is_empty().then(|| format!("DELETE {SECRET}")));
        assert_eq!(server.writes(), writes);
        let deletion = server
            .asked()
            .into_iter()
            .find(|one| one.what.starts_with("DELETE"))
            .unwrap();
        assert!(
            deletion.body.contains("\"preconditions\":{\"uid\":\"u\"}"),
            "{deletion:?}"
        );
    }
}

/// A server that is busy is asked again.
#[tokio::test]
async fn a_throttled_write_is_repeated() {
    let server = Server::new(|one, before| {
        let attempts = before.iter().filter(|one| one.what.starts_with("PATCH")).count();
        match one.what.as_str() {
            what if what.starts_with("PATCH") && attempts == 0 => (429, json!({})),
            what if what.starts_with("PATCH") => (201, metadata("1")),
            what if what == format!("GET {OBJECT}") => (200, served("")),
            _ => (200, json!({"metadata": {}})),
        }
    });
    let ((_sender, stop), wanted) = (Stop::new(), wanted());
    let report = applied(&server, rollout(&wanted, &stop)).await;
    assert_eq!(
        (done(&report), report.left.len()),
        (vec![Done::Created; 2], 0),
        "{report:?}"
    );
}

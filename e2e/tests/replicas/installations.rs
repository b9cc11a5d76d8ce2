//! Two installations in one cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::OPERATOR_USER;
use e2e::audit::{Mark, Record};
use e2e::loopback;
use e2e::operator::{self, Operator};
use e2e::oracle::Login;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::{eventually, quiet};
use serde_json::{Value, json};

const FIRST: &str = "pullsecrets-system/pullsecrets";
const SECOND: &str = "second/pullsecrets";
const SECOND_NAMESPACE: &str = "second";
const SECOND_USER: &str = "system:serviceaccount:second:pullsecrets";

/// Longer than the second between two writes of a status, and than the back-off of a contention.
const A_WHILE: Duration = Duration::from_secs(3);

/// The garbage collector looks for new definitions every 30 s, and then lists their objects.
const COLLECTED: Duration = Duration::from_secs(90);

#[tokio::test]
async fn the_first_installation_wins_until_handed_over() {
    let scenario = Scenario::own("twice").await;
    let [first, renewed, third, fourth] = ["first", "renewed", "third", "fourth"].map(|what| scenario.login(what));
    scenario.set_up(&["a", "b"], &first).await;
    scenario.says("Ready", "True", "Synced").await;
    is_acted_for_by(&scenario, FIRST).await;

    let mark = scenario.mark().await;
    install_second(&scenario).await;
    let other = start_second(&scenario).await;
    let note = event(&scenario, "InstalledTwice", SECOND_NAMESPACE).await;
    assert!(note.contains(&format!("belongs to the installation {FIRST}")), "{note}");
    assert!(
        note.contains("annotate cps twice pullsecrets.dev/installation=second/pullsecrets"),
        "{note}"
    );
    assert!(other.log().contains("another installation acts for this object"));
    shows(
        &other,
        r#"pullsecrets_object_state{object="twice",state="Elsewhere"} 1"#,
    )
    .await;
    scenario.namespaces(&["c"]).await;
    scenario.source(&renewed).await;
    let parts = ["a", "b", "c"];
    let served = scenario.expected(&parts, &renewed);
    scenario.holds("the first goes on alone", &served).await;
    scenario.counts(3).await;
    does_not_write(&scenario, SECOND_USER, mark, A_WHILE).await;

    let (uids, before) = (scenario.uids().await, versions(&scenario).await);
    let mark = scenario.mark().await;
    hand_over(&scenario, SECOND).await;
    is_acted_for_by(&scenario, SECOND).await;
    scenario.says("CredentialsReady", "False", "SourceNotFound").await;
    shows(
        &other,
        r#"pullsecrets_object_state{object="twice",state="Progressing"} 1"#,
    )
    .await;
    quiet("no copy is written before the sources resolve", A_WHILE, async || {
        let now = versions(&scenario).await;
        (now == before).then_some(()).ok_or(now)
    })
    .await;
    for login in [&third, &fourth] {
        source_in_second(&scenario, login).await;
        let served = scenario.expected(&parts, login);
        scenario.holds("the second serves its own source", &served).await;
        scenario.says("Ready", "True", "Synced").await;
    }
    assert_eq!(scenario.uids().await, uids, "in place");
    does_not_write(&scenario, OPERATOR_USER, mark, Duration::ZERO).await;

    goes_back(&scenario, &parts).await;
    is_taken_away(&scenario).await;
    other.stop().unwrap();
}

/// Hands the object back. The first installation's state is older than the copies, which keep their login until the
/// source exists again.
async fn goes_back(scenario: &Scenario, parts: &[&str]) {
    scenario
        .kubectl(&["delete", "secret", "twice", "-n", e2e::SYSTEM_NAMESPACE])
        .await;
    let before = versions(scenario).await;
    let mark = scenario.mark().await;
    hand_over(scenario, FIRST).await;
    is_acted_for_by(scenario, FIRST).await;
    scenario.says("CredentialsReady", "False", "SourceNotFound").await;
    quiet("an older login does not come back", A_WHILE, async || {
        let now = versions(scenario).await;
        (now == before).then_some(()).ok_or(now)
    })
    .await;
    // The state of the second installation stays in its namespace, until a person or the garbage collector removes it.
    let managed = "app.kubernetes.io/managed-by=pullsecrets";
    scenario
        .kubectl(&["delete", "secrets", "-n", SECOND_NAMESPACE, "-l", managed])
        .await;
    let fifth = scenario.login("fifth");
    scenario.source(&fifth).await;
    scenario
        .holds("the first serves its source again", &scenario.expected(parts, &fifth))
        .await;
    scenario.says("Ready", "True", "Synced").await;
    does_not_write(scenario, SECOND_USER, mark, Duration::ZERO).await;
}

/// Objects created while both run: each gets one installation, and only that one writes for it.
#[tokio::test]
async fn two_installations_never_write_for_one_object() {
    const OBJECTS: usize = 12;
    let scenario = Scenario::own("race").await;
    install_second(&scenario).await;
    let other = start_second(&scenario).await;
    scenario.namespaces(&["a"]).await;
    let [first, second] = ["first", "second"].map(|what| scenario.login(what));
    scenario.source(&first).await;
    source_in_second(&scenario, &second).await;
    let names: Vec<String> = (0..OBJECTS).map(|number| format!("race-{number}")).collect();
    let mark = scenario.mark().await;
    let objects: Vec<Value> = names
        .iter()
        .map(|name| {
            let mut object = scenario.object();
            object["metadata"]["name"] = name.as_str().into();
            object
        })
        .collect();
    scenario
        .apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects}))
        .await;
    for name in &names {
        scenario
            .kubectl(&["wait", "--for=condition=Ready", "--timeout=30s", &format!("cps/{name}")])
            .await;
    }
    let mut winners = BTreeSet::new();
    for name in &names {
        let installation = installation_of(&scenario, name).await;
        let users: BTreeSet<String> = writes(&scenario, mark)
            .await
            .into_iter()
            .filter(|record| record.name == *name && (200..300).contains(&record.code))
            .map(|record| record.user)
            .collect();
        let winner = if installation == FIRST {
            OPERATOR_USER
        } else {
            SECOND_USER
        };
        assert_eq!(
            users,
            BTreeSet::from([winner.to_owned()]),
            "{name} is of {installation}"
        );
        winners.insert(installation);
    }
    println!("won by {winners:?}");
    for name in &names {
        scenario.kubectl(&["delete", "cps", name, "--timeout=20s"]).await;
    }
    scenario
        .kubectl(&["delete", "secret", "race", "-n", SECOND_NAMESPACE])
        .await;
    other.stop().unwrap();
}

/// A deletion waits for its installation or a person.
#[tokio::test]
async fn deletion_waits_for_installation_or_person() {
    let scenario = Scenario::own("left").await;
    scenario.set_up(&["a", "b"], &scenario.login("first")).await;
    scenario.says("Ready", "True", "Synced").await;
    install_second(&scenario).await;
    let mark = scenario.mark().await;
    let other = start_second(&scenario).await;
    scenario.kill_operator();
    scenario.kubectl(&["delete", "cps", "left", "--wait=false"]).await;
    does_not_write(&scenario, SECOND_USER, mark, A_WHILE).await;
    scenario.current().await;
    hand_over(&scenario, SECOND).await;
    is_collected(&scenario).await;
    other.stop().unwrap();
}

#[tokio::test]
async fn a_cleared_status_stays_with_its_installation() {
    let scenario = Scenario::own("cleared").await;
    let login = scenario.login("first");
    scenario.set_up(&["a"], &login).await;
    scenario.says("Ready", "True", "Synced").await;
    install_second(&scenario).await;
    let mark = scenario.mark().await;
    let other = start_second(&scenario).await;
    event(&scenario, "InstalledTwice", SECOND_NAMESPACE).await;
    for _ in 0..3 {
        patch_status(&scenario, r#"{"status":null}"#).await;
        is_acted_for_by(&scenario, FIRST).await;
        scenario.says("Ready", "True", "Synced").await;
    }
    does_not_write(&scenario, SECOND_USER, mark, A_WHILE).await;
    other.stop().unwrap();

    // As an object from before the field existed.
    scenario.stop_operator();
    patch_status(&scenario, r#"{"status":{"installation":null}}"#).await;
    let before = versions(&scenario).await;
    scenario.start_operator().await;
    is_acted_for_by(&scenario, FIRST).await;
    scenario.namespaces(&["b"]).await;
    scenario
        .holds("it is acted for", &scenario.expected(&["a", "b"], &login))
        .await;
    let now = versions(&scenario).await;
    assert!(now.split(' ').any(|version| version == before), "{before} {now}");
}

#[tokio::test]
async fn a_wrong_annotation_is_reported_and_undone() {
    let scenario = Scenario::own("typo").await;
    let login = scenario.login("first");
    scenario.set_up(&["a"], &login).await;
    scenario.says("Ready", "True", "Synced").await;
    hand_over(&scenario, SECOND_NAMESPACE).await;
    let note = event(&scenario, "NotHandedOver", "default").await;
    let message = eventually("the status says so", SOON, async || {
        let message = scenario.says("Ready", "True", "Synced").await;
        let says = message.contains("pullsecrets.dev/installation") && message.contains("NAMESPACE/pullsecrets");
        if says { Ok(message) } else { Err(message) }
    })
    .await;
    assert_eq!(note, message);
    scenario.namespaces(&["b"]).await;
    let served = scenario.expected(&["a", "b"], &login);
    scenario.holds("it is acted for as before", &served).await;
    scenario.counts(2).await;

    // A valid name of a missing installation: the first one stops at once, and reports how to go on.
    let mark = scenario.mark().await;
    hand_over(&scenario, "nowhere/pullsecrets").await;
    let note = event(&scenario, "HandedOver", "default").await;
    assert!(
        note.contains("annotate cps typo pullsecrets.dev/installation-"),
        "{note}"
    );
    scenario.kubectl(&["delete", "secret", "typo", "-n", "typo-a"]).await;
    does_not_write(&scenario, OPERATOR_USER, mark, A_WHILE).await;
    scenario
        .kubectl(&["annotate", "cps", "typo", "pullsecrets.dev/installation-"])
        .await;
    scenario.holds("it goes on", &served).await;
    scenario.says("Ready", "True", "Synced").await;
}

/// Deletes the object and its source in the second namespace.
async fn is_taken_away(scenario: &Scenario) {
    let name = scenario.name();
    scenario.kubectl(&["delete", "cps", name, "--timeout=20s"]).await;
    scenario
        .kubectl(&["delete", "secret", name, "-n", SECOND_NAMESPACE])
        .await;
    is_collected(scenario).await;
}

async fn patch_status(scenario: &Scenario, patch: &str) {
    let status = ["--subresource=status", "--type=merge", "-p", patch];
    let arguments = ["patch", "cps", scenario.name()].into_iter().chain(status);
    scenario.kubectl(&arguments.collect::<Vec<_>>()).await;
}

/// Waits until the object and its dependents are gone. The other installation's state of it is then garbage, which its
/// namespace keeps until the garbage collector knows the definition.
async fn is_collected(scenario: &Scenario) {
    eventually("everything is taken away", COLLECTED, async || {
        scenario.check_gone().await
    })
    .await;
}

/// Returns `config/default` in another namespace, as an overlay would: the steps of `config/README.md`.
#[tokio::test]
async fn a_second_apply_elsewhere_is_a_move() {
    let scenario = Scenario::own("moved").await;
    scenario.set_up(&["a"], &scenario.login("first")).await;
    scenario.says("Ready", "True", "Synced").await;
    let (uids, before) = (scenario.uids().await, versions(&scenario).await);
    let shipped = e2e::workspace().join("config/default");
    let shipped = scenario.kubectl(&["kustomize", shipped.to_str().unwrap()]).await;
    let elsewhere = shipped.replace(e2e::SYSTEM_NAMESPACE, SECOND_NAMESPACE);
    scenario.cluster().kubectl().apply(&elsewhere).await.unwrap();
    eventually("the old operator has lost its rights", SOON, async || {
        let user = format!("--as={OPERATOR_USER}");
        let may = ["auth", "can-i", "patch", "serviceaccounts", "-A", &user];
        let output = scenario.cluster().kubectl().output(&may, "").await;
        let answer = output.map_err(|error| format!("{error:#}"))?.stdout;
        (answer.trim_ascii() == b"no").then_some(()).ok_or("not yet".to_owned())
    })
    .await;
    let mark = scenario.mark().await;
    scenario.namespaces(&["b"]).await;
    scenario.stop_operator();
    let other = start_second(&scenario).await;
    does_not_write(&scenario, SECOND_USER, mark, A_WHILE).await;
    assert_eq!(versions(&scenario).await, before);
    let login = scenario.login("second");
    source_in_second(&scenario, &login).await;
    hand_over(&scenario, SECOND).await;
    scenario
        .holds("the new operator goes on", &scenario.expected(&["a", "b"], &login))
        .await;
    scenario.says("Ready", "True", "Synced").await;
    assert_eq!(scenario.uids().await["moved-a"], uids["moved-a"], "in place");
    let refused: Vec<String> = writes(&scenario, mark)
        .await
        .iter()
        .filter(|record| record.user == SECOND_USER && record.code == 403)
        .map(Record::summary)
        .collect();
    assert_eq!(refused, Vec::<String>::new());
    scenario.kubectl(&["delete", "ns", e2e::SYSTEM_NAMESPACE]).await;
    scenario.counts(2).await;
    is_taken_away(&scenario).await;
    other.stop().unwrap();
}

async fn hand_over(scenario: &Scenario, to: &str) {
    let annotation = format!("pullsecrets.dev/installation={to}");
    scenario
        .kubectl(&["annotate", "cps", scenario.name(), &annotation, "--overwrite"])
        .await;
}

async fn is_acted_for_by(scenario: &Scenario, installation: &str) {
    eventually(&format!("{installation} acts"), SOON, async || {
        let seen = installation_of(scenario, scenario.name()).await;
        (seen == installation).then_some(()).ok_or(seen)
    })
    .await;
}

async fn installation_of(scenario: &Scenario, object: &str) -> String {
    scenario
        .kubectl(&["get", "cps", object, "-o", "jsonpath={.status.installation}"])
        .await
}

/// Waits for an Event of this reason, and returns its note.
async fn event(scenario: &Scenario, reason: &str, namespace: &str) -> String {
    eventually(&format!("the event {reason}"), SOON, async || {
        let events = scenario
            .kubectl(&["get", "events.events.k8s.io", "-n", namespace, "-o", "json"])
            .await;
        let events: Value = serde_json::from_str(&events).map_err(|error| error.to_string())?;
        let events = events["items"].as_array().into_iter().flatten();
        let mut found = events.filter(|event| event["reason"] == reason);
        let note = found.next().and_then(|event| event["note"].as_str());
        note.map(str::to_owned).ok_or_else(|| "there is none".to_owned())
    })
    .await
}

async fn shows(operator: &Operator, line: &str) {
    eventually(line, SOON, async || {
        let answer = loopback::get(operator.metrics_address(), "/metrics", None).await;
        let (_, text) = answer.map_err(|error| format!("{error:#}"))?;
        let of_objects = text.lines().filter(|seen| seen.starts_with("pullsecrets_object_state"));
        let seen: Vec<&str> = of_objects.collect();
        seen.contains(&line).then_some(()).ok_or_else(|| format!("{seen:?}"))
    })
    .await;
}

/// Returns the versions of all copies.
async fn versions(scenario: &Scenario) -> String {
    let label = format!("pullsecrets.dev/cluster-pull-secret={}", scenario.name());
    let versions = "jsonpath={.items[*].metadata.resourceVersion}";
    scenario
        .kubectl(&["get", "secrets", "-A", "-l", &label, "-o", versions])
        .await
}

/// Returns the writes of both installations, except their Leases and Events.
async fn writes(scenario: &Scenario, mark: Mark) -> Vec<Record> {
    let audit = scenario.cluster().audit();
    audit.settle(scenario.client()).await.unwrap();
    let of_both = |record: &Record| [OPERATOR_USER, SECOND_USER].contains(&record.user.as_str());
    let aside = |record: &Record| ["leases", "events"].contains(&record.resource.as_str());
    let records = audit.since(mark).unwrap().into_iter();
    records
        .filter(|record| record.is_write() && of_both(record) && !aside(record))
        .collect()
}

/// Checks that no write was made since the mark, and none follows for a while.
async fn does_not_write(scenario: &Scenario, user: &str, mark: Mark, within: Duration) {
    quiet(&format!("{user} does not write"), within, async || {
        let all = writes(scenario, mark).await;
        let of_it = all.iter().filter(|record| record.user == user);
        let of_it: Vec<String> = of_it.map(Record::summary).collect();
        of_it.is_empty().then_some(()).ok_or_else(|| of_it.join(", "))
    })
    .await;
}

async fn source_in_second(scenario: &Scenario, login: &Login) {
    let Login { username, password } = login;
    scenario
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
            "metadata": {"name": scenario.name(), "namespace": SECOND_NAMESPACE},
            "stringData": {"username": username, "password": password},
        }))
        .await;
}

/// Creates the second installation: its account has the rights of `config/rbac`, in its own namespace.
async fn install_second(scenario: &Scenario) {
    let group = "rbac.authorization.k8s.io";
    let metadata = json!({"name": "pullsecrets", "namespace": SECOND_NAMESPACE});
    let subjects = json!([{"kind": "ServiceAccount", "name": "pullsecrets", "namespace": SECOND_NAMESPACE}]);
    let bound = |kind: &str, role: &str, metadata: &Value| {
        json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": metadata, "subjects": subjects,
            "roleRef": {"apiGroup": group, "kind": role, "name": "pullsecrets"}})
    };
    let leases =
        json!([{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "update"]}]);
    let all = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SECOND_NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata, "rules": leases},
        bound("RoleBinding", "Role", &metadata),
        bound("ClusterRoleBinding", "ClusterRole", &json!({"name": "pullsecrets-second"})),
    ]});
    scenario.apply(&all).await;
}

async fn start_second(scenario: &Scenario) -> Operator {
    let cluster = scenario.cluster();
    let kubeconfig = cluster
        .service_account_kubeconfig(SECOND_NAMESPACE, "pullsecrets")
        .await
        .unwrap();
    let options = operator::Options {
        pod: "second-0".to_owned(),
        namespace: SECOND_NAMESPACE.to_owned(),
        ..operator::Options::default()
    };
    Operator::start_as(cluster, &options, &kubeconfig).await.unwrap()
}

//! Two installations in one cluster.

mod lagging;
mod second;
mod seen;
mod silent;

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::OPERATOR_USER;
use e2e::audit::Record;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::{eventually, quiet};
use serde_json::{Value, json};

use second::{SECOND_NAMESPACE, SECOND_USER, install_second, remove_state_of_second, source_in_second, start_second};
use seen::{does_not_write, event, installation_of, is_acted_for_by, shows, versions, writes};

const FIRST: &str = "pullsecrets-system/pullsecrets";

const SECOND: &str = "second/pullsecrets";

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
    hand_over(&scenario, SECOND).await;
    is_acted_for_by(&scenario, SECOND).await;
    // A status of before may still be on its way until here.
    let mark = scenario.mark().await;
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
    other.stop().await.unwrap();
}

/// Hands the object back. The first installation's state is older than the copies, which keep their login until the
/// source exists again.
async fn goes_back(scenario: &Scenario, parts: &[&str]) {
    scenario
        .kubectl(&["delete", "secret", "twice", "-n", e2e::SYSTEM_NAMESPACE])
        .await;
    let before = versions(scenario).await;
    hand_over(scenario, FIRST).await;
    is_acted_for_by(scenario, FIRST).await;
    let mark = scenario.mark().await;
    scenario.says("CredentialsReady", "False", "SourceNotFound").await;
    quiet("an older login does not come back", A_WHILE, async || {
        let now = versions(scenario).await;
        (now == before).then_some(()).ok_or(now)
    })
    .await;
    remove_state_of_second(scenario).await;
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
            .kubectl(&[
                "wait",
                "--for=condition=Ready",
                "--timeout=120s",
                &format!("cps/{name}"),
            ])
            .await;
    }
    let mut winners = BTreeSet::new();
    for name in &names {
        let installation = installation_of(&scenario, name).await;
        let made = writes(&scenario, mark).await.into_iter();
        let made: Vec<Record> = made
            .filter(|record| record.name == *name && (200..300).contains(&record.code))
            .collect();
        let winner = if installation == FIRST {
            OPERATOR_USER
        } else {
            SECOND_USER
        };
        let others = made.iter().any(|record| record.user != winner);
        assert!(!made.is_empty() && !others, "{name} is of {installation}: {made:#?}");
        winners.insert(installation);
    }
    println!("won by {winners:?}");
    for name in &names {
        scenario.kubectl(&["delete", "cps", name, "--timeout=120s"]).await;
    }
    scenario
        .kubectl(&["delete", "secret", "race", "-n", SECOND_NAMESPACE])
        .await;
    other.stop().await.unwrap();
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
    other.stop().await.unwrap();
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
    other.stop().await.unwrap();

    // As an object from before the field existed.
    scenario.stop_operator().await;
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
    scenario.kubectl(&["delete", "cps", name, "--timeout=120s"]).await;
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

/// `config/default` is applied in another namespace, as an overlay would: the steps of `config/README.md`.
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
    scenario.stop_operator().await;
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
    other.stop().await.unwrap();
}

async fn hand_over(scenario: &Scenario, to: &str) {
    let annotation = format!("pullsecrets.dev/installation={to}");
    scenario
        .kubectl(&["annotate", "cps", scenario.name(), &annotation, "--overwrite"])
        .await;
}

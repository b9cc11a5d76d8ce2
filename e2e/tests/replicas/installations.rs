//! Two installations in one cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::OPERATOR_USER;
use e2e::audit::{Mark, Record};
use e2e::loopback;
use e2e::operator::{self, Operator};
use e2e::oracle::Login;
use e2e::scene::{SOON, Scene};
use e2e::wait::{eventually, quiet};
use serde_json::{Value, json};

const FIRST: &str = "pullsecrets-system/pullsecrets";
const SECOND: &str = "second/pullsecrets";
const SECOND_NAMESPACE: &str = "second";
const SECOND_USER: &str = "system:serviceaccount:second:pullsecrets";

/// Longer than the second between two writes of a status, and than the back-off of a fight.
const A_WHILE: Duration = Duration::from_secs(3);

/// The garbage collector looks for new definitions every 30 s, and then lists their objects.
const COLLECTED: Duration = Duration::from_secs(90);

#[tokio::test]
async fn the_first_installation_wins_until_handed_over() {
    let scene = Scene::own("twice").await;
    let [first, renewed, third, fourth] = ["first", "renewed", "third", "fourth"].map(|what| scene.login(what));
    scene.set_up(&["a", "b"], &first).await;
    scene.says("Ready", "True", "Synced").await;
    is_acted_for_by(&scene, FIRST).await;

    let mark = scene.mark().await;
    install_second(&scene).await;
    let other = start_second(&scene).await;
    let note = event(&scene, "InstalledTwice", SECOND_NAMESPACE).await;
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
    scene.namespaces(&["c"]).await;
    scene.source(&renewed).await;
    let parts = ["a", "b", "c"];
    let served = scene.expected(&parts, &renewed);
    scene.holds("the first goes on alone", &served).await;
    scene.counts(3).await;
    does_not_write(&scene, SECOND_USER, mark, A_WHILE).await;

    let (uids, before) = (scene.uids().await, versions(&scene).await);
    let mark = scene.mark().await;
    hand_over(&scene, SECOND).await;
    is_acted_for_by(&scene, SECOND).await;
    scene.says("CredentialsReady", "False", "SourceNotFound").await;
    shows(
        &other,
        r#"pullsecrets_object_state{object="twice",state="Progressing"} 1"#,
    )
    .await;
    quiet("no copy is written before the sources resolve", A_WHILE, async || {
        let now = versions(&scene).await;
        (now == before).then_some(()).ok_or(now)
    })
    .await;
    for login in [&third, &fourth] {
        source_in_second(&scene, login).await;
        let served = scene.expected(&parts, login);
        scene.holds("the second serves its own source", &served).await;
        scene.says("Ready", "True", "Synced").await;
    }
    assert_eq!(scene.uids().await, uids, "in place");
    does_not_write(&scene, OPERATOR_USER, mark, Duration::ZERO).await;

    goes_back(&scene, &parts).await;
    is_taken_away(&scene).await;
    other.stop().unwrap();
}

/// What the first remembers is older than what the copies hold: they keep that until the source is there again.
async fn goes_back(scene: &Scene, parts: &[&str]) {
    scene
        .kubectl(&["delete", "secret", "twice", "-n", e2e::SYSTEM_NAMESPACE])
        .await;
    let before = versions(scene).await;
    let mark = scene.mark().await;
    hand_over(scene, FIRST).await;
    is_acted_for_by(scene, FIRST).await;
    scene.says("CredentialsReady", "False", "SourceNotFound").await;
    quiet("an older login does not come back", A_WHILE, async || {
        let now = versions(scene).await;
        (now == before).then_some(()).ok_or(now)
    })
    .await;
    // What the second remembers stays in its namespace, until a person or the collector takes it away.
    let managed = "app.kubernetes.io/managed-by=pullsecrets";
    scene
        .kubectl(&["delete", "secrets", "-n", SECOND_NAMESPACE, "-l", managed])
        .await;
    let fifth = scene.login("fifth");
    scene.source(&fifth).await;
    scene
        .holds("the first serves its source again", &scene.expected(parts, &fifth))
        .await;
    scene.says("Ready", "True", "Synced").await;
    does_not_write(scene, SECOND_USER, mark, Duration::ZERO).await;
}

/// Objects that come while both look: each has one installation, which alone writes for it.
#[tokio::test]
async fn two_installations_never_write_for_one_object() {
    const OBJECTS: usize = 12;
    let scene = Scene::own("race").await;
    install_second(&scene).await;
    let other = start_second(&scene).await;
    scene.namespaces(&["a"]).await;
    let [first, second] = ["first", "second"].map(|what| scene.login(what));
    scene.source(&first).await;
    source_in_second(&scene, &second).await;
    let names: Vec<String> = (0..OBJECTS).map(|number| format!("race-{number}")).collect();
    let mark = scene.mark().await;
    let objects: Vec<Value> = names
        .iter()
        .map(|name| {
            let mut object = scene.object();
            object["metadata"]["name"] = name.as_str().into();
            object
        })
        .collect();
    scene
        .apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects}))
        .await;
    for name in &names {
        scene
            .kubectl(&["wait", "--for=condition=Ready", "--timeout=30s", &format!("cps/{name}")])
            .await;
    }
    let mut winners = BTreeSet::new();
    for name in &names {
        let installation = installation_of(&scene, name).await;
        let users: BTreeSet<String> = writes(&scene, mark)
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
        scene.kubectl(&["delete", "cps", name, "--timeout=20s"]).await;
    }
    scene
        .kubectl(&["delete", "secret", "race", "-n", SECOND_NAMESPACE])
        .await;
    other.stop().unwrap();
}

#[tokio::test]
async fn a_deletion_waits_for_its_installation_or_a_person() {
    let scene = Scene::own("left").await;
    scene.set_up(&["a", "b"], &scene.login("first")).await;
    scene.says("Ready", "True", "Synced").await;
    install_second(&scene).await;
    let mark = scene.mark().await;
    let other = start_second(&scene).await;
    scene.kill_operator();
    scene.kubectl(&["delete", "cps", "left", "--wait=false"]).await;
    does_not_write(&scene, SECOND_USER, mark, A_WHILE).await;
    scene.current().await;
    hand_over(&scene, SECOND).await;
    is_collected(&scene).await;
    other.stop().unwrap();
}

#[tokio::test]
async fn a_cleared_status_stays_with_its_installation() {
    let scene = Scene::own("cleared").await;
    let login = scene.login("first");
    scene.set_up(&["a"], &login).await;
    scene.says("Ready", "True", "Synced").await;
    install_second(&scene).await;
    let mark = scene.mark().await;
    let other = start_second(&scene).await;
    event(&scene, "InstalledTwice", SECOND_NAMESPACE).await;
    for _ in 0..3 {
        patch_status(&scene, r#"{"status":null}"#).await;
        is_acted_for_by(&scene, FIRST).await;
        scene.says("Ready", "True", "Synced").await;
    }
    does_not_write(&scene, SECOND_USER, mark, A_WHILE).await;
    other.stop().unwrap();

    // As an object from before there was the field.
    scene.stop_operator();
    patch_status(&scene, r#"{"status":{"installation":null}}"#).await;
    let before = versions(&scene).await;
    scene.start_operator().await;
    is_acted_for_by(&scene, FIRST).await;
    scene.namespaces(&["b"]).await;
    scene
        .holds("it is acted for", &scene.expected(&["a", "b"], &login))
        .await;
    let now = versions(&scene).await;
    assert!(now.split(' ').any(|version| version == before), "{before} {now}");
}

#[tokio::test]
async fn a_wrong_annotation_is_reported_and_undone() {
    let scene = Scene::own("typo").await;
    let login = scene.login("first");
    scene.set_up(&["a"], &login).await;
    scene.says("Ready", "True", "Synced").await;
    hand_over(&scene, SECOND_NAMESPACE).await;
    let note = event(&scene, "NotHandedOver", "default").await;
    let message = eventually("the status says so", SOON, async || {
        let message = scene.says("Ready", "True", "Synced").await;
        let says = message.contains("pullsecrets.dev/installation") && message.contains("NAMESPACE/pullsecrets");
        if says { Ok(message) } else { Err(message) }
    })
    .await;
    assert_eq!(note, message);
    scene.namespaces(&["b"]).await;
    let served = scene.expected(&["a", "b"], &login);
    scene.holds("it is acted for as before", &served).await;
    scene.counts(2).await;

    // A name as it should be, of an installation that there is not: the first stops at once and says how to go on.
    let mark = scene.mark().await;
    hand_over(&scene, "nowhere/pullsecrets").await;
    let note = event(&scene, "HandedOver", "default").await;
    assert!(
        note.contains("annotate cps typo pullsecrets.dev/installation-"),
        "{note}"
    );
    scene.kubectl(&["delete", "secret", "typo", "-n", "typo-a"]).await;
    does_not_write(&scene, OPERATOR_USER, mark, A_WHILE).await;
    scene
        .kubectl(&["annotate", "cps", "typo", "pullsecrets.dev/installation-"])
        .await;
    scene.holds("it goes on", &served).await;
    scene.says("Ready", "True", "Synced").await;
}

/// Deletes the object and its source in the second namespace.
async fn is_taken_away(scene: &Scene) {
    let name = scene.name();
    scene.kubectl(&["delete", "cps", name, "--timeout=20s"]).await;
    scene.kubectl(&["delete", "secret", name, "-n", SECOND_NAMESPACE]).await;
    is_collected(scene).await;
}

async fn patch_status(scene: &Scene, patch: &str) {
    let status = ["--subresource=status", "--type=merge", "-p", patch];
    let arguments = ["patch", "cps", scene.name()].into_iter().chain(status);
    scene.kubectl(&arguments.collect::<Vec<_>>()).await;
}

/// The object is gone with all that was its own. What the other installation remembered of it is garbage then, which its own
/// namespace keeps until the collector has learned of the definition.
async fn is_collected(scene: &Scene) {
    eventually("everything is taken away", COLLECTED, async || scene.check_gone().await).await;
}

/// `config/default` in another namespace, as an overlay would have it: the steps of `config/README.md`.
#[tokio::test]
async fn a_second_apply_elsewhere_is_a_move() {
    let scene = Scene::own("moved").await;
    scene.set_up(&["a"], &scene.login("first")).await;
    scene.says("Ready", "True", "Synced").await;
    let (uids, before) = (scene.uids().await, versions(&scene).await);
    let shipped = e2e::workspace().join("config/default");
    let shipped = scene.kubectl(&["kustomize", shipped.to_str().unwrap()]).await;
    let elsewhere = shipped.replace(e2e::SYSTEM_NAMESPACE, SECOND_NAMESPACE);
    scene.cluster().kubectl().apply(&elsewhere).await.unwrap();
    eventually("the old operator has lost its rights", SOON, async || {
        let user = format!("--as={OPERATOR_USER}");
        let may = ["auth", "can-i", "patch", "serviceaccounts", "-A", &user];
        let output = scene.cluster().kubectl().output(&may, "").await;
        let answer = output.map_err(|error| format!("{error:#}"))?.stdout;
        (answer.trim_ascii() == b"no").then_some(()).ok_or("not yet".to_owned())
    })
    .await;
    let mark = scene.mark().await;
    scene.namespaces(&["b"]).await;
    scene.stop_operator();
    let other = start_second(&scene).await;
    does_not_write(&scene, SECOND_USER, mark, A_WHILE).await;
    assert_eq!(versions(&scene).await, before);
    let login = scene.login("second");
    source_in_second(&scene, &login).await;
    hand_over(&scene, SECOND).await;
    scene
        .holds("the new operator goes on", &scene.expected(&["a", "b"], &login))
        .await;
    scene.says("Ready", "True", "Synced").await;
    assert_eq!(scene.uids().await["moved-a"], uids["moved-a"], "in place");
    let refused: Vec<String> = writes(&scene, mark)
        .await
        .iter()
        .filter(|record| record.user == SECOND_USER && record.code == 403)
        .map(Record::summary)
        .collect();
    assert_eq!(refused, Vec::<String>::new());
    scene.kubectl(&["delete", "ns", e2e::SYSTEM_NAMESPACE]).await;
    scene.counts(2).await;
    is_taken_away(&scene).await;
    other.stop().unwrap();
}

async fn hand_over(scene: &Scene, to: &str) {
    let annotation = format!("pullsecrets.dev/installation={to}");
    scene
        .kubectl(&["annotate", "cps", scene.name(), &annotation, "--overwrite"])
        .await;
}

async fn is_acted_for_by(scene: &Scene, installation: &str) {
    eventually(&format!("{installation} acts"), SOON, async || {
        let seen = installation_of(scene, scene.name()).await;
        (seen == installation).then_some(()).ok_or(seen)
    })
    .await;
}

async fn installation_of(scene: &Scene, object: &str) -> String {
    scene
        .kubectl(&["get", "cps", object, "-o", "jsonpath={.status.installation}"])
        .await
}

/// Waits for an Event of this reason, and gives its note.
async fn event(scene: &Scene, reason: &str, namespace: &str) -> String {
    eventually(&format!("the event {reason}"), SOON, async || {
        let events = scene
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

/// The versions of all copies.
async fn versions(scene: &Scene) -> String {
    let label = format!("pullsecrets.dev/cluster-pull-secret={}", scene.name());
    let versions = "jsonpath={.items[*].metadata.resourceVersion}";
    scene
        .kubectl(&["get", "secrets", "-A", "-l", &label, "-o", versions])
        .await
}

/// The writes of both installations, their Leases and Events aside.
async fn writes(scene: &Scene, mark: Mark) -> Vec<Record> {
    let audit = scene.cluster().audit();
    audit.settle(scene.client()).await.unwrap();
    let of_both = |record: &Record| [OPERATOR_USER, SECOND_USER].contains(&record.user.as_str());
    let aside = |record: &Record| ["leases", "events"].contains(&record.resource.as_str());
    let records = audit.since(mark).unwrap().into_iter();
    records
        .filter(|record| record.is_write() && of_both(record) && !aside(record))
        .collect()
}

/// Not since the mark, and not in this time.
async fn does_not_write(scene: &Scene, user: &str, mark: Mark, within: Duration) {
    quiet(&format!("{user} does not write"), within, async || {
        let all = writes(scene, mark).await;
        let of_it = all.iter().filter(|record| record.user == user);
        let of_it: Vec<String> = of_it.map(Record::summary).collect();
        of_it.is_empty().then_some(()).ok_or_else(|| of_it.join(", "))
    })
    .await;
}

async fn source_in_second(scene: &Scene, login: &Login) {
    let Login { username, password } = login;
    scene
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
            "metadata": {"name": scene.name(), "namespace": SECOND_NAMESPACE},
            "stringData": {"username": username, "password": password},
        }))
        .await;
}

/// Its account has the rights of `config/rbac`, in a namespace of its own.
async fn install_second(scene: &Scene) {
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
    scene.apply(&all).await;
}

async fn start_second(scene: &Scene) -> Operator {
    let cluster = scene.cluster();
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

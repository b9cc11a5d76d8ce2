//! Settled means silent.

use std::time::Duration;

use e2e::OPERATOR_USER;
use e2e::audit::Mark;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::{eventually, quiet};

/// Longer than the second between two writes of a status, and than a start needs.
const A_WHILE: Duration = Duration::from_secs(5);

/// The operator makes no write without a change, and none after a restart.
#[tokio::test]
async fn steady_state_and_restart_write_nothing() {
    let scenario = Scenario::own("silence").await;
    let login = scenario.login("first");
    scenario.set_up(&["a", "b", "c"], &login).await;
    scenario.says("Ready", "True", "Synced").await;
    scenario.counts(3).await;
    is_announced(&scenario, "Synced").await;

    let mark = scenario.mark().await;
    writes_nothing_since(&scenario, mark, "there is no change").await;

    scenario.stop_operator().await;
    let mark = scenario.mark().await;
    scenario.start_operator().await;
    writes_nothing_since(&scenario, mark, "it starts and all is in place").await;

    scenario.kill_operator();
    let mark = scenario.mark().await;
    scenario.start_operator().await;
    writes_nothing_since(&scenario, mark, "it starts after a crash and all is in place").await;

    // The operator is silent because all is done, and not because it is stuck.
    scenario.namespaces(&["d"]).await;
    scenario
        .holds(
            "a new namespace is served",
            &scenario.expected(&["a", "b", "c", "d"], &login),
        )
        .await;
}

/// Waits for an Event, because the operator publishes it beside its step, and possibly later.
async fn is_announced(scenario: &Scenario, reason: &str) {
    let of = format!("involvedObject.name={},reason={reason}", scenario.name());
    let get = ["get", "events", "-A", "-o", "name", "--field-selector", &of];
    eventually("the change is announced", SOON, async || {
        let events = scenario.kubectl(&get).await;
        (!events.is_empty()).then_some(()).ok_or_else(|| format!("no {reason}"))
    })
    .await;
}

/// After a restart beside a squatter, the operator makes no write. The first list of copies does not show a foreign Secret. The
/// operator therefore tries one create, which is refused.
#[tokio::test]
async fn restart_beside_a_squatter_writes_nothing() {
    let scenario = Scenario::own("beside").await;
    let login = scenario.login("first");
    scenario.namespaces(&["a", "b"]).await;
    let squat = [
        "create",
        "secret",
        "generic",
        "beside",
        "-n",
        "beside-b",
        "--from-literal=theirs=kept",
    ];
    scenario.kubectl(&squat).await;
    scenario.source(&login).await;
    scenario.apply(&scenario.object()).await;
    scenario.says("Ready", "False", "NamespacesFailed").await;
    scenario
        .holds("the free one is served", &scenario.expected(&["a"], &login))
        .await;
    // The operator would rightly publish missing reports after the restart.
    eventually("all reports are published", SOON, async || {
        let status = scenario.current().await["status"].clone();
        let (namespaces, accounts) = (&status["namespaces"], &status["serviceAccounts"]);
        let told = namespaces["ready"] == 1 && namespaces["failed"] == 1 && accounts["ready"] == 1;
        told.then_some(()).ok_or_else(|| status.to_string())
    })
    .await;

    scenario.stop_operator().await;
    let mark = scenario.mark().await;
    scenario.start_operator().await;
    quiet("no write when it starts beside a squatter", A_WHILE, async || {
        let audit = scenario.cluster().audit();
        let writes = audit
            .writes_since(mark, OPERATOR_USER)
            .map_err(|error| error.to_string())?;
        let refused = |write: &e2e::audit::Record| write.code == 409 && write.resource == "secrets";
        let silent = writes.objects.iter().all(refused) && writes.objects.len() <= 1 && writes.events.is_empty();
        silent.then_some(()).ok_or_else(|| writes.summary())
    })
    .await;
    scenario.says("Ready", "False", "NamespacesFailed").await;
}

/// Checks that no write follows. Events count, Leases do not.
async fn writes_nothing_since(scenario: &Scenario, mark: Mark, when: &str) {
    let audit = scenario.cluster().audit();
    quiet(
        &format!("the operator makes no write when {when}"),
        A_WHILE,
        async || {
            let writes = audit
                .writes_since(mark, OPERATOR_USER)
                .map_err(|error| error.to_string())?;
            if writes.objects.is_empty() && writes.events.is_empty() {
                return Ok(());
            }
            Err(format!("{} and {} Events", writes.summary(), writes.events.len()))
        },
    )
    .await;
}

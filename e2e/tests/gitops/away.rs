//! Statuses after the operator was away.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::audit::Record as Request;
use e2e::operator::Options;
use e2e::oracle::Login;
use e2e::scenario::{LABEL, SOON, Scenario};
use e2e::wait::quiet;

use crate::gitops::record::{Record, holds};
use crate::gitops::rules;
use crate::gitops::states::MANY;

/// A restart does not make an old problem new, and writes as little as before.
#[tokio::test]
async fn restart_does_not_renew_an_old_problem() {
    let scenario = Scenario::own("stalled").await;
    let record = Record::of(&scenario);
    scenario.namespaces(&["a"]).await;
    scenario.apply(&scenario.object()).await;
    record
        .first("stalled", "stalled", SOON * 2, |object| holds(object, "Stalled"))
        .await;
    scenario.stop_operator().await;
    let mark = scenario.mark().await;
    scenario.start_operator().await;
    quiet(
        "an object that is still stalled causes no write",
        Duration::from_secs(5),
        async || {
            let writes = scenario.writes_since(mark).await;
            if writes.is_empty() {
                Ok(())
            } else {
                Err(writes.iter().map(Request::summary).collect::<Vec<_>>().join("\n"))
            }
        },
    )
    .await;
    rules::check(&record).await;
}

/// Namespaces that came while the operator was down are not called ready before they are.
#[tokio::test]
async fn restart_does_not_overstate_ready_namespaces() {
    let options = Options {
        flags: vec!["--concurrency=1".to_owned()],
        ..Options::default()
    };
    let scenario = Scenario::own("downtime").await;
    scenario.set_up(&["first"], &Login::new("robot", "first")).await;
    scenario.reaches("Ready", "True").await;
    scenario.stop_operator().await;
    let names: Vec<String> = (0..MANY).map(|number| format!("downtime-{number}")).collect();
    let labels = BTreeMap::from([(LABEL.to_owned(), "downtime".to_owned())]);
    scenario.make_namespaces(names, &labels).await;
    let record = Record::of(&scenario);
    scenario.start_operator_with(options).await;
    scenario.counts(MANY + 1).await;
    scenario.reaches("Ready", "True").await;
    for version in record.versions("downtime") {
        let counts = &version["status"]["namespaces"];
        let all = counts["selected"] == counts["ready"];
        assert!(all || !holds(&version, "Ready"), "Ready with {counts}");
    }
}

//! Metrics and probes of a standby.

use std::time::Duration;

use e2e::loopback;
use e2e::operator::{Operator, Options};
use e2e::scenario::{SOON, Scenario};
use e2e::wait::eventually;

use crate::metrics::scrape::Scrape;

/// A Lease expires this long after its last renewal. The rest allows for a slow machine.
const TAKES_OVER_WITHIN: Duration = Duration::from_secs(20);

async fn told(operator: &Operator) -> Scrape {
    let (code, text) = loopback::get(operator.metrics_address(), "/metrics", None)
        .await
        .unwrap();
    assert_eq!(code, 200);
    Scrape::of(&text)
}

/// A standby shows the objects and does not lead until it does.
#[tokio::test]
async fn standby_shows_objects_and_does_not_lead() {
    let scenario = Scenario::own("standby").await;
    scenario.set_up(&["a", "b"], &scenario.login("first")).await;
    scenario.counts(2).await;
    let options = Options {
        pod: "pullsecrets-1".to_owned(),
        ..Options::default()
    };
    let standby = Operator::start(scenario.cluster(), &options).await.unwrap();
    let objects = |scrape: &Scrape| {
        let of = scrape
            .series
            .iter()
            .filter(|(series, _)| series.contains("object=\"standby\""));
        of.map(|(series, value)| format!("{series} {value}"))
            .collect::<Vec<_>>()
    };
    eventually("both tell the same of the object", SOON, async || {
        let (leader, other) = (Scrape::of(&scenario.metrics().await), told(&standby).await);
        let (leader, other) = (objects(&leader), objects(&other));
        (leader == other && leader.len() == 10)
            .then_some(())
            .ok_or(format!("{leader:?}\n{other:?}"))
    })
    .await;
    let writes = |scrape: &Scrape| -> f64 {
        let all = scrape
            .series
            .iter()
            .filter(|(series, _)| series.starts_with("pullsecrets_writes_total"));
        all.map(|(_, value)| value).sum()
    };
    let (leader, other) = (Scrape::of(&scenario.metrics().await), told(&standby).await);
    assert!(leader.value("pullsecrets_leader") > 0.0 && writes(&leader) > 0.0);
    assert!(other.value("pullsecrets_leader") < 1.0 && writes(&other) < 1.0);

    scenario.kill_operator();
    eventually("the standby says that it leads", TAKES_OVER_WITHIN, async || {
        let leads = told(&standby).await.value("pullsecrets_leader");
        (leads > 0.0).then_some(()).ok_or_else(|| leads.to_string())
    })
    .await;
    standby.stop().await.unwrap();
}

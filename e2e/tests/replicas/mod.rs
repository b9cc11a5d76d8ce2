//! Two replicas and one Lease.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod installations;
mod takeover;

use std::time::Duration;

use e2e::faults::plan::{Fault, Trigger};
use e2e::faults::proxy::Proxy;
use e2e::operator::{self, Operator};
use e2e::scenario::{SOON, Scenario};
use e2e::wait::{eventually, quiet};
use e2e::{OPERATOR_USER, SYSTEM_NAMESPACE};
use tokio::time::Instant;

/// A Lease expires this long after its last renewal. The rest allows for a slow machine.
const LEASE: Duration = Duration::from_secs(15);
const SLOW_MACHINE: Duration = Duration::from_secs(5);
/// A leader that ends after SIGTERM releases the Lease.
const HANDED_OVER: Duration = Duration::from_secs(2);

async fn standby(scenario: &Scenario) -> Operator {
    let options = operator::Options {
        pod: "pullsecrets-1".to_owned(),
        ..operator::Options::default()
    };
    Operator::start(scenario.cluster(), &options).await.unwrap()
}

async fn holder(scenario: &Scenario) -> String {
    let path = "jsonpath={.spec.holderIdentity}";
    scenario
        .kubectl(&["get", "lease", "pullsecrets", "-n", SYSTEM_NAMESPACE, "-o", path])
        .await
}

async fn is_led_by(scenario: &Scenario, identity: &str, within: Duration) {
    eventually(&format!("{identity} leads"), within, async || {
        match holder(scenario).await {
            seen if seen == identity => Ok(()),
            seen => Err(seen),
        }
    })
    .await;
}

/// A standby writes to no object, and takes over within the length of the Lease after a kill.
#[tokio::test]
async fn standby_takes_over_after_a_kill() {
    let scenario = Scenario::own("killed").await;
    let login = scenario.login("first");
    scenario.set_up(&["a", "b"], &login).await;
    scenario.says("Ready", "True", "Synced").await;
    is_led_by(&scenario, "pullsecrets-0", SOON).await;
    let mark = scenario.mark().await;
    let standby = standby(&scenario).await;

    scenario.kill_operator();
    let began = Instant::now();
    scenario.namespaces(&["c"]).await;
    let served = scenario.expected(&["a", "b", "c"], &login);
    let within = LEASE + SLOW_MACHINE;
    eventually("the standby serves it", within, async || {
        e2e::oracle::check(scenario.client(), &served).await
    })
    .await;
    println!("served {:.1} s after the kill", began.elapsed().as_secs_f64());
    assert_eq!(holder(&scenario).await, "pullsecrets-1");
    scenario.counts(3).await;
    let writes = scenario.writes_since(mark).await;
    let elsewhere = writes
        .iter()
        .filter(|write| !write.namespace.is_empty() && write.namespace != "killed-c");
    assert_eq!(elsewhere.count(), 0, "what was in place is not written: {writes:#?}");
    standby.stop().await.unwrap();
}

/// A leader hands over at once after SIGTERM.
#[tokio::test]
async fn stopping_leader_hands_over_at_once() {
    let scenario = Scenario::own("rolled").await;
    let login = scenario.login("first");
    scenario.set_up(&["a"], &login).await;
    is_led_by(&scenario, "pullsecrets-0", SOON).await;
    let standby = standby(&scenario).await;
    scenario.stop_operator().await;
    is_led_by(&scenario, "pullsecrets-1", HANDED_OVER + SLOW_MACHINE).await;
    scenario.namespaces(&["b"]).await;
    scenario
        .holds("the other one serves", &scenario.expected(&["a", "b"], &login))
        .await;
    standby.stop().await.unwrap();
    assert_eq!(holder(&scenario).await, "", "given back");
}

/// A leader that slept through its Lease does no harm when it wakes, and ends.
#[tokio::test]
async fn leader_past_its_lease_does_no_harm() {
    let scenario = Scenario::own("zombie").await;
    let (first, second, third) = (
        scenario.login("first"),
        scenario.login("second"),
        scenario.login("third"),
    );
    let parts: Vec<String> = (0..120).map(|number| format!("n{number}")).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    scenario.set_up(&parts, &first).await;
    is_led_by(&scenario, "pullsecrets-0", SOON).await;
    let standby = standby(&scenario).await;

    // In the middle of a rotation, so that writes are in flight.
    let mark = scenario.mark().await;
    scenario.source(&second).await;
    eventually("the rotation has begun", SOON, async || {
        let audit = scenario.cluster().audit();
        let writes = audit
            .writes_since(mark, OPERATOR_USER)
            .map_err(|error| error.to_string())?;
        let copies = writes.to("secrets").len();
        (copies > 3).then_some(()).ok_or_else(|| format!("{copies} copies"))
    })
    .await;
    scenario.pause_operator();
    is_led_by(&scenario, "pullsecrets-1", LEASE + SLOW_MACHINE).await;
    scenario.source(&third).await;
    let expected = scenario.expected(&parts, &third);
    scenario.holds("the standby rotates on", &expected).await;
    scenario.says("Ready", "True", "Synced").await;

    let mark = scenario.mark().await;
    scenario.resume_operator();
    eventually("the one that slept ends", SOON, async || {
        match scenario.operator_ended() {
            Some(false) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await;
    quiet("its late writes have no effect", Duration::from_secs(3), async || {
        e2e::oracle::check(scenario.client(), &expected).await
    })
    .await;
    let late = scenario.writes_since(mark).await;
    let taken: Vec<_> = late
        .iter()
        .filter(|write| write.code < 300 && !write.namespace.is_empty())
        .collect();
    println!("{} late writes, {} of them taken", late.len(), taken.len());
    assert_eq!(taken.len(), 0, "{taken:#?}");
    assert_eq!(holder(&scenario).await, "pullsecrets-1");
    standby.stop().await.unwrap();
}

/// A deleted Lease is recreated, and a Lease taken by hand ends the leader.
#[tokio::test]
async fn lost_lease_is_made_again_taken_ends_leader() {
    let scenario = Scenario::own("edited-lease").await;
    let login = scenario.login("first");
    scenario.set_up(&["a"], &login).await;
    is_led_by(&scenario, "pullsecrets-0", SOON).await;
    scenario
        .kubectl(&["delete", "lease", "pullsecrets", "-n", SYSTEM_NAMESPACE])
        .await;
    eventually("it is made again", SOON, async || {
        let seen = scenario
            .kubectl(&["get", "lease", "-n", SYSTEM_NAMESPACE, "-o", "name"])
            .await;
        (!seen.is_empty()).then_some(()).ok_or(seen)
    })
    .await;
    is_led_by(&scenario, "pullsecrets-0", SOON).await;

    let usurp = r#"{"spec":{"holderIdentity":"nobody","leaseDurationSeconds":100000}}"#;
    let patch = [
        "patch",
        "lease",
        "pullsecrets",
        "-n",
        SYSTEM_NAMESPACE,
        "--type=merge",
        "-p",
        usurp,
    ];
    scenario.kubectl(&patch).await;
    eventually(
        "who led ends, since it cannot know better",
        SOON,
        async || match scenario.operator_ended() {
            Some(false) => Ok(()),
            seen => Err(format!("{seen:?}")),
        },
    )
    .await;
}

#[tokio::test]
async fn without_election_there_is_no_lease() {
    let options = operator::Options {
        flags: vec!["--leader-elect=false".to_owned()],
        ..operator::Options::default()
    };
    let scenario = Scenario::own_with("alone", options).await;
    scenario.set_up(&["a"], &scenario.login("first")).await;
    let leases = scenario
        .kubectl(&["get", "lease", "-n", SYSTEM_NAMESPACE, "-o", "name"])
        .await;
    assert_eq!(leases, "");
}

/// From this event on, the watch of its kind behind the proxy says nothing.
pub(crate) fn silence(proxy: &Proxy, event: &str) {
    let trigger = Trigger {
        what: format!("watch {event}"),
        occurrence: 1,
    };
    proxy.arm(Some((trigger, Fault::Silence)));
}

pub(crate) async fn is_silent(proxy: &Proxy) {
    eventually("the watch is silent", SOON, async || {
        let record = proxy.record();
        record.fired.then_some(()).ok_or("it has not fired".to_owned())
    })
    .await;
}

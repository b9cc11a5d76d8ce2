//! Each metric matches the table, and changes with what it counts.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use e2e::faults::plan::{Answer, Fault, Trigger};
use e2e::faults::proxy::Proxy;
use e2e::loopback;
use e2e::operator::{Operator, Options};
use e2e::scenario::{SOON, Scenario};
use e2e::wait::eventually;

use crate::metrics::scrape::{Scrape, table};

/// Enough for a visible queue, at one write at a time.
const MANY: u32 = 80;

/// Present only while a deletion waits.
const WAITS: &str = "pullsecrets_deletion_waits";

/// A scenario with repeated scrapes of its `/metrics`.
struct Watched {
    scenario: Scenario,
    first: Scrape,
    moved: BTreeSet<String>,
}

impl Watched {
    async fn start(name: &str, options: Options) -> Self {
        let scenario = Scenario::own_with(name, options).await;
        let first = Scrape::of(&scenario.metrics().await);
        Self {
            scenario,
            first,
            moved: BTreeSet::new(),
        }
    }

    async fn scrape(&mut self) -> Scrape {
        let now = Scrape::of(&self.scenario.metrics().await);
        self.moved.extend(now.moved_since(&self.first));
        now
    }

    /// Waits until a series has a right value.
    async fn says(&mut self, series: &str, right: impl Fn(f64) -> bool) -> f64 {
        let what = format!("{series} is right");
        let (scenario, first, moved) = (&self.scenario, &self.first, &mut self.moved);
        eventually(&what, SOON, async || {
            let now = Scrape::of(&scenario.metrics().await);
            moved.extend(now.moved_since(first));
            let value = now.value(series);
            right(value).then_some(value).ok_or_else(|| value.to_string())
        })
        .await
    }

    async fn is(&mut self, series: &str, value: f64) {
        self.says(series, |seen| (seen - value).abs() < f64::EPSILON).await;
    }

    async fn is_over(&mut self, series: &str, value: f64) -> f64 {
        self.says(series, |seen| seen > value).await
    }
}

/// Every metric matches the table, and changes.
#[tokio::test]
async fn every_metric_is_as_documented_and_moves() {
    let options = Options {
        flags: vec!["--concurrency=1".to_owned()],
        ..Options::default()
    };
    let mut all = Watched::start("moves", options).await;
    all.is("pullsecrets_leader", 1.0).await;
    let watches: BTreeSet<&str> = BTreeSet::from(["copies", "namespaces", "objects", "serviceaccounts", "sources"]);
    let seen = all.scrape().await;
    let ages = seen
        .series
        .iter()
        .filter(|(series, _)| series.starts_with("pullsecrets_watch_age_seconds"));
    let ages: Vec<(&str, f64)> = ages
        .map(|(series, age)| (series.split('"').nth(1).unwrap(), *age))
        .collect();
    assert_eq!(ages.iter().map(|(watch, _)| *watch).collect::<BTreeSet<_>>(), watches);
    assert!(ages.iter().all(|(_, age)| *age < 75.0), "{ages:?}");

    the_object_comes_true(&mut all).await;
    a_squatter_and_a_quota(&mut all).await;
    another_writer(&mut all).await;
    what_is_left_and_taken_back(&mut all).await;
    a_queue(&mut all).await;
    the_object_goes(&mut all).await;

    all.scrape().await;
    // The first moves only with two replicas, the second only with --require-restraint; see admission::restraint.
    let elsewhere = ["pullsecrets_leader", "pullsecrets_restraint_missing"];
    let still = table()
        .into_keys()
        .filter(|name| !all.moved.contains(name) && !elsewhere.contains(&name.as_str()) && !is_of_recovery(name));
    let still: Vec<String> = still.collect();
    assert_eq!(still, ["pullsecrets_build_info"], "what never moved");
}

/// Whether a metric has series only with `--recover-pods`; see `recovery::crowd`.
fn is_of_recovery(name: &str) -> bool {
    name.starts_with("pullsecrets_pods_")
}

async fn the_object_comes_true(all: &mut Watched) {
    all.scenario.set_up(&["a"], &all.scenario.login("first")).await;
    all.is(r#"pullsecrets_object_state{object="moves",state="Ready"}"#, 1.0)
        .await;
    for name in [
        "namespaces_selected",
        "namespaces_ready",
        "service_accounts_selected",
        "service_accounts_ready",
        "registries_declared",
        "registries_ready",
    ] {
        all.is(&format!(r#"pullsecrets_{name}{{object="moves"}}"#), 1.0).await;
    }
    for kind in ["create", "account", "finalizer", "status", "state", "event"] {
        let series = format!(r#"pullsecrets_writes_total{{kind="{kind}",result="done"}}"#);
        all.is_over(&series, 0.0).await;
    }
    all.is_over("pullsecrets_reconcile_duration_seconds_count", 0.0).await;
    // Every label has a value by now, except that of a waiting deletion.
    let mut documented = table();
    documented.remove(WAITS);
    documented.retain(|name, _| !is_of_recovery(name));
    assert_eq!(all.scrape().await.about, documented);

    all.scenario.namespaces(&["b"]).await;
    for what in ["secret", "service_account"] {
        let series = format!(r#"pullsecrets_serve_duration_seconds_count{{what="{what}"}}"#);
        all.is_over(&series, 0.0).await;
    }
}

async fn a_squatter_and_a_quota(all: &mut Watched) {
    all.scenario.unselected_namespaces(&["c", "d"]).await;
    let squatter = [
        "create",
        "secret",
        "generic",
        "moves",
        "-n",
        "moves-c",
        "--from-literal=k=v",
    ];
    all.scenario.kubectl(&squatter).await;
    let quota = ["create", "quota", "none", "--hard=secrets=0", "-n", "moves-d"];
    all.scenario.kubectl(&quota).await;
    let label = ["label", "namespace", "moves-c", "moves-d", "scenario=moves"];
    all.scenario.kubectl(&label).await;
    all.is(r#"pullsecrets_failures{reason="SecretConflict"}"#, 1.0).await;
    all.is(r#"pullsecrets_failures{reason="QuotaExceeded"}"#, 1.0).await;
    all.is(r#"pullsecrets_namespaces_failed{object="moves"}"#, 2.0).await;
    all.is_over(r#"pullsecrets_service_accounts_failed{object="moves"}"#, -1.0)
        .await;
    all.is(r#"pullsecrets_object_state{object="moves",state="Stalled"}"#, 1.0)
        .await;
    all.is_over(r#"pullsecrets_writes_total{kind="create",result="conflict"}"#, 0.0)
        .await;
    all.is_over(r#"pullsecrets_writes_total{kind="create",result="refused"}"#, 0.0)
        .await;
    all.is_over(r#"pullsecrets_queue_depth{lane="delayed"}"#, 0.0).await;
    eventually("the squatter is followed", SOON, async || {
        let told = all.scenario.metrics().await;
        told.contains(r#"watch="squatters""#).then_some(()).ok_or(told)
    })
    .await;
    all.scenario
        .kubectl(&["delete", "secret", "moves", "-n", "moves-c"])
        .await;
    all.scenario
        .kubectl(&["delete", "quota", "none", "-n", "moves-d"])
        .await;
    all.is(r#"pullsecrets_failures{reason="SecretConflict"}"#, 0.0).await;
    all.is(r#"pullsecrets_failures{reason="QuotaExceeded"}"#, 0.0).await;
    all.is(r#"pullsecrets_object_state{object="moves",state="Ready"}"#, 1.0)
        .await;
    let told = all.scenario.metrics().await;
    assert!(!told.contains(r#"watch="squatters""#), "its watch is over: {told}");
}

async fn another_writer(all: &mut Watched) {
    let take = r#"{"imagePullSecrets":null}"#;
    let patch = [
        "patch",
        "serviceaccount",
        "default",
        "-n",
        "moves-a",
        "--type=merge",
        "-p",
        take,
    ];
    let contended = r#"pullsecrets_failures{reason="Contended"}"#;
    let (scenario, mut seen) = (&all.scenario, 0.0);
    eventually("the fight is noticed", SOON, async || {
        scenario.kubectl(&patch).await;
        seen = Scrape::of(&scenario.metrics().await).value(contended);
        (seen > 0.0).then_some(()).ok_or_else(|| seen.to_string())
    })
    .await;
    all.is(r#"pullsecrets_service_accounts_failed{object="moves"}"#, 1.0)
        .await;
}

async fn patched(scenario: &Scenario, spec: &str) {
    let patch = format!(r#"{{"spec":{spec}}}"#);
    scenario
        .kubectl(&["patch", "cps", "moves", "--type=merge", "-p", &patch])
        .await;
}

async fn what_is_left_and_taken_back(all: &mut Watched) {
    patched(&all.scenario, r#"{"deletionPolicy":"Retain"}"#).await;
    all.scenario
        .kubectl(&["label", "namespace", "moves-b", "scenario-"])
        .await;
    all.is_over(r#"pullsecrets_writes_total{kind="release",result="done"}"#, 0.0)
        .await;
    all.scenario
        .kubectl(&["label", "namespace", "moves-b", "scenario=moves"])
        .await;
    all.is_over(r#"pullsecrets_writes_total{kind="reclaim",result="done"}"#, 0.0)
        .await;
    patched(&all.scenario, r#"{"deletionPolicy":"Delete","suspend":true}"#).await;
    all.is(r#"pullsecrets_object_state{object="moves",state="Suspended"}"#, 1.0)
        .await;
    patched(&all.scenario, r#"{"suspend":false}"#).await;
}

async fn a_queue(all: &mut Watched) {
    let parts: Vec<String> = (0..MANY).map(|number| format!("n{number}")).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    all.scenario.unselected_namespaces(&parts).await;
    patched(&all.scenario, r#"{"namespaces":{"names":["moves-n*"]}}"#).await;
    all.is_over(r#"pullsecrets_queue_depth{lane="fresh"}"#, 5.0).await;
    all.is("pullsecrets_writes_in_flight", 1.0).await;
    all.is_over(r#"pullsecrets_namespaces_ready{object="moves"}"#, f64::from(MANY))
        .await;
    let changed = r#"pullsecrets_source_changed_timestamp_seconds{object="moves"}"#;
    let before = all.scrape().await.value(changed);
    let age = SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_secs_f64(before));
    assert!(age.is_ok_and(|age| age < Duration::from_mins(10)), "{before}");
    all.scenario.source(&all.scenario.login("second")).await;
    all.is_over(r#"pullsecrets_queue_depth{lane="bulk"}"#, 5.0).await;
    all.is_over(changed, before).await;
    all.is(r#"pullsecrets_queue_depth{lane="bulk"}"#, 0.0).await;
    let updates = r#"pullsecrets_writes_total{kind="update",result="done"}"#;
    all.is_over(updates, f64::from(MANY)).await;
}

async fn the_object_goes(all: &mut Watched) {
    // An object that can be neither removed nor emptied.
    let held = r#"{"metadata":{"finalizers":["example.com/theirs"]},"immutable":true}"#;
    patch_a_copy(&all.scenario, held).await;
    all.scenario.kubectl(&["delete", "cps", "moves", "--wait=false"]).await;
    let held = format!(r#"{WAITS}{{object="moves",reason="HeldByFinalizer"}}"#);
    all.is(&held, 1.0).await;
    assert_eq!(all.scrape().await.about[WAITS], table()[WAITS]);
    patch_a_copy(&all.scenario, r#"{"metadata":{"finalizers":null}}"#).await;
    all.is_over(
        r#"pullsecrets_writes_total{kind="delete",result="done"}"#,
        f64::from(MANY),
    )
    .await;
    eventually("its series go with it", SOON, async || {
        let told = all.scenario.metrics().await;
        let left = told
            .lines()
            .find(|line| line.contains("object=\"moves\""))
            .map(str::to_owned);
        left.map_or(Ok(()), Err)
    })
    .await;
}

async fn patch_a_copy(scenario: &Scenario, patch: &str) {
    let copy = ["patch", "secret", "moves", "-n", "moves-a", "--type=merge", "-p", patch];
    scenario.kubectl(&copy).await;
}

/// A response with an error is counted by its class.
#[tokio::test]
async fn failed_requests_are_counted_by_cause() {
    let scenario = Scenario::own("answers").await;
    scenario.stop_operator().await;
    let (proxy, kubeconfig) = Proxy::for_operator(scenario.cluster()).await.unwrap();
    let operator = Operator::start_as(scenario.cluster(), &Options::default(), &kubeconfig)
        .await
        .unwrap();
    let login = scenario.login("first");
    scenario.set_up(&["a"], &login).await;
    let mut parts = vec!["a"];
    for (part, answer, result) in [
        ("b", Answer::TooManyRequests, "throttled"),
        ("c", Answer::Unavailable, "unavailable"),
        ("d", Answer::NotFound, "gone"),
        ("e", Answer::Forbidden, "refused"),
        ("f", Answer::Conflict, "conflict"),
    ] {
        let what = format!("patch secrets answers-{part}/answers");
        proxy.arm(Some((Trigger { what, occurrence: 1 }, Fault::Answer(answer))));
        parts.push(part);
        scenario.namespaces(&[part]).await;
        scenario.holds(result, &scenario.expected(&parts, &login)).await;
        let series = format!(r#"pullsecrets_writes_total{{kind="create",result="{result}"}}"#);
        // The text may be slightly old.
        eventually(&series, SOON, async || {
            let told = loopback::get(operator.metrics_address(), "/metrics", None).await;
            let (_, told) = told.map_err(|error| error.to_string())?;
            let seen = Scrape::of(&told).value(&series);
            let once = (seen - 1.0).abs() < f64::EPSILON;
            once.then_some(()).ok_or_else(|| seen.to_string())
        })
        .await;
    }
    operator.stop().await.unwrap();
    scenario.start_operator().await;
}

//! Latency of changes: new namespaces, new accounts, and namespaces that lose their copy.
//!
//! Changes arrive at a fixed rate, independent of earlier ones. Times come from the audit log. They begin with the
//! arrival of the administrator's request, and end with the response to the operator's last necessary write.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::ensure;
use e2e::audit::Record;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use crate::contender::Limit;
use crate::env::{ACCOUNTS, Env};
use crate::figures::Samples;
use crate::phase::{Log, SETTLED, is_ours};
use crate::progress::Progress;
use crate::table::{Row, Table};

/// Time between two changes.
const EVERY: Duration = Duration::from_millis(100);

/// New namespaces during rotations, new accounts, and deselected namespaces.
const FEWER: usize = 100;

/// Prefix of namespaces that no object selects, for the floor.
const FLOOR: &str = "bench-floor-";

pub(crate) const STEPS: u64 = 5;

/// Runs all measurements. The object selects all accounts of every labelled namespace.
pub(crate) async fn run(env: &mut Env, samples: usize, progress: &Progress, table: &mut Table) -> anyhow::Result<()> {
    progress.step(&format!("{samples} new namespaces"));
    let idle = namespaces(env, "bench-idle-", samples).await?;
    push(
        env,
        "a new namespace",
        &idle,
        Some("10 ms"),
        Some("2 times the floor"),
        table,
    );

    progress.step("new accounts");
    let accounts = accounts(env, "bench-idle-", samples.min(FEWER)).await?;
    push(env, "a new account", &accounts, None, None, table);

    progress.step("namespaces that are labelled out");
    let gone = deselected(env, "bench-idle-", samples.min(FEWER)).await?;
    push(env, "a namespace labelled out", &gone, None, Some("1000 ms"), table);

    progress.step("new namespaces while all copies are rotated");
    let busy = during_rotations(env, samples.min(FEWER)).await?;
    push(
        env,
        "a new namespace during rotations",
        &busy,
        None,
        Some("500 ms"),
        table,
    );
    Ok(())
}

/// Measures the time without any operator: the controller manager's account, and one write to it.
pub(crate) async fn floor(env: &Env, samples: usize, progress: &Progress, table: &mut Table) -> anyhow::Result<()> {
    progress.step("the floor of a new namespace, without the operator");
    let limit = Limit::start(env, 1, Some(FLOOR)).await?;
    let times = made(env, FLOOR, samples, 1, false).await?;
    drop(limit);
    for percent in [50, 99] {
        let what = format!("a new namespace without an operator: p{percent} of {samples}");
        table.push(Row::limit(env.size, what, "ms", times.percentile(percent)).of(&times));
    }
    Ok(())
}

fn push(env: &Env, what: &str, times: &Samples, middle: Option<&str>, late: Option<&str>, table: &mut Table) {
    let number = times.0.len();
    for (percent, target) in [(50, middle), (99, late)] {
        let what = format!("{what}: p{percent} of {number}");
        let row = Row::single(env.size, what, "ms", times.percentile(percent)).of(times);
        table.push(target.map_or_else(|| row.clone(), |target| row.clone().target(target)));
    }
}

/// Measures new namespaces that the object selects: copy and reference.
pub(crate) async fn namespaces(env: &Env, prefix: &str, number: usize) -> anyhow::Result<Samples> {
    made(env, prefix, number, 2, true).await
}

async fn made(env: &Env, prefix: &str, number: usize, writes: usize, selected: bool) -> anyhow::Result<Samples> {
    let mut log = Log::start(env).await?;
    let names: Vec<String> = (0..number).map(|number| format!("{prefix}{number:05}")).collect();
    at_a_rate(number, |index| env.make_namespace(&names[index], selected)).await?;
    let awaited = |record: &Record| is_ours(record) && record.namespace.starts_with(prefix);
    let mut found = BTreeSet::new();
    let first = |record: &Record| awaited(record) && found.insert((record.namespace.clone(), record.resource.clone()));
    log.wait("new namespaces are served", number * writes, env.patience(), first)
        .await?;
    let begins = |record: &Record| {
        let new = record.resource == "namespaces" && record.verb == "create" && record.name.starts_with(prefix);
        new.then(|| record.name.clone())
    };
    let ends = |record: &Record| awaited(record).then(|| record.namespace.clone());
    times(&log, number, begins, ends)
}

async fn accounts(env: &Env, prefix: &str, number: usize) -> anyhow::Result<Samples> {
    let mut log = Log::start(env).await?;
    let names: Vec<String> = (0..number).map(|number| format!("{prefix}{number:05}")).collect();
    at_a_rate(number, |index| env.make_account(&names[index], ACCOUNTS[1])).await?;
    let awaited = |record: &Record| is_ours(record) && record.name == ACCOUNTS[1];
    log.wait("new accounts are served", number, env.patience(), awaited)
        .await?;
    let begins = |record: &Record| {
        let new = record.resource == "serviceaccounts" && record.verb == "create" && record.name == ACCOUNTS[1];
        new.then(|| record.namespace.clone())
    };
    let ends = |record: &Record| awaited(record).then(|| record.namespace.clone());
    times(&log, number, begins, ends)
}

async fn deselected(env: &Env, prefix: &str, number: usize) -> anyhow::Result<Samples> {
    let mut log = Log::start(env).await?;
    let names: Vec<String> = (0..number).map(|number| format!("{prefix}{number:05}")).collect();
    at_a_rate(number, |index| env.deselect(&names[index])).await?;
    let awaited = |record: &Record| is_ours(record) && record.verb == "delete";
    log.wait("copies are gone", number, env.patience(), awaited).await?;
    let begins = |record: &Record| {
        let out = record.resource == "namespaces" && record.verb == "patch" && record.name.starts_with(prefix);
        out.then(|| record.name.clone())
    };
    let ends = |record: &Record| awaited(record).then(|| record.namespace.clone());
    times(&log, number, begins, ends)
}

/// Rotates the login again and again while new namespaces arrive.
async fn during_rotations(env: &mut Env, number: usize) -> anyhow::Result<Samples> {
    let logins: Vec<_> = (0..1000).map(|_| env.next_login()).collect();
    let env = &*env;
    let rotations = async {
        for login in &logins {
            let mut log = Log::start(env).await?;
            env.write_source(login).await?;
            log.wait("all copies are new", env.size, env.patience(), is_ours)
                .await?;
        }
        std::future::pending::<anyhow::Result<()>>().await
    };
    let busy = tokio::select! {
        busy = namespaces(env, "bench-busy-", number) => busy?,
        failed = rotations => return failed.map(|()| Samples::default()),
    };
    Log::start(env).await?.quiet(SETTLED).await?;
    Ok(busy)
}

/// Keeps a fixed schedule: a late change does not delay the next one.
pub(crate) async fn at_a_rate<F: Future<Output = anyhow::Result<()>>>(
    number: usize,
    create: impl Fn(usize) -> F,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let made = stream::iter(0..number).map(|index| {
        let due = start + EVERY * u32::try_from(index).unwrap_or(u32::MAX);
        let created = create(index);
        async move {
            tokio::time::sleep_until(due).await;
            created.await
        }
    });
    made.buffer_unordered(number.max(1)).try_collect().await
}

/// Returns milliseconds, from the first record that begins a change until each kind that completes it was written.
pub(crate) fn times(
    log: &Log,
    number: usize,
    begins: impl Fn(&Record) -> Option<String>,
    ends: impl Fn(&Record) -> Option<String>,
) -> anyhow::Result<Samples> {
    let mut begun = BTreeMap::new();
    for record in &log.records {
        if let Some(key) = begins(record) {
            begun.entry(key).or_insert(record.timestamp);
        }
    }
    // The first of each kind counts, because a rotation may write a new copy again.
    let mut last: BTreeMap<_, BTreeMap<&str, _>> = BTreeMap::new();
    for record in &log.records {
        if let Some(key) = ends(record) {
            let kinds = last.entry(key).or_default();
            kinds.entry(&record.resource).or_insert(record.answered);
        }
    }
    let took = |(key, start): (&String, &jiff::Timestamp)| {
        let end = last.get(key)?.values().max()?;
        Some(end.duration_since(*start).as_secs_f64() * 1000.0)
    };
    let samples: Samples = begun.iter().filter_map(took).collect();
    ensure!(samples.0.len() == number, "{} of {number} times", samples.0.len());
    Ok(samples)
}

//! Many objects, and a namespace with many accounts.

use std::collections::BTreeSet;

use e2e::audit::Record;
use e2e::oracle::Login;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;

use crate::arguments::Arguments;
use crate::env::{Env, OBJECT, expected};
use crate::figures::{Memory, Samples, count, cpu_seconds};
use crate::new_namespaces;
use crate::phase::{Log, SETTLED, is_done, is_ours};
use crate::progress::Progress;
use crate::table::{Row, Table};

/// Namespaces of each object, and the offset of the next one. Each namespace belongs to two objects, or to more if
/// there are more objects than a fifth of the namespaces.
const EACH: usize = 10;
const STEP: usize = 5;

/// Copies that a user deletes, one after the other.
const DELETED: usize = 50;

/// Number of objects to check in the store, evenly chosen, because each check lists everything.
const JUDGED: usize = 20;

/// The namespace with many accounts.
const TENANT: &str = "bench-tenant";

/// New foreign namespaces while it is served.
const LATE: usize = 100;

fn numbers(arguments: &Arguments, size: usize) -> impl Iterator<Item = usize> {
    arguments.objects.iter().copied().filter(move |&number| number <= size)
}

pub(crate) fn steps(arguments: &Arguments, size: usize) -> u64 {
    numbers(arguments, size).count() as u64 + u64::from(arguments.tenant > 0)
}

/// `pid` is that of the operator.
pub(crate) async fn run(
    env: &mut Env,
    pid: u32,
    arguments: &Arguments,
    progress: &Progress,
    table: &mut Table,
) -> anyhow::Result<()> {
    env.clear().await?;
    let login = env.next_login();
    env.write_source(&login).await?;
    for number in numbers(arguments, env.size) {
        progress.step(&format!("{number} objects"));
        objects(env, pid, number, &login, table).await?;
    }
    if arguments.tenant > 0 {
        progress.step(&format!("a namespace with {} accounts", arguments.tenant));
        tenant(env, arguments.tenant, &login, table).await?;
    }
    Ok(())
}

/// Creates all objects at once. An account of several objects takes one write at best. Then measures one event for one
/// of them, which must not cost more with more objects.
async fn objects(env: &Env, pid: u32, number: usize, login: &Login, table: &mut Table) -> anyhow::Result<()> {
    let all = env.names();
    let of = |index: usize| -> Vec<String> {
        let members = (0..EACH).map(|member| all[(index * STEP + member) % all.len()].clone());
        members.collect::<BTreeSet<_>>().into_iter().collect()
    };
    let objects: Vec<(String, Vec<String>)> = (0..number)
        .map(|index| (format!("many-{index:04}"), of(index)))
        .collect();
    let copies: usize = objects.iter().map(|(_, namespaces)| namespaces.len()).sum();
    let touched: BTreeSet<&String> = objects.iter().flat_map(|(_, namespaces)| namespaces).collect();
    let judged = || objects.iter().step_by(number.div_ceil(JUDGED));

    let mut log = Log::start(env).await?;
    let made = stream::iter(&objects).map(async |(name, namespaces)| {
        let namespaces = json!({"names": namespaces});
        env.create_object_of(name, &namespaces, &["default"]).await
    });
    made.buffer_unordered(32).try_collect::<()>().await?;
    log.wait("each object has its copies", copies, env.patience(), is_copy)
        .await?;
    log.quiet(SETTLED).await?;
    for (name, namespaces) in judged() {
        env.check(&expected(name, namespaces, &["default"], login)).await?;
    }
    let row = |what: &str, unit, value| Row::single(env.size, what, unit, value).objects(number);
    report_writes(&log, copies, touched.len(), number, row, table);
    table.push(row("resident memory", "MiB", Memory::of(pid)?.resident));

    let (restored, cpu) = one_event(env, pid, &objects).await?;
    table.push(row(
        "one copy deleted: restored after, p50",
        "ms",
        restored.percentile(50),
    ));
    table.push(row("one copy deleted: CPU until it is restored", "ms", cpu));

    for (name, _) in &objects {
        env.delete_object(name).await?;
    }
    let mut gone = Log::start(env).await?;
    gone.quiet(SETTLED).await?;
    for (name, _) in judged() {
        env.check_gone(name).await?;
    }
    Ok(())
}

fn is_copy(record: &Record) -> bool {
    is_ours(record) && record.resource == "secrets"
}

/// Reports the cost of all objects at once, beside the minimum.
fn report_writes(
    log: &Log,
    copies: usize,
    accounts: usize,
    objects: usize,
    row: impl Fn(&str, &'static str, f64) -> Row,
    table: &mut Table,
) {
    let made = |of: &dyn Fn(&Record) -> bool| count(log.records.iter().filter(|record| of(record)).count());
    let is_account = |record: &Record| is_ours(record) && record.resource == "serviceaccounts";
    let is_status =
        |record: &Record| is_done(record) && record.resource == "clusterpullsecrets" && record.subresource == "status";
    table.push(
        row("all at once: writes to copies", "", made(&is_copy))
            .beside(count(copies))
            .target("1 time"),
    );
    table.push(row("all at once: writes to accounts", "", made(&is_account)).beside(count(accounts)));
    table.push(row("all at once: writes to statuses", "", made(&is_status)).beside(count(objects)));
    table.push(row("all at once: time", "s", seconds(log, is_ours)));
}

/// Deletes a copy of one object after another, and measures the time and cost of each restoration.
async fn one_event(env: &Env, pid: u32, objects: &[(String, Vec<String>)]) -> anyhow::Result<(Samples, f64)> {
    let mut log = Log::start(env).await?;
    let before = cpu_seconds(pid)?;
    let copies: Vec<(&str, &str)> = (0..DELETED)
        .map(|index| {
            let (name, namespaces) = &objects[index % objects.len()];
            (
                namespaces[index / objects.len() % namespaces.len()].as_str(),
                name.as_str(),
            )
        })
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    new_namespaces::at_a_rate(copies.len(), async |index| {
        let (namespace, name) = copies[index];
        let api: Api<Secret> = Api::namespaced(env.client.clone(), namespace);
        api.delete(name, &DeleteParams::default()).await?;
        Ok(())
    })
    .await?;
    log.wait("copies are restored", copies.len(), env.patience(), is_copy)
        .await?;
    log.quiet(SETTLED).await?;
    let cpu = (cpu_seconds(pid)? - before) / count(copies.len()) * 1000.0;
    let key = |record: &Record| Some(format!("{}/{}", record.namespace, record.name));
    let begins = |record: &Record| {
        let deleted = record.resource == "secrets" && record.verb == "delete" && !is_ours(record);
        deleted.then(|| key(record)).flatten()
    };
    let ends = |record: &Record| is_copy(record).then(|| key(record)).flatten();
    Ok((new_namespaces::times(&log, copies.len(), begins, ends)?, cpu))
}

/// Checks that other namespaces do not wait for the one with many accounts.
async fn tenant(env: &Env, number: usize, login: &Login, table: &mut Table) -> anyhow::Result<()> {
    env.make_namespaces(vec![TENANT.to_owned()], false).await?;
    let names: Vec<String> = (0..number).map(|number| format!("account-{number:05}")).collect();
    let accounts: Vec<&str> = names.iter().map(String::as_str).collect();
    env.make_accounts(&[TENANT.to_owned()], &accounts).await?;

    let mut log = Log::start(env).await?;
    let namespaces = json!({"names": [TENANT, "bench-late-*"]});
    env.create_object_of(OBJECT, &namespaces, &["*"]).await?;
    let late = new_namespaces::namespaces(env, "bench-late-", LATE).await?;
    let is_tenants = |record: &Record| is_ours(record) && record.namespace == TENANT;
    // Includes its `default` account and the copy.
    log.wait("the tenant is served", number + 2, env.patience(), is_tenants)
        .await?;
    let mut right = expected(OBJECT, &[TENANT.to_owned()], &accounts, login);
    let late_names = (0..LATE).map(|number| format!("bench-late-{number:05}"));
    for name in late_names.chain([TENANT.to_owned()]) {
        right.holders.entry(name).or_default().insert("default".to_owned());
    }
    env.check(&right).await?;
    let what = format!("{number} accounts in one namespace");
    table.push(Row::single(
        env.size,
        format!("{what}: time"),
        "s",
        seconds(&log, is_tenants),
    ));
    for percent in [50, 99] {
        let what = format!("{what}: a new namespace of others meanwhile, p{percent} of {LATE}");
        table.push(Row::single(env.size, what, "ms", late.percentile(percent)));
    }
    env.clear().await
}

/// Returns the time from the administrator's first object to the last of these writes.
fn seconds(log: &Log, of: impl Fn(&Record) -> bool) -> f64 {
    let begin = log
        .records
        .iter()
        .find(|record| record.resource == "clusterpullsecrets" && record.verb == "create");
    let made = log.records.iter().filter(|record| of(record));
    let end = made.map(|record| record.answered).max();
    match (begin, end) {
        (Some(begin), Some(end)) => end.duration_since(begin.timestamp).as_secs_f64(),
        _ => f64::NAN,
    }
}

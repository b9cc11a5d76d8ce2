//! Many objects, and a namespace with many accounts.

use std::collections::BTreeSet;

use e2e::audit::Record;
use e2e::oracle::Login;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use crate::figures::count;
use crate::phase::{Log, SETTLED, is_ours};
use crate::progress::Progress;
use crate::stage::{OBJECT, Stage, expected};
use crate::table::{Row, Table};
use crate::{Arguments, newcomers, standing};

/// Namespaces of each object, and how far the next one is moved on: each namespace belongs to two.
const EACH: usize = 10;
const STEP: usize = 5;

/// The namespace with many accounts.
const TENANT: &str = "bench-tenant";

/// New namespaces of others while it is served.
const LATE: usize = 100;

pub(crate) fn steps(arguments: &Arguments) -> u64 {
    1 + u64::from(arguments.tenant > 0)
}

pub(crate) async fn play(
    stage: &mut Stage,
    arguments: &Arguments,
    progress: &Progress,
    table: &mut Table,
) -> anyhow::Result<()> {
    standing::clear(stage).await?;
    let login = stage.next_login();
    stage.write_source(&login).await?;
    progress.step(&format!("{} objects", arguments.objects));
    objects(stage, arguments.objects, &login, table).await?;
    if arguments.tenant > 0 {
        progress.step(&format!("a namespace with {} accounts", arguments.tenant));
        tenant(stage, arguments.tenant, &login, table).await?;
    }
    Ok(())
}

/// All at once; an account that several want takes one write at best, not one for each.
async fn objects(stage: &Stage, number: usize, login: &Login, table: &mut Table) -> anyhow::Result<()> {
    let all = stage.names();
    let of = |index: usize| -> Vec<String> {
        let members = (0..EACH).map(|member| all[(index * STEP + member) % all.len()].clone());
        members.collect::<BTreeSet<_>>().into_iter().collect()
    };
    let objects: Vec<(String, Vec<String>)> = (0..number)
        .map(|index| (format!("crowd-{index:03}"), of(index)))
        .collect();
    let copies: usize = objects.iter().map(|(_, namespaces)| namespaces.len()).sum();
    let touched: BTreeSet<&String> = objects.iter().flat_map(|(_, namespaces)| namespaces).collect();

    let mut log = Log::start(stage).await?;
    let made = stream::iter(&objects).map(async |(name, namespaces)| {
        let namespaces = json!({"names": namespaces});
        stage.create_object_of(name, &namespaces, &["default"]).await
    });
    made.buffer_unordered(32).try_collect::<()>().await?;
    let is_copy = |record: &Record| is_ours(record) && record.resource == "secrets";
    log.wait("each object has its copies", copies, stage.patience(), is_copy)
        .await?;
    log.quiet(SETTLED).await?;
    for (name, namespaces) in &objects {
        stage.check(&expected(name, namespaces, &["default"], login)).await?;
    }
    let accounts = log
        .records
        .iter()
        .filter(|record| is_ours(record) && record.resource == "serviceaccounts");
    let all_copies = log.records.iter().filter(|record| is_copy(record)).count();
    let what = format!("{number} objects at once");
    let row = |figure: &str, value| Row::single(stage.size, format!("{what}: {figure}"), "", value);
    table.push(
        row("writes to copies", count(all_copies))
            .beside(count(copies))
            .target("1 time"),
    );
    table.push(row("writes to accounts", count(accounts.count())).beside(count(touched.len())));
    table.push(Row::single(
        stage.size,
        format!("{what}: time"),
        "s",
        seconds(&log, is_ours),
    ));

    for (name, _) in &objects {
        stage.delete_object(name).await?;
    }
    for (name, _) in &objects {
        stage.check_gone(name).await?;
    }
    Ok(())
}

/// Others do not wait for the one with many accounts.
async fn tenant(stage: &Stage, number: usize, login: &Login, table: &mut Table) -> anyhow::Result<()> {
    stage.make_namespaces(vec![TENANT.to_owned()], false).await?;
    let names: Vec<String> = (0..number).map(|number| format!("account-{number:05}")).collect();
    let accounts: Vec<&str> = names.iter().map(String::as_str).collect();
    stage.make_accounts(&[TENANT.to_owned()], &accounts).await?;

    let mut log = Log::start(stage).await?;
    let namespaces = json!({"names": [TENANT, "bench-late-*"]});
    stage.create_object_of(OBJECT, &namespaces, &["*"]).await?;
    let late = newcomers::namespaces(stage, "bench-late-", LATE).await?;
    let is_tenants = |record: &Record| is_ours(record) && record.namespace == TENANT;
    // Its `default` account and the copy too.
    log.wait("the tenant is served", number + 2, stage.patience(), is_tenants)
        .await?;
    let mut right = expected(OBJECT, &[TENANT.to_owned()], &accounts, login);
    let late_names = (0..LATE).map(|number| format!("bench-late-{number:05}"));
    for name in late_names.chain([TENANT.to_owned()]) {
        right.holders.entry(name).or_default().insert("default".to_owned());
    }
    stage.check(&right).await?;
    let what = format!("{number} accounts in one namespace");
    table.push(Row::single(
        stage.size,
        format!("{what}: time"),
        "s",
        seconds(&log, is_tenants),
    ));
    for percent in [50, 99] {
        let what = format!("{what}: a new namespace of others meanwhile, p{percent} of {LATE}");
        table.push(Row::single(stage.size, what, "ms", late.percentile(percent)));
    }
    standing::clear(stage).await
}

/// From the administrator's first object to the last of these writes.
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

//! Operator in a steady state: memory, silence, a restart.

use std::cell::Cell;
use std::time::{Duration, Instant};

use e2e::operator::Operator;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use crate::arguments::Arguments;
use crate::env::{ACCOUNTS, Env, OBJECT, expected};
use crate::figures::{Memory, count, cpu_seconds};
use crate::phase::{Log, SETTLED, Work, is_ours};
use crate::progress::Progress;
use crate::table::{Row, Table};
use crate::{contender, many_objects, new_namespaces};

/// Time between the last write and the reading of memory.
const IDLE: Duration = Duration::from_secs(10);

/// Time limit of a kubelet's probe (`timeoutSeconds` of `config/manager`).
const PROBE_WAITS: &str = "5000 ms";

/// Time between a response of `/livez` and the next request.
const BETWEEN_ANSWERS: Duration = Duration::from_millis(20);

/// Prefix of namespaces with foreign Secrets.
const OTHERS: &str = "others";

/// The writes of a restart, if any, are done by then.
const AFTER_RESTART: Duration = Duration::from_secs(5);

/// Size of large foreign Secrets, near the maximum; there is one for each hundred small ones.
const LARGE: usize = 1_000_000;
const LARGE_AMONG: usize = 100;

pub(crate) fn steps(arguments: &Arguments, size: usize) -> u64 {
    3 + 2 * u64::from(arguments.foreign > 0) + new_namespaces::STEPS + many_objects::steps(arguments, size)
}

pub(crate) async fn run(
    env: &mut Env,
    arguments: &Arguments,
    progress: &Progress,
    table: &mut Table,
) -> anyhow::Result<()> {
    progress.step("a cold start, filled, rotated once, idle: memory");
    let mut operator = start_fill_and_rotate(env, table).await?;
    tokio::time::sleep(IDLE).await;
    memory(env.size, "filled and rotated", operator.process().pid(), table)?;
    steady(env, &mut operator, arguments.steady, progress, table).await?;
    let mut operator = restart(env, operator, progress, table).await?;
    if arguments.foreign > 0 {
        for (number, bytes) in [(arguments.foreign, 1000), (arguments.foreign / LARGE_AMONG, LARGE)] {
            foreign(env, &mut operator, number, bytes, progress, table).await?;
        }
    }
    new_namespaces::run(env, arguments.samples, progress, table).await?;
    many_objects::run(env, operator.process().pid(), arguments, progress, table).await?;
    operator.stop().await?;
    new_namespaces::floor(env, arguments.samples, progress, table).await
}

/// The object exists before the operator starts.
async fn start_fill_and_rotate(env: &mut Env, table: &mut Table) -> anyhow::Result<Operator> {
    let (first, second) = (env.next_login(), env.next_login());
    env.write_source(&first).await?;
    env.create_object(&ACCOUNTS).await?;
    let mut log = Log::start(env).await?;
    let start = jiff::Timestamp::now();
    let operator = contender::operator(env).await?;
    let filled = Work::Fill.writes(env.size, ACCOUNTS.len());
    let served = log.wait("all namespaces are served", filled, env.patience(), is_ours);
    let filling = longest_answer(&operator, served).await?;
    let written = log.records.iter().filter(|record| is_ours(record));
    if let Some(first) = written.map(|record| record.timestamp).min() {
        // It includes a token, a shell that becomes the operator, every list, the finalizer and the state.
        let seconds = first.duration_since(start).as_secs_f64();
        let what = "a cold start: until the first write into a namespace";
        table.push(Row::single(env.size, what, "s", seconds).target("0.2 s and the lists"));
    }
    env.write_source(&second).await?;
    let rotated = filled + Work::Rotate.writes(env.size, ACCOUNTS.len());
    let new = log.wait("all copies are new", rotated, env.patience(), is_ours);
    let rotating = longest_answer(&operator, new).await?;
    for (what, longest) in [("filled", filling), ("rotated", rotating)] {
        let what = format!("the longest that /livez took while all namespaces were {what}");
        table.push(Row::single(env.size, what, "ms", longest.as_secs_f64() * 1000.0).target(PROBE_WAITS));
    }
    env.check(&expected(OBJECT, &env.names(), &ACCOUNTS, &second)).await?;
    Ok(operator)
}

/// Returns the longest response time of `/livez` during the work. The probe shares its thread with the loops and the
/// lease renewal, so an evaluation of all namespaces delays both.
async fn longest_answer(
    operator: &Operator,
    meanwhile: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Duration> {
    let longest = Cell::new(Duration::ZERO);
    let asking = async {
        loop {
            let asked = Instant::now();
            operator.lives().await.map_err(anyhow::Error::msg)?;
            longest.set(longest.get().max(asked.elapsed()));
            tokio::time::sleep(BETWEEN_ANSWERS).await;
        }
    };
    tokio::select! {
        ended = meanwhile => ended.map(|()| longest.get()),
        failed = asking => failed,
    }
}

fn memory(size: usize, when: &str, pid: u32, table: &mut Table) -> anyhow::Result<()> {
    let memory = Memory::of(pid)?;
    let (idle, peak) = if size < 5000 {
        ("16 MiB", "21 MiB")
    } else {
        ("24 MiB", "31 MiB")
    };
    let row = |what: &str, mib: f64| Row::single(size, format!("{when}: {what}"), "MiB", mib);
    table.push(row("resident memory", memory.resident).target(idle));
    table.push(row("of it anonymous", memory.anonymous));
    table.push(row("peak", memory.peak).target(peak));
    Ok(())
}

async fn steady(
    env: &Env,
    operator: &mut Operator,
    seconds: u64,
    progress: &Progress,
    table: &mut Table,
) -> anyhow::Result<()> {
    progress.step(&format!("no change for {seconds} s"));
    let pid = operator.process().pid();
    let mut log = Log::start(env).await?;
    let before = cpu_seconds(pid)?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    log.read()?;
    let length = Duration::from_secs(seconds).as_secs_f64();
    let writes = log.ours().filter(|record| record.is_write()).count();
    let calls = count(log.ours().count()) * 60.0 / length;
    let millicores = (cpu_seconds(pid)? - before) / length * 1000.0;
    table.push(Row::single(env.size, "steady: calls a minute", "", calls).target("3"));
    table.push(Row::single(env.size, "steady: writes", "", count(writes)).target("0"));
    table.push(Row::single(env.size, "steady: CPU", "millicores", millicores).target("1"));
    Ok(())
}

async fn restart(env: &Env, operator: Operator, progress: &Progress, table: &mut Table) -> anyhow::Result<Operator> {
    progress.step("restart with everything in place");
    operator.stop().await?;
    let mut log = Log::start(env).await?;
    let start = Instant::now();
    // It includes a token, a shell that becomes the operator, and a poll interval of up to 20 ms.
    let mut operator = contender::operator(env).await?;
    let seconds = start.elapsed().as_secs_f64();
    tokio::time::sleep(AFTER_RESTART).await;
    log.read()?;
    let writes = log.ours().filter(|record| record.is_write()).count();
    let row = |what: &str, unit, value| Row::single(env.size, format!("restart: {what}"), unit, value);
    table.push(row("until ready", "s", seconds).target("3 s at 10,000"));
    table.push(row("calls", "", count(log.ours().count())));
    table.push(row("writes", "", count(writes)).target("0"));
    memory(env.size, "after a restart", operator.process().pid(), table)?;
    Ok(operator)
}

/// Adds foreign Secrets, and restarts the operator too, because it would list them at its start.
async fn foreign(
    env: &Env,
    operator: &mut Operator,
    number: usize,
    bytes: usize,
    progress: &Progress,
    table: &mut Table,
) -> anyhow::Result<()> {
    let what = format!("{number} Secrets of others with {bytes} bytes each");
    progress.step(&what);
    let pid = operator.process().pid();
    let before = Memory::of(pid)?;
    let namespace = format!("{OTHERS}-{bytes}");
    env.make_namespaces(vec![namespace.clone()], false).await?;
    let api: Api<Secret> = Api::namespaced(env.client.clone(), &namespace);
    let secret = |number: usize| Secret {
        metadata: ObjectMeta {
            name: Some(format!("theirs-{bytes}-{number:05}")),
            ..ObjectMeta::default()
        },
        data: Some([("key".to_owned(), ByteString(vec![b'x'; bytes]))].into()),
        ..Secret::default()
    };
    let params = PostParams::default();
    let made = stream::iter(0..number).map(|number| {
        let (api, params, secret) = (api.clone(), &params, secret(number));
        async move { api.create(params, &secret).await.map(drop) }
    });
    made.buffer_unordered(8).try_collect::<()>().await?;
    tokio::time::sleep(SETTLED).await;
    let grown = Memory::of(pid)?.resident - before.resident;
    let what = format!("resident memory grown by {what}");
    table.push(Row::single(env.size, what, "MiB", grown).target("1 MiB"));
    Ok(())
}

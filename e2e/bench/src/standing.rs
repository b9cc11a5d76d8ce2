//! The operator with everything in place: memory, silence, a restart.

use std::cell::Cell;
use std::time::{Duration, Instant};

use e2e::operator::Operator;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use crate::figures::{Memory, count, cpu_seconds};
use crate::phase::{Log, SETTLED, Work, is_ours};
use crate::progress::Progress;
use crate::stage::{ACCOUNTS, OBJECT, Stage, expected};
use crate::table::{Row, Table};
use crate::{Arguments, contender, crowd, newcomers};

/// After the last write and before memory is looked at.
const IDLE: Duration = Duration::from_secs(10);

/// So long a kubelet waits for it (`timeoutSeconds` of `config/manager`).
const PROBE_WAITS: &str = "5000 ms";

/// Between an answer of `/livez` and the next question.
const BETWEEN_ANSWERS: Duration = Duration::from_millis(20);

/// The namespaces of Secrets that are nothing to us begin with this.
const OTHERS: &str = "others";

/// Writes that a restart would make are made by then.
const AFTER_RESTART: Duration = Duration::from_secs(5);

/// Secrets of others that are as large as a Secret may be, one for each hundred of the small ones.
const LARGE: usize = 1_000_000;
const LARGE_AMONG: usize = 100;

pub(crate) fn steps(arguments: &Arguments, size: usize) -> u64 {
    3 + 2 * u64::from(arguments.foreign > 0) + newcomers::STEPS + crowd::steps(arguments, size)
}

pub(crate) async fn play(
    stage: &mut Stage,
    arguments: &Arguments,
    progress: &Progress,
    table: &mut Table,
) -> anyhow::Result<()> {
    progress.step("a cold start, filled, rotated once, idle: memory");
    let mut operator = start_fill_and_rotate(stage, table).await?;
    tokio::time::sleep(IDLE).await;
    memory(stage.size, "filled and rotated", operator.process().pid(), table)?;
    steady(stage, &mut operator, arguments.steady, progress, table).await?;
    let mut operator = restart(stage, operator, progress, table).await?;
    if arguments.foreign > 0 {
        for (number, bytes) in [(arguments.foreign, 1000), (arguments.foreign / LARGE_AMONG, LARGE)] {
            foreign(stage, &mut operator, number, bytes, progress, table).await?;
        }
    }
    newcomers::play(stage, arguments.samples, progress, table).await?;
    crowd::play(stage, operator.process().pid(), arguments, progress, table).await?;
    operator.stop()?;
    newcomers::floor(stage, arguments.samples, progress, table).await
}

/// The object is there before the operator is.
async fn start_fill_and_rotate(stage: &mut Stage, table: &mut Table) -> anyhow::Result<Operator> {
    let (first, second) = (stage.next_login(), stage.next_login());
    stage.write_source(&first).await?;
    stage.create_object(&ACCOUNTS).await?;
    let mut log = Log::start(stage).await?;
    let start = jiff::Timestamp::now();
    let operator = contender::operator(stage).await?;
    let filled = Work::Fill.writes(stage.size, ACCOUNTS.len());
    let served = log.wait("all namespaces are served", filled, stage.patience(), is_ours);
    let filling = longest_answer(&operator, served).await?;
    let written = log.records.iter().filter(|record| is_ours(record));
    if let Some(first) = written.map(|record| record.timestamp).min() {
        // In it: a token, a shell that becomes the operator, every list, the finalizer and the state.
        let seconds = first.duration_since(start).as_secs_f64();
        let what = "a cold start: until the first write into a namespace";
        table.push(Row::single(stage.size, what, "s", seconds).target("0.2 s and the lists"));
    }
    stage.write_source(&second).await?;
    let rotated = filled + Work::Rotate.writes(stage.size, ACCOUNTS.len());
    let new = log.wait("all copies are new", rotated, stage.patience(), is_ours);
    let rotating = longest_answer(&operator, new).await?;
    for (what, longest) in [("filled", filling), ("rotated", rotating)] {
        let what = format!("the longest that /livez took while all namespaces were {what}");
        table.push(Row::single(stage.size, what, "ms", longest.as_secs_f64() * 1000.0).target(PROBE_WAITS));
    }
    stage
        .check(&expected(OBJECT, &stage.names(), &ACCOUNTS, &second))
        .await?;
    Ok(operator)
}

/// The longest that `/livez` took to answer meanwhile. What answers shares its thread with the loops, as what renews the
/// lease does: a survey of all namespaces holds both up.
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
    stage: &Stage,
    operator: &mut Operator,
    seconds: u64,
    progress: &Progress,
    table: &mut Table,
) -> anyhow::Result<()> {
    progress.step(&format!("nothing changes for {seconds} s"));
    let pid = operator.process().pid();
    let mut log = Log::start(stage).await?;
    let before = cpu_seconds(pid)?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    log.read()?;
    let length = Duration::from_secs(seconds).as_secs_f64();
    let writes = log.ours().filter(|record| record.is_write()).count();
    let calls = count(log.ours().count()) * 60.0 / length;
    let millicores = (cpu_seconds(pid)? - before) / length * 1000.0;
    table.push(Row::single(stage.size, "steady: calls a minute", "", calls).target("3"));
    table.push(Row::single(stage.size, "steady: writes", "", count(writes)).target("0"));
    table.push(Row::single(stage.size, "steady: CPU", "millicores", millicores).target("1"));
    Ok(())
}

async fn restart(
    stage: &Stage,
    operator: Operator,
    progress: &Progress,
    table: &mut Table,
) -> anyhow::Result<Operator> {
    progress.step("restart with everything in place");
    operator.stop()?;
    let mut log = Log::start(stage).await?;
    let start = Instant::now();
    // In it: a token, a shell that becomes the operator, and up to 20 ms until somebody looks.
    let mut operator = contender::operator(stage).await?;
    let seconds = start.elapsed().as_secs_f64();
    tokio::time::sleep(AFTER_RESTART).await;
    log.read()?;
    let writes = log.ours().filter(|record| record.is_write()).count();
    let row = |what: &str, unit, value| Row::single(stage.size, format!("restart: {what}"), unit, value);
    table.push(row("until ready", "s", seconds).target("3 s at 10,000"));
    table.push(row("calls", "", count(log.ours().count())));
    table.push(row("writes", "", count(writes)).target("0"));
    memory(stage.size, "after a restart", operator.process().pid(), table)?;
    Ok(operator)
}

/// Also started anew with them, since that is when they would be listed.
async fn foreign(
    stage: &Stage,
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
    stage.make_namespaces(vec![namespace.clone()], false).await?;
    let api: Api<Secret> = Api::namespaced(stage.client.clone(), &namespace);
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
    table.push(Row::single(stage.size, what, "MiB", grown).target("1 MiB"));
    Ok(())
}

/// The object that everything before was about is deleted, and is gone.
pub(crate) async fn clear(stage: &Stage) -> anyhow::Result<()> {
    stage.delete_object(OBJECT).await?;
    stage.check_gone(OBJECT).await
}

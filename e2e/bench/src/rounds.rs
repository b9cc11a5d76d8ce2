//! Rounds of operator and limit loop in turns: fill, rotate, delete.

use e2e::oracle::Login;

use crate::arguments::Arguments;
use crate::contender::{self, Limit};
use crate::env::{ACCOUNTS, Env, OBJECT, expected};
use crate::figures::{Samples, count};
use crate::phase::{Outcome, Phase, Work};
use crate::progress::Progress;
use crate::requests::{self, Order};
use crate::table::{Row, Table};

/// Numbers of connections that the limit loop tries; the best one counts.
pub(crate) const CONNECTIONS: [usize; 3] = [8, 32, 64];

/// Numbers of accounts per namespace that the object selects.
const SELECTED: [usize; 2] = [1, ACCOUNTS.len()];

/// From this size on, one number of accounts takes long enough.
pub(crate) const LARGE: usize = 5000;

fn selections(size: usize) -> &'static [usize] {
    if size < LARGE { &SELECTED } else { &SELECTED[1..] }
}

pub(crate) fn steps(arguments: &Arguments, size: usize) -> u64 {
    (CONNECTIONS.len() + selections(size).len() * arguments.rounds * 3) as u64
}

/// Results of one contender, by task and round.
#[derive(Default)]
struct Results([Vec<Outcome>; 3]);

impl Results {
    fn add(&mut self, outcomes: [Outcome; 3]) {
        for (list, outcome) in self.0.iter_mut().zip(outcomes) {
            list.push(outcome);
        }
    }

    fn samples(&self, work: usize, figure: impl Fn(&Outcome) -> f64) -> Samples {
        self.0[work].iter().map(figure).collect()
    }
}

pub(crate) async fn run(
    env: &mut Env,
    arguments: &Arguments,
    progress: &Progress,
    table: &mut Table,
) -> anyhow::Result<()> {
    let best = best_connections(env, progress, table).await?;
    for &selected in selections(env.size) {
        let accounts = &ACCOUNTS[..selected];
        let [mut ours, mut limit, mut by_namespace] = [(); 3].map(|()| Results::default());
        for round in 0..arguments.rounds {
            let of_all = format!("{} of {} rounds, {selected} accounts", round + 1, arguments.rounds);
            for turn in 0..2 {
                // The contenders alternate, because the store grows a little each time.
                let is_ours = (round + turn) % 2 == 0;
                let who = if is_ours { "operator" } else { "limit loop" };
                progress.step(&format!("{of_all}: {who}"));
                if is_ours {
                    ours.add(operator(env, accounts).await?);
                } else {
                    limit.add(limit_loop(env, accounts, best, Order::ByKind).await?);
                }
            }
            progress.step(&format!("{of_all}: limit loop, namespace by namespace"));
            by_namespace.add(limit_loop(env, accounts, best, Order::ByNamespace).await?);
        }
        report(env.size, selected, &ours, &limit, table);
        report_order(env.size, selected, &by_namespace, &limit, table);
    }
    Ok(())
}

/// Finds the best number of connections, and warms up the server.
async fn best_connections(env: &mut Env, progress: &Progress, table: &mut Table) -> anyhow::Result<[usize; 3]> {
    let mut best = [(f64::INFINITY, 0); 3];
    for connections in CONNECTIONS {
        progress.step(&format!("limit loop with {connections} connections"));
        let outcomes = limit_loop(env, &ACCOUNTS, [connections; 3], Order::ByKind).await?;
        for ((best, work), outcome) in best.iter_mut().zip(Work::ALL).zip(outcomes) {
            let what = format!("limit loop with {connections} connections: {work:?}").to_lowercase();
            table.push(Row::limit(env.size, what, "s", outcome.seconds));
            if outcome.seconds < best.0 {
                *best = (outcome.seconds, connections);
            }
        }
    }
    Ok(best.map(|(_, connections)| connections))
}

pub(crate) async fn operator(env: &mut Env, accounts: &[&str]) -> anyhow::Result<[Outcome; 3]> {
    let (first, second) = (env.next_login(), env.next_login());
    env.write_source(&first).await?;
    let mut operator = contender::operator(env).await?;
    let pid = operator.process().pid();
    let mut outcomes = [Outcome::default(); 3];
    for (work, outcome) in Work::ALL.into_iter().zip(&mut outcomes) {
        let phase = Phase::begin(env, work, pid, true).await?;
        match work {
            Work::Fill => env.create_object(accounts).await?,
            Work::Rotate => env.write_source(&second).await?,
            Work::Delete => env.delete_object(OBJECT).await?,
        }
        *outcome = phase.end(env, accounts.len()).await?;
        let login = if work == Work::Fill { &first } else { &second };
        judge(env, work, accounts, login).await?;
    }
    operator.stop().await?;
    Ok(outcomes)
}

/// Runs the limit loop, with `connections` by task. Its object exists only to own the copies; no operator acts on it.
pub(crate) async fn limit_loop(
    env: &mut Env,
    accounts: &[&str],
    connections: [usize; 3],
    order: Order,
) -> anyhow::Result<[Outcome; 3]> {
    let (first, second) = (env.next_login(), env.next_login());
    env.create_object(accounts).await?;
    let mut outcomes = [Outcome::default(); 3];
    let mut running: Option<(usize, Limit)> = None;
    for ((work, outcome), connections) in Work::ALL.into_iter().zip(&mut outcomes).zip(connections) {
        let login = if work == Work::Fill { &first } else { &second };
        let requests = requests::of(env, work, accounts, login, order).await?;
        // It keeps its connections between tasks, as the operator does.
        let mut limit = match running.take() {
            Some((held, limit)) if held == connections => limit,
            _ => Limit::start(env, connections, None).await?,
        };
        limit.load(env, &requests).await?;
        let phase = Phase::begin(env, work, limit.pid()?, false).await?;
        limit.go().await?;
        limit.done().await?;
        *outcome = phase.end(env, accounts.len()).await?;
        if work == Work::Delete {
            env.delete_object(OBJECT).await?;
        }
        judge(env, work, accounts, login).await?;
        running = Some((connections, limit));
    }
    Ok(outcomes)
}

/// Checks the result in the store.
async fn judge(env: &Env, work: Work, accounts: &[&str], login: &Login) -> anyhow::Result<()> {
    match work {
        Work::Fill | Work::Rotate => env.check(&expected(OBJECT, &env.names(), accounts, login)).await,
        Work::Delete => env.check_gone(OBJECT).await,
    }
}

const TIME: Figure = Figure::new("time", "s", "1.1 times", |outcome| outcome.seconds);
const CPU_OF_SERVER: Figure = Figure::new("CPU of the server", "s", "1.15 times", |outcome| outcome.server_cpu);

/// Reported figures of each task.
const FIGURES: [Figure; 6] = [
    TIME,
    Figure::new("of it before the first write", "s", "", |outcome| outcome.before_first),
    Figure::new("CPU", "s", "2 times", |outcome| outcome.cpu),
    CPU_OF_SERVER,
    Figure::new("writes", "", "5 more", |outcome| count(outcome.writes)),
    Figure::new("reads", "", "10", |outcome| count(outcome.reads)),
];

struct Figure {
    name: &'static str,
    unit: &'static str,
    target: &'static str,
    of: fn(&Outcome) -> f64,
}

impl Figure {
    const fn new(name: &'static str, unit: &'static str, target: &'static str, of: fn(&Outcome) -> f64) -> Self {
        Self { name, unit, target, of }
    }
}

fn report(size: usize, selected: usize, ours: &Results, limit: &Results, table: &mut Table) {
    for (index, work) in Work::ALL.into_iter().enumerate() {
        let work = format!("{work:?}").to_lowercase();
        for Figure { name, unit, target, of } in FIGURES {
            let what = format!("{work}, {selected} of {} accounts: {name}", ACCOUNTS.len());
            let row = Row::rounds(size, what, unit, ours.samples(index, of), limit.samples(index, of));
            table.push(row.target(target));
        }
    }
}

/// Reports the cost of the operator's order for the loop, in time and CPU. A rotation has only one kind of write, so it
/// is left out.
fn report_order(size: usize, selected: usize, by_namespace: &Results, by_kind: &Results, table: &mut Table) {
    for (index, work) in Work::ALL
        .into_iter()
        .enumerate()
        .filter(|(_, work)| *work != Work::Rotate)
    {
        let work = format!("{work:?}").to_lowercase();
        for Figure { name, unit, of, .. } in [TIME, CPU_OF_SERVER] {
            let what = format!(
                "{work}, {selected} of {} accounts, namespace by namespace: {name}",
                ACCOUNTS.len()
            );
            let (by_namespace, by_kind) = (by_namespace.samples(index, of), by_kind.samples(index, of));
            table.push(Row::limit_rounds(size, what, unit, &by_namespace, &by_kind));
        }
    }
}

//! The installation with fewer rights, `config/named`: a list and a watch for each permitted name of copies.

use crate::arguments::Arguments;
use crate::contender;
use crate::env::{ACCOUNTS, Env, OBJECT};
use crate::figures::{Memory, Samples};
use crate::phase::Work;
use crate::progress::Progress;
use crate::requests::Order;
use crate::rounds::{self, CONNECTIONS, LARGE};
use crate::table::{Row, Table};

/// Returns whether to run for this size. The largest one takes too long.
fn is_run(arguments: &Arguments, size: usize) -> bool {
    let sizes = arguments.namespaces.iter().filter(|&&size| size < LARGE);
    sizes.max() == Some(&size)
}

pub(crate) fn steps(arguments: &Arguments, size: usize) -> u64 {
    let each = if is_run(arguments, size) {
        arguments.names.len()
    } else {
        0
    };
    (each * (arguments.rounds * 2 + 1)) as u64
}

pub(crate) async fn run(
    env: &mut Env,
    arguments: &Arguments,
    progress: &Progress,
    table: &mut Table,
) -> anyhow::Result<()> {
    if !is_run(arguments, env.size) {
        return Ok(());
    }
    let accounts = &ACCOUNTS[..1];
    for &number in &arguments.names {
        // The object's own name, and others without a copy.
        let others = (1..number).map(|other| format!("{OBJECT}-{other}"));
        let names: Vec<String> = [OBJECT.to_owned()].into_iter().chain(others).collect();
        env.flags = env.cluster.install_named(&names, &[]).await?;
        env.permitted = names;
        let what = format!("named, {number} names");
        let (ours, limit) = turns(env, accounts, &what, arguments.rounds, progress).await?;
        for ((work, ours), limit) in Work::ALL.into_iter().zip(ours).zip(limit) {
            let work = format!("{work:?}").to_lowercase();
            let row = Row::rounds(
                env.size,
                format!("{what}: {work}, 1 of {} accounts", ACCOUNTS.len()),
                "s",
                Samples(ours),
                Samples(limit),
            );
            table.push(row.target("1.1 times"));
        }
        progress.step(&format!("{what}: memory"));
        let mut operator = contender::operator(env).await?;
        let memory = Memory::of(operator.process().pid())?;
        let row = Row::single(
            env.size,
            format!("{what}: resident memory after a start"),
            "MiB",
            memory.resident,
        );
        table.push(row);
        operator.stop().await?;
    }
    env.flags.clear();
    env.permitted.clear();
    env.cluster.install().await
}

/// Returns the seconds of the operator and of the limit loop, by task and round.
async fn turns(
    env: &mut Env,
    accounts: &[&str],
    what: &str,
    rounds: usize,
    progress: &Progress,
) -> anyhow::Result<([Vec<f64>; 3], [Vec<f64>; 3])> {
    let (mut ours, mut limit) = ([(); 3].map(|()| Vec::new()), [(); 3].map(|()| Vec::new()));
    for round in 1..=rounds {
        progress.step(&format!("{what}, {round} of {rounds} rounds: operator"));
        for (list, outcome) in ours.iter_mut().zip(rounds::operator(env, accounts).await?) {
            list.push(outcome.seconds);
        }
        progress.step(&format!("{what}, {round} of {rounds} rounds: limit loop"));
        let outcomes = rounds::limit_loop(env, accounts, [CONNECTIONS[1]; 3], Order::ByKind).await?;
        for (list, outcome) in limit.iter_mut().zip(outcomes) {
            list.push(outcome.seconds);
        }
    }
    Ok((ours, limit))
}

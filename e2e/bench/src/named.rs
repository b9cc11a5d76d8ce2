//! The installation with fewer rights, `config/named`: a list and a watch for each name that copies may have.

use crate::Arguments;
use crate::contender;
use crate::figures::{Memory, Samples};
use crate::phase::Work;
use crate::progress::Progress;
use crate::requests::Order;
use crate::rounds::{self, CONNECTIONS, LARGE};
use crate::stage::{ACCOUNTS, OBJECT, Stage};
use crate::table::{Row, Table};

/// The largest is slow enough without.
fn is_played(arguments: &Arguments, size: usize) -> bool {
    let sizes = arguments.namespaces.iter().filter(|&&size| size < LARGE);
    sizes.max() == Some(&size)
}

pub(crate) fn steps(arguments: &Arguments, size: usize) -> u64 {
    let each = if is_played(arguments, size) {
        arguments.names.len()
    } else {
        0
    };
    (each * (arguments.rounds * 2 + 1)) as u64
}

pub(crate) async fn play(
    stage: &mut Stage,
    arguments: &Arguments,
    progress: &Progress,
    table: &mut Table,
) -> anyhow::Result<()> {
    if !is_played(arguments, stage.size) {
        return Ok(());
    }
    let accounts = &ACCOUNTS[..1];
    for &number in &arguments.names {
        // The object's own, and others that stay without a copy.
        let others = (1..number).map(|other| format!("{OBJECT}-{other}"));
        let names: Vec<String> = [OBJECT.to_owned()].into_iter().chain(others).collect();
        stage.flags = stage.cluster.install_named(&names, &[]).await?;
        stage.permitted = names;
        let what = format!("named, {number} names");
        let (mut ours, mut limit) = ([(); 3].map(|()| Vec::new()), [(); 3].map(|()| Vec::new()));
        for round in 0..arguments.rounds {
            progress.step(&format!(
                "{what}, {} of {} rounds: operator",
                round + 1,
                arguments.rounds
            ));
            for (list, outcome) in ours.iter_mut().zip(rounds::operator(stage, accounts).await?) {
                list.push(outcome.seconds);
            }
            progress.step(&format!(
                "{what}, {} of {} rounds: limit loop",
                round + 1,
                arguments.rounds
            ));
            let outcomes = rounds::limit_loop(stage, accounts, [CONNECTIONS[1]; 3], Order::ByKind).await?;
            for (list, outcome) in limit.iter_mut().zip(outcomes) {
                list.push(outcome.seconds);
            }
        }
        for ((work, ours), limit) in Work::ALL.into_iter().zip(ours).zip(limit) {
            let work = format!("{work:?}").to_lowercase();
            let row = Row::rounds(
                stage.size,
                format!("{what}: {work}, 1 of {} accounts", ACCOUNTS.len()),
                "s",
                Samples(ours),
                Samples(limit),
            );
            table.push(row.target("1.1 times"));
        }
        progress.step(&format!("{what}: memory"));
        let mut operator = contender::operator(stage).await?;
        let memory = Memory::of(operator.process().pid())?;
        let row = Row::single(
            stage.size,
            format!("{what}: resident memory after a start"),
            "MiB",
            memory.resident,
        );
        table.push(row);
        operator.stop()?;
    }
    stage.flags.clear();
    stage.permitted.clear();
    stage.cluster.install().await
}

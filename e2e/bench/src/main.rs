//! `just bench`: time, calls and memory, beside the minimum that the API server allows.
//!
//! The operator and the limit loop (see [`limit`]) do the same work in turns, on one real control plane, in one run.
//! Calls and times come from the API server's audit log, never from a contender. The store decides each round, and a
//! wrong result ends the benchmark with an error. Compare the ratio of the two: the seconds depend on the machine.
//!
//! # Rooms
//!
//! Each line uses only lines below it; `.ci/checks walls` reads this.
//!
//! ```text
//! tool                the command-line tool, beside kubectl
//! steady_state        with everything in place: memory, silence, a restart
//! many_objects        many objects, and a namespace with many accounts
//! new_namespaces      how long new namespaces and accounts wait
//! named               the installation with fewer rights
//! slow_server         bytes on the wire, and a server that is far away
//! rounds              fill, rotate and delete, in turns with the limit loop
//! contender           the operator or the limit loop
//! limit               the loop that makes the fewest writes
//! requests            these writes
//! phase               one task, measured
//! env                 the cluster, its namespaces, the object, the logins
//! plot                growth of time, writes and memory, as SVG
//! table               the result as a table
//! machine             the machine and the build
//! arguments           what is measured
//! figures · progress  the numbers themselves; progress for people
//! ```

mod arguments;
mod contender;
mod env;
mod figures;
mod limit;
mod machine;
mod many_objects;
mod named;
mod new_namespaces;
mod phase;
mod plot;
mod progress;
mod requests;
mod rounds;
mod slow_server;
mod steady_state;
mod table;
mod tool;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Output, Part};
use env::Env;
use machine::Machine;
use progress::Progress;
use table::Table;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match &arguments.part {
        Some(Part::Limit {
            kubeconfig,
            connections,
            floor,
            names,
        }) => limit::run(kubeconfig, *connections, floor.as_deref(), names).await,
        Some(Part::Tool {
            contexts,
            namespaces,
            workloads,
            rounds,
        }) => {
            let size = tool::Size {
                contexts: *contexts,
                namespaces: *namespaces,
                workloads: *workloads,
                rounds: *rounds,
            };
            tool(size, &arguments.clone().completed()).await
        }
        None => bench(&arguments.clone().completed()).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn bench(arguments: &Arguments) -> anyhow::Result<()> {
    let operator = e2e::binaries::operator()?;
    let machine = Machine::of_this_run("operator", &operator, arguments.seed(), arguments.rounds)?.with(
        "3 accounts in each namespace, a docker config of 1.4 kB, 32 writes in flight; etcd without fsync, audit on"
            .to_owned(),
    );
    let progress = Progress::start(arguments.namespaces.iter().map(|&size| steps(arguments, size)).sum());
    let mut table = Table::new(machine);
    for &size in &arguments.namespaces {
        // Each size has its own passwords, so that no copy is right by chance.
        let mut env = Env::start(size, arguments.seed().wrapping_add(size as u64), &progress).await?;
        rounds::run(&mut env, arguments, &progress, &mut table).await?;
        slow_server::run(&mut env, &progress, &mut table).await?;
        named::run(&mut env, arguments, &progress, &mut table).await?;
        steady_state::run(&mut env, arguments, &progress, &mut table).await?;
        env.end()?;
    }
    progress.finish();
    if let Some(path) = &arguments.plot {
        plot::draw(&table, path)?;
    }
    print(&table, arguments.output)
}

async fn tool(size: tool::Size, arguments: &Arguments) -> anyhow::Result<()> {
    let table = tool::run(size, arguments.seed()).await?;
    print(&table, arguments.output)
}

fn print(table: &Table, output: Output) -> anyhow::Result<()> {
    match output {
        Output::Table => table.print(),
        Output::Json => table.print_json()?,
    }
    Ok(())
}

/// Returns the number of steps for a cluster of this size.
fn steps(arguments: &Arguments, size: usize) -> u64 {
    let rows = rounds::steps(arguments, size) + steady_state::steps(arguments, size);
    1 + rows + slow_server::STEPS + named::steps(arguments, size)
}

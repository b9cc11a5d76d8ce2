//! `just bench`: how fast, with how many calls and how much memory, beside the least that the API server allows.
//!
//! The operator and the limit loop (see [`limit`]) do the same work in turns, on one real control plane, in one run. Calls
//! and times come from the API server's audit log, never from a contender; each round is judged by the store, and one that
//! is not right ends the benchmark with an error. What counts is the ratio of the two; the seconds are the machine's.
//!
//! | module | what it holds |
//! |---|---|
//! | [`stage`] | the cluster, its namespaces, the object, the logins |
//! | [`requests`], [`limit`] | the writes that nobody can do without, and the loop that makes them |
//! | [`contender`], [`phase`] | the operator or the loop, and one piece of work measured |
//! | [`rounds`], [`far`], [`standing`], [`newcomers`], [`crowd`], [`named`] | the rows |
//! | [`figures`], [`table`], [`plot`], [`machine`] | numbers, how they are shown, and on what they were made |

mod contender;
mod crowd;
mod far;
mod figures;
mod limit;
mod machine;
mod named;
mod newcomers;
mod phase;
mod plot;
mod progress;
mod requests;
mod rounds;
mod stage;
mod standing;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand, ValueEnum};

use machine::Machine;
use progress::Progress;
use stage::Stage;
use table::Table;

/// Measures the operator beside the limit loop on a control plane of its own.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,

    /// How many namespaces; several sizes, separated by commas, get a cluster each.
    #[arg(short, long, value_delimiter = ',', default_values_t = [1000])]
    namespaces: Vec<usize>,

    /// How often operator and limit loop take turns at each piece of work.
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// New namespaces whose time is taken, idle and for the floor.
    #[arg(long, default_value_t = 300)]
    samples: usize,

    /// Secrets of others that are added to see whether memory minds.
    #[arg(long, default_value_t = 0)]
    foreign: usize,

    /// Accounts of the one tenant with many.
    #[arg(long, default_value_t = 0)]
    tenant: usize,

    /// Objects with ten overlapping namespaces each; no more of them than namespaces.
    #[arg(long, value_delimiter = ',', default_values_t = [100])]
    objects: Vec<usize>,

    /// How many names the installation with fewer rights permits, on the last and largest of the sizes below 5,000.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32])]
    names: Vec<usize>,

    /// Seconds during which nothing changes and calls are counted.
    #[arg(long, default_value_t = 60)]
    steady: u64,

    /// The sizes 100, 1,000 and 10,000, as many as 1,000 objects, 30,000 Secrets of others, a tenant with 10,000 accounts, ten
    /// steady minutes.
    #[arg(long)]
    full: bool,

    /// What the passwords are made from; any number by default.
    #[arg(long)]
    seed: Option<u64>,

    /// Where to draw how time, writes and memory grow, as SVG; for several sizes and numbers of objects.
    #[arg(long)]
    plot: Option<PathBuf>,

    /// How the result is printed.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

#[derive(Clone, Debug, Subcommand)]
enum Part {
    /// The limit loop, as the benchmark starts it: a process of its own, so that its CPU seconds are its own.
    #[command(hide = true)]
    Limit {
        #[arg(long)]
        kubeconfig: PathBuf,
        #[arg(long)]
        connections: usize,
        /// Answer each new `default` account of the namespaces with this prefix with one write.
        #[arg(long)]
        floor: Option<String>,
        /// Watch the Secrets of these names, as in the installation with fewer rights.
        #[arg(long, value_delimiter = ',')]
        names: Vec<String>,
    },
}

impl Arguments {
    fn completed(mut self) -> Self {
        if self.full {
            self.namespaces = vec![100, 1000, 10_000];
            self.objects = vec![1, 10, 100, 1000];
            self.foreign = self.foreign.max(30_000);
            self.tenant = self.tenant.max(10_000);
            self.steady = self.steady.max(600);
        }
        let now = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |now| now.as_secs())
        };
        self.seed = Some(self.seed.unwrap_or_else(now));
        self
    }

    fn seed(&self) -> u64 {
        self.seed.unwrap_or_default()
    }
}

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
    let machine = Machine::of_this_run(arguments)?;
    let progress = Progress::start(arguments);
    let mut table = Table::new(machine);
    for &size in &arguments.namespaces {
        // Passwords of one size are not those of another, so that no copy can be right by chance.
        let mut stage = Stage::start(size, arguments.seed().wrapping_add(size as u64), &progress).await?;
        rounds::play(&mut stage, arguments, &progress, &mut table).await?;
        far::play(&mut stage, &progress, &mut table).await?;
        named::play(&mut stage, arguments, &progress, &mut table).await?;
        standing::play(&mut stage, arguments, &progress, &mut table).await?;
        stage.end()?;
    }
    progress.finish();
    if let Some(path) = &arguments.plot {
        plot::draw(&table, path)?;
    }
    match arguments.output {
        Output::Table => table.print(),
        Output::Json => table.print_json()?,
    }
    Ok(())
}

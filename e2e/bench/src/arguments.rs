//! What a run measures, and how it shows that.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand, ValueEnum};

/// Measures the operator beside the limit loop on a control plane of its own.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) part: Option<Part>,

    /// How many namespaces; several sizes, separated by commas, get a cluster each.
    #[arg(short, long, value_delimiter = ',', default_values_t = [1000])]
    pub(crate) namespaces: Vec<usize>,

    /// How often operator and limit loop take turns at each piece of work.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,

    /// New namespaces whose time is taken, idle and for the floor.
    #[arg(long, default_value_t = 300)]
    pub(crate) samples: usize,

    /// Secrets of others that are added to see whether memory minds.
    #[arg(long, default_value_t = 0)]
    pub(crate) foreign: usize,

    /// Accounts of the one tenant with many.
    #[arg(long, default_value_t = 0)]
    pub(crate) tenant: usize,

    /// Objects with ten overlapping namespaces each; no more of them than namespaces.
    #[arg(long, value_delimiter = ',', default_values_t = [100])]
    pub(crate) objects: Vec<usize>,

    /// How many names the installation with fewer rights permits, on the last and largest of the sizes below 5,000.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32])]
    pub(crate) names: Vec<usize>,

    /// Seconds during which nothing changes and calls are counted.
    #[arg(long, default_value_t = 60)]
    pub(crate) steady: u64,

    /// The sizes 100, 1,000 and 10,000, as many as 1,000 objects, 30,000 Secrets of others, a tenant with 10,000 accounts, ten
    /// steady minutes.
    #[arg(long)]
    full: bool,

    /// What the passwords are made from; any number by default.
    #[arg(long)]
    seed: Option<u64>,

    /// Where to draw how time, writes and memory grow, as SVG; for several sizes and numbers of objects.
    #[arg(long)]
    pub(crate) plot: Option<PathBuf>,

    /// How the result is printed.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Part {
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
    /// With what `--full` stands for, and a seed.
    pub(crate) fn completed(mut self) -> Self {
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

    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or_default()
    }
}

//! Arguments: what a run measures, and how it prints the result.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand, ValueEnum};

/// Measures the operator beside the limit loop on a control plane of its own.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) part: Option<Part>,

    /// Number of namespaces; several sizes, separated by commas, get a cluster each.
    #[arg(short, long, value_delimiter = ',', default_values_t = [1000])]
    pub(crate) namespaces: Vec<usize>,

    /// Rounds in which operator and limit loop take turns at each task.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,

    /// New namespaces for the latency, on an idle operator and for the floor.
    #[arg(long, default_value_t = 300)]
    pub(crate) samples: usize,

    /// Foreign Secrets to add, to measure their effect on memory.
    #[arg(long, default_value_t = 0)]
    pub(crate) foreign: usize,

    /// Accounts of a single tenant with many.
    #[arg(long, default_value_t = 0)]
    pub(crate) tenant: usize,

    /// Objects with ten overlapping namespaces each; at most as many objects as namespaces.
    #[arg(long, value_delimiter = ',', default_values_t = [100])]
    pub(crate) objects: Vec<usize>,

    /// Number of names that the installation with fewer rights permits, on the largest size below 5,000.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32])]
    pub(crate) names: Vec<usize>,

    /// Seconds without changes in which calls are counted.
    #[arg(long, default_value_t = 60)]
    pub(crate) steady: u64,

    /// Everything: sizes 100, 1,000 and 10,000, up to 1,000 objects, 30,000 foreign Secrets, a tenant with 10,000
    /// accounts, ten steady minutes.
    #[arg(long)]
    full: bool,

    /// Seed of the passwords; random by default.
    #[arg(long)]
    seed: Option<u64>,

    /// SVG file for the growth of time, writes and memory; needs several sizes and numbers of objects.
    #[arg(long)]
    pub(crate) plot: Option<PathBuf>,

    /// Format of the result.
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
    /// The command-line tool, beside `kubectl get -o json` of the same lists.
    Tool {
        /// Contexts of the kubeconfig. All lead to one control plane.
        #[arg(long, default_value_t = 5)]
        contexts: usize,
        /// Number of namespaces.
        #[arg(long, default_value_t = 1000)]
        namespaces: usize,
        /// Number of Deployments, each with five Pods.
        #[arg(long, default_value_t = 2000)]
        workloads: usize,
        /// Rounds in which the tool and kubectl take turns.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// The limit loop, as the benchmark starts it. It is a separate process, so that its CPU seconds are its own.
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
    /// Applies `--full`, and chooses a seed.
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

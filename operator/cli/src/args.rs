//! The command line. Flags have the names and meanings that kubectl gives them.

mod adopt;
mod audit;
mod explain;
mod rollout;
mod selection;

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use adopt::{AdoptArgs, AdoptFormat};
pub use audit::{AuditArgs, FailOn, LoginSource};
pub use explain::{ExplainArgs, Subject};
pub use rollout::{RolloutArgs, RolloutFormat};
pub use selection::{Connection, Namespaces, Selection};

/// Where an installation with default values has the operator.
pub(crate) const OPERATOR_NAMESPACE: &str = "pullsecrets-system";

/// Shows which workloads can pull their images, why not, and what an object waits for. Only `adopt` and `rollout` write,
/// and they ask before.
///
/// Exit codes: 0, no finding. 1, findings. 2, wrong usage, or an answer that is incomplete because a context, a list or
/// a right was missing. 130, interrupted.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kubectl-pullsecrets",
    version,
    propagate_version = false,
    max_term_width = 100
)]
pub struct Cli {
    /// How to reach clusters.
    #[command(flatten, next_help_heading = "Clusters")]
    pub connection: Connection,

    /// Prints no progress and no notes on standard error.
    #[arg(long, short, global = true)]
    pub quiet: bool,

    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Lists the workloads that could not pull their images if the registry asked for a login now.
    Audit(AuditArgs),
    /// Shows step by step what a kubelet would do for a Pod, a Deployment, an account or an image.
    Explain(ExplainArgs),
    /// Shows the state of one `ClusterPullSecret`, or of all, and what a deletion waits for.
    Status(StatusArgs),
    /// Finds the pull secrets that other tools left, and gives them to the operator in place. It prints a plan unless
    /// `--apply` is given.
    Adopt(AdoptArgs),
    /// Shows what the operator would write, without a cluster. Values are redacted.
    Render(RenderArgs),
    /// Applies a `ClusterPullSecret` and its source to several clusters, and waits until it is ready there.
    Rollout(Box<RolloutArgs>),
    /// Prints a completion script.
    Completion(CompletionArgs),
    /// Prints the version.
    Version(VersionArgs),
    /// Prints candidates in kubectl's protocol.
    #[command(name = "__complete", hide = true, disable_help_flag = true)]
    Complete(CompleteArgs),
    /// Writes the man pages into a folder.
    #[command(name = "__man", hide = true)]
    Man(ManArgs),
}

/// Arguments of `status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// The `ClusterPullSecret`. Without it: a table of all.
    pub name: Option<String>,

    /// Repeats until interrupted, and prints again what has changed.
    #[arg(long, short)]
    pub watch: bool,

    /// The format of the result.
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub output: Format,
}

/// Arguments of `render`.
#[derive(Args, Clone, Debug)]
pub struct RenderArgs {
    /// A file, or a folder of files, with objects `ClusterPullSecret` and their sources. May be repeated; `-` is
    /// standard input.
    #[arg(long = "filename", short, required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// A file, or a folder of files, from `kubectl get -o json`, with the namespaces, accounts and Secrets. May be
    /// repeated.
    #[arg(long, value_name = "FILE")]
    pub from_dump: Vec<PathBuf>,

    /// A namespace that is taken to exist, with its account `default`. May be repeated.
    #[arg(long = "namespace", short, value_name = "NAME")]
    pub namespaces: Vec<String>,

    /// A `ServiceAccount` that is taken to exist. May be repeated.
    #[arg(long = "serviceaccount", value_name = "NAMESPACE/NAME")]
    pub accounts: Vec<String>,

    /// The namespace of the operator, which holds the sources that name none.
    #[arg(long, value_name = "NAME", default_value = OPERATOR_NAMESPACE)]
    pub operator_namespace: String,

    /// The format of the result.
    #[arg(long, short, value_enum, default_value_t = TextFormat::Yaml)]
    pub output: TextFormat,
}

/// Arguments of `completion`.
#[derive(Args, Clone, Debug)]
pub struct CompletionArgs {
    /// The shell. `kubectl` prints the script that makes `kubectl pullsecrets` complete.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Arguments of `version`.
#[derive(Args, Clone, Debug)]
pub struct VersionArgs {
    /// The format of the result. Without it: one line.
    #[arg(long, short, value_enum)]
    pub output: Option<TextFormat>,
}

/// Arguments of the hidden `__complete`.
#[derive(Args, Clone, Debug)]
pub struct CompleteArgs {
    /// The words after the plugin's name. The last one is to be completed.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<String>,
}

/// Arguments of the hidden `__man`.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// The folder.
    pub folder: PathBuf,
}

/// A shell that completes words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// Bash.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
    /// `PowerShell`.
    Powershell,
    /// kubectl, 1.26 or later.
    Kubectl,
}

/// The format of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people, no wider than the terminal.
    Table,
    /// A table with more columns.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// XML in the form of `JUnit`, for CI.
    Junit,
    /// One name for each finding.
    Name,
}

/// A format for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextFormat {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// Who checks a write that is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// The API servers, with their policies and webhooks.
    Server,
}

impl Format {
    /// Returns whether machines read it, so that no progress is shown.
    pub fn is_for_machines(self) -> bool {
        !matches!(self, Self::Table | Self::Wide)
    }
}

/// Returns the error without a value that a flag does not take, as in `--password-stdin=VALUE`: it may be a password.
pub fn redacted(mut error: clap::Error) -> clap::Error {
    if error.kind() == ErrorKind::TooManyValues {
        error.insert(ContextKind::InvalidValue, ContextValue::String("...".to_owned()));
    }
    error
}

#[cfg(test)]
mod tests;

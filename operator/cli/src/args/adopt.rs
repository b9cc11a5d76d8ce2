//! Arguments of `adopt`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{DryRun, Namespaces, OPERATOR_NAMESPACE};
use crate::adopt::Tool;

/// Arguments of `adopt`.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct AdoptArgs {
    /// A tool, such as patcher or kyverno, or a name of Secrets. May be repeated. Without it: everything that is found.
    #[arg(long, value_name = "TOOL|name=SECRET", value_parser = from)]
    pub from: Vec<String>,

    /// Where Secrets are adopted. All namespaces are read in any case.
    #[command(flatten)]
    pub namespaces: Namespaces,

    /// Gives copies that deviate from their group the login of the group.
    #[arg(long)]
    pub align: bool,

    /// A Secret in the namespace of the operator with a lasting login. It is the source, instead of a copy of what was
    /// found.
    #[arg(long, value_name = "SECRET")]
    pub source: Option<String>,

    /// The namespace of the operator, which holds the sources.
    #[arg(long, value_name = "NAME", default_value = OPERATOR_NAMESPACE)]
    pub operator_namespace: String,

    /// Carries the plan out, after a question. An interrupted run goes on where it ended.
    #[arg(long)]
    pub apply: bool,

    /// Gives Secrets that were adopted back: copies and entries stay, marks of their tools return.
    #[arg(long, conflicts_with_all = ["apply", "align", "source", "named", "excluded"])]
    pub undo: bool,

    /// Does not ask.
    #[arg(long, short)]
    pub yes: bool,

    /// `server`: the API servers check each write and store nothing.
    #[arg(long, value_enum, value_name = "MODE")]
    pub dry_run: Option<DryRun>,

    /// A file, or a folder of files, from `kubectl get -o json`, in place of a cluster. May be repeated.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["contexts", "all_contexts", "apply", "undo", "dry_run"])]
    pub from_dump: Vec<PathBuf>,

    /// The format of the result. `yaml` has the objects for Git, without data.
    #[arg(long, short, value_enum, default_value_t = AdoptFormat::Table)]
    pub output: AdoptFormat,
}

impl AdoptArgs {
    /// Returns whether it asks servers for writes, also for those that they only check.
    pub fn writes(&self) -> bool {
        self.apply || self.undo || self.dry_run.is_some()
    }
}

/// The format of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AdoptFormat {
    /// A table and steps for people.
    Table,
    /// The whole plan.
    Json,
    /// The objects for Git, without data.
    Yaml,
}

fn from(word: &str) -> Result<String, String> {
    let is_name = word.strip_prefix("name=").is_some_and(|name| !name.is_empty());
    let mut keys: Vec<&str> = Tool::ALL.iter().map(|tool| tool.key()).collect();
    keys.dedup();
    if is_name || keys.contains(&word) {
        return Ok(word.to_owned());
    }
    Err(format!("give name=SECRET, or one of {}", keys.join(", ")))
}

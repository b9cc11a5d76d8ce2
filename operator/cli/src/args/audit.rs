//! Arguments of `audit`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use plan::server::{Server, ServerError};

use super::{Format, Selection};

/// Arguments of `audit`.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct AuditArgs {
    /// Registries, each with an optional path, such as ghcr.io/acme. Without one: a line for each registry in use.
    #[arg(value_name = "SERVER[/PATH]", value_parser = server)]
    pub servers: Vec<Server>,

    /// What to read.
    #[command(flatten)]
    pub selection: Selection,

    /// Workloads to leave out: a file with a line NAMESPACE or NAMESPACE/KIND/NAME for each. All three may be globs.
    #[arg(long, value_name = "FILE")]
    pub ignore_file: Option<PathBuf>,

    /// Tries the logins of this Secret, or of the sources of a `ClusterPullSecret`, at the registries.
    #[arg(long, value_name = "[NAMESPACE/]SECRET|cps/NAME")]
    pub login: Option<LoginSource>,

    /// Also asks the registries without a login, to find Pods whose images come by a login of the node.
    #[arg(long, requires = "login")]
    pub probe: bool,

    /// Sends the login also to hosts that the Secret does not name, without asking.
    #[arg(long, requires = "login")]
    pub yes: bool,

    /// Prints an order of steps that breaks no workload.
    #[arg(long)]
    pub plan: bool,

    /// The least urgent finding that makes the exit code 1.
    #[arg(long, value_enum, default_value_t = FailOn::NextPod)]
    pub fail_on: FailOn,

    /// Findings do not change the exit code. An incomplete answer still does.
    #[arg(long)]
    pub exit_zero: bool,

    /// The format of the result.
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub output: Format,
}

/// The least urgent finding that counts as a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// What fails for the next Pod.
    NextPod,
    /// What fails on the restart of a container.
    Restart,
    /// What fails now.
    Now,
}

/// Where a login to be tried comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginSource {
    /// A Secret with a docker config. Without a namespace: in that of the context.
    Secret {
        /// Its namespace.
        namespace: Option<String>,
        /// Its name.
        name: String,
    },
    /// The sources of a `ClusterPullSecret`.
    Object(String),
}

impl FromStr for LoginSource {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = |name: &str| !name.is_empty() && !name.contains('/');
        match text.split_once('/') {
            Some(("cps" | "clusterpullsecret" | "clusterpullsecrets", name)) if is_name(name) => {
                Ok(Self::Object(name.to_owned()))
            }
            Some((namespace, name)) if is_name(name) && is_name(namespace) => Ok(Self::Secret {
                namespace: Some(namespace.to_owned()),
                name: name.to_owned(),
            }),
            None if is_name(text) => Ok(Self::Secret {
                namespace: None,
                name: text.to_owned(),
            }),
            _ => Err("give SECRET, NAMESPACE/SECRET or cps/NAME"),
        }
    }
}

fn server(text: &str) -> Result<Server, ServerError> {
    Server::parse(text)
}

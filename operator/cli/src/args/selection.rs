//! Which clusters, and what in them.

use std::path::PathBuf;

use clap::Args;
use plan::glob::covers;

/// How to reach clusters. All verbs share it.
#[derive(Args, Clone, Debug, Default)]
pub struct Connection {
    /// The kubeconfig. Without it: those in the variable KUBECONFIG, merged as kubectl does, else ~/.kube/config.
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// A context, or a glob over contexts such as 'prod-*'. May be repeated. Without it: the current context.
    #[arg(long = "context", global = true, value_name = "NAME")]
    pub contexts: Vec<String>,

    /// All contexts of the kubeconfig.
    #[arg(long, global = true, conflicts_with = "contexts")]
    pub all_contexts: bool,

    /// The user to impersonate.
    #[arg(long = "as", global = true, value_name = "USER")]
    pub as_user: Option<String>,

    /// A group to impersonate. May be repeated.
    #[arg(long = "as-group", global = true, value_name = "GROUP", requires = "as_user")]
    pub as_groups: Vec<String>,
}

/// What to read in each cluster.
#[derive(Args, Clone, Debug, Default)]
pub struct Selection {
    /// The namespaces.
    #[command(flatten)]
    pub namespaces: Namespaces,

    /// Only workloads and Pods with these labels.
    #[arg(long = "selector", short = 'l', value_name = "SELECTOR")]
    pub labels: Option<String>,

    /// A file, or a folder of files, from `kubectl get -o json`, in place of a cluster. May be repeated.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["contexts", "all_contexts", "labels"])]
    pub from_dump: Vec<PathBuf>,
}

/// Which namespaces.
#[derive(Args, Clone, Debug, Default)]
pub struct Namespaces {
    /// A namespace, or a glob over namespaces. May be repeated. Without it: all namespaces.
    #[arg(long = "namespace", short, value_name = "NAME")]
    pub named: Vec<String>,

    /// A namespace, or a glob over namespaces, that is left out. May be repeated.
    #[arg(long = "exclude-namespace", value_name = "NAME")]
    pub excluded: Vec<String>,
}

impl Namespaces {
    /// Returns whether the namespace is asked for.
    pub fn selects(&self, namespace: &str) -> bool {
        let any = |globs: &[String]| globs.iter().any(|glob| covers(glob.as_bytes(), namespace.as_bytes()));
        (self.named.is_empty() || any(&self.named)) && !any(&self.excluded)
    }

    /// Returns the namespaces, if each is given by its name. Then only those need to be read.
    pub fn exact(&self) -> Option<&[String]> {
        let is_exact = |name: &String| !name.contains(['*', '?']);
        (!self.named.is_empty() && self.named.iter().all(is_exact)).then_some(&self.named)
    }
}

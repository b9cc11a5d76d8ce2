//! Flags and environment. Each flag has a variable of the same name in capitals, with the prefix `PULLSECRETS_`.

use std::collections::BTreeSet;
use std::net::{AddrParseError, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, ValueEnum};

/// Keeps pull secrets, and the references to them, in every namespace that a `ClusterPullSecret` selects.
#[derive(Clone, Debug, Parser)]
#[command(name = "pullsecrets", version)]
pub struct Args {
    /// The operator's own namespace: where sources live that name none, and what it remembers of them. Default: the
    /// namespace of the pod, else pullsecrets-system.
    #[arg(long, env = "PULLSECRETS_NAMESPACE")]
    namespace: Option<String>,

    /// Further namespaces in which source Secrets are read, separated by commas.
    #[arg(long, env = "PULLSECRETS_SOURCE_NAMESPACES", value_delimiter = ',')]
    pub source_namespaces: Vec<String>,

    /// Where /livez and /readyz are served.
    #[arg(long, env = "PULLSECRETS_HEALTH_BIND_ADDRESS", default_value = "0.0.0.0:8081")]
    pub health_bind_address: SocketAddr,

    /// Where /metrics is served; 0 is nowhere.
    #[arg(long, env = "PULLSECRETS_METRICS_BIND_ADDRESS", default_value = "0.0.0.0:8080")]
    pub metrics_bind_address: MetricsAddress,

    /// Writes into namespaces that are under way at a time.
    #[arg(long, env = "PULLSECRETS_CONCURRENCY", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub concurrency: u16,

    /// Only the replica that holds the Lease `pullsecrets` writes; the others keep their caches warm. Switch it off
    /// only where never more than one replica runs.
    #[arg(long, env = "PULLSECRETS_LEADER_ELECT", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1,
        require_equals = true, default_missing_value = "true")]
    pub leader_elect: bool,

    /// A kubeconfig to use outside a cluster. Default: the pod's service account, else the variable KUBECONFIG.
    #[arg(long, env = "PULLSECRETS_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,

    /// How log lines look. What is logged is set by `RUST_LOG`.
    #[arg(long, env = "PULLSECRETS_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Where metrics are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsAddress {
    /// There.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

impl FromStr for MetricsAddress {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "0" => Ok(Self::Off),
            address => address.parse().map(Self::At),
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where a pod finds the name of its namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

impl Args {
    /// The operator's own namespace.
    pub fn own_namespace(&self) -> String {
        let file = || {
            std::fs::read_to_string(NAMESPACE_FILE)
                .ok()
                .map(|text| text.trim().to_owned())
        };
        let given = self
            .namespace
            .clone()
            .or_else(|| std::env::var("POD_NAMESPACE").ok())
            .or_else(file);
        given
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "pullsecrets-system".to_owned())
    }

    /// What tells this process from every other that may live at the same time. A pod's name does, and its next
    /// container need not wait for the Lease of the last one.
    pub fn identity() -> String {
        let pod = std::env::var("POD_NAME").ok().filter(|name| !name.is_empty());
        pod.unwrap_or_else(|| {
            let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "pullsecrets".to_owned());
            format!("{host}_{:032x}", rand::random::<u128>())
        })
    }

    /// The namespaces in which sources are read, besides the operator's own.
    pub fn other_source_namespaces(&self) -> BTreeSet<String> {
        let own = self.own_namespace();
        self.source_namespaces
            .iter()
            .filter(|name| !name.is_empty() && **name != own)
            .cloned()
            .collect()
    }
}

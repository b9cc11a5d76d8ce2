//! Flags and environment. Each flag has a variable of the same name in capitals, with the prefix `PULLSECRETS_`.

use std::collections::BTreeSet;
use std::net::{AddrParseError, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use clap::{Parser, ValueEnum};
use crd::names::STATE_NAME_PREFIX;

/// Keeps pull secrets, and the references to them, in every namespace that a `ClusterPullSecret` selects.
#[derive(Clone, Debug, Parser)]
#[command(name = "pullsecrets", version)]
pub struct Args {
    /// The operator's own namespace. It holds the operator's saved state, and source Secrets that name no namespace.
    /// Default: the namespace of the pod, else pullsecrets-system.
    #[arg(long, env = "PULLSECRETS_NAMESPACE", value_parser = namespace)]
    namespace: Option<String>,

    /// Further namespaces in which the operator reads source Secrets, separated by commas.
    #[arg(long, env = "PULLSECRETS_SOURCE_NAMESPACES", value_delimiter = ',', value_parser = namespace)]
    pub source_namespaces: Vec<String>,

    /// The names that copies may have, separated by commas or spaces; at most 32. Set it where RBAC grants access only
    /// to Secrets of these names, as in `config/named`. Each name needs a watch and a connection of its own. Without
    /// it, copies may have any name, and RBAC must be that of `config/default`.
    #[arg(long, env = "PULLSECRETS_MANAGED_SECRET_NAMES", value_name = "NAME", value_delimiter = ',', num_args = 1..,
        value_parser = secret_name)]
    managed_secret_names: Vec<Arc<str>>,

    /// Address that serves /livez and /readyz.
    #[arg(long, env = "PULLSECRETS_HEALTH_BIND_ADDRESS", default_value = "0.0.0.0:8081")]
    pub health_bind_address: SocketAddr,

    /// Address that serves /metrics; 0 switches it off.
    #[arg(long, env = "PULLSECRETS_METRICS_BIND_ADDRESS", default_value = "0.0.0.0:8080")]
    pub metrics_bind_address: MetricsAddress,

    /// Maximum number of writes into namespaces in flight.
    #[arg(long, env = "PULLSECRETS_CONCURRENCY", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub concurrency: u16,

    /// Seconds between two full lists, in case a watch event was missed; 0 switches them off.
    #[arg(
        long,
        env = "PULLSECRETS_RELIST_INTERVAL",
        value_name = "SECONDS",
        default_value_t = 3600
    )]
    relist_interval: u32,

    /// Writes only while holding the Lease `pullsecrets`; other replicas keep their caches warm. Switch it off only
    /// where a second replica never runs.
    #[arg(long, env = "PULLSECRETS_LEADER_ELECT", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1,
        require_equals = true, default_missing_value = "true")]
    pub leader_elect: bool,

    /// Writes nothing but the Lease before the admission policies on the operator are proven to be in force, and adds
    /// and rotates no login when they no longer are. Proves them by dry runs that they must refuse. The installations
    /// of `config` set it.
    #[arg(long, env = "PULLSECRETS_REQUIRE_RESTRAINT", default_value_t = false, action = clap::ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub require_restraint: bool,

    /// What the names of those policies begin with, before `secrets`, `serviceaccounts`, `leases`, `objects` and,
    /// with `--recover-pods`, `pods`.
    #[arg(
        long,
        env = "PULLSECRETS_RESTRAINT_PREFIX",
        value_name = "PREFIX",
        default_value = "pullsecrets-operator-"
    )]
    pub restraint_prefix: String,

    /// Replaces Pods that wait for an image because they are older than the reference on their account. It needs the
    /// rights of `config/recovery`, which sets it.
    #[arg(long, env = "PULLSECRETS_RECOVER_PODS", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1,
        require_equals = true, default_missing_value = "true")]
    pub recover_pods: bool,

    /// A kubeconfig for use outside of a cluster. Default: the service account of the pod, else the variable
    /// KUBECONFIG.
    #[arg(long, env = "PULLSECRETS_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,

    /// Format of log lines. `RUST_LOG` sets what is logged.
    #[arg(long, env = "PULLSECRETS_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Where to serve metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsAddress {
    /// At this address.
    At(SocketAddr),
    /// Do not serve them.
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

/// Format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Most managed names. More would need too many connections, and too many scans of all Secrets at each start.
const MANAGED_NAMES: usize = 32;

/// Whether it is a DNS label, apart from its length.
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// Parses the name of a namespace. An empty text passes, because a variable that is set to it counts as absent.
fn namespace(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || (text.len() <= 63 && is_label(text)) {
        Ok(text.to_owned())
    } else {
        Err(
            "give names of namespaces: lower case letters, digits and '-', at most 63 characters, with a letter or digit at \
             both ends",
        )
    }
}

/// Parses the name of a Secret.
fn secret_name(text: &str) -> Result<Arc<str>, &'static str> {
    if text.starts_with(STATE_NAME_PREFIX) {
        Err("names that begin with pullsecrets-state- are reserved for the operator's own Secrets: give other names")
    } else if text.len() <= 253 && text.split('.').all(is_label) {
        Ok(text.into())
    } else {
        Err(
            "give names of Secrets, such as a,b: lower case letters, digits, '-' and '.', at most 253 characters, with a \
             letter or digit at both ends and around each '.'",
        )
    }
}

/// The file in which a pod finds the name of its namespace.
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

    /// A name for this process that no other live process has. The name of the pod is enough: a restarted container
    /// must not wait for the Lease of its predecessor.
    pub fn identity() -> String {
        Self::pod_name().unwrap_or_else(|| {
            let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "pullsecrets".to_owned());
            format!("{host}_{:032x}", rand::random::<u128>())
        })
    }

    /// The name of the operator's own Pod, if it runs in one.
    pub fn pod_name() -> Option<String> {
        std::env::var("POD_NAME").ok().filter(|name| !name.is_empty())
    }

    /// The names that copies may have; `None` allows any.
    pub fn managed_names(&self) -> anyhow::Result<Option<BTreeSet<Arc<str>>>> {
        let names: BTreeSet<Arc<str>> = self.managed_secret_names.iter().cloned().collect();
        ensure!(
            names.len() <= MANAGED_NAMES,
            "--managed-secret-names gives {} names: give at most {MANAGED_NAMES}, since each is a connection and a scan of \
             all Secrets; objects may share one by spec.secret.name where they select different namespaces",
            names.len()
        );
        Ok((!names.is_empty()).then_some(names))
    }

    /// The time between two full lists; `None` switches them off.
    pub fn relist_interval(&self) -> Option<Duration> {
        (self.relist_interval > 0).then(|| Duration::from_secs(self.relist_interval.into()))
    }

    /// The namespaces in which sources are read, except the operator's own.
    pub fn other_source_namespaces(&self) -> BTreeSet<String> {
        let own = self.own_namespace();
        self.source_namespaces
            .iter()
            .filter(|name| !name.is_empty() && **name != own)
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn managed(arguments: &[&str]) -> Result<Option<Vec<String>>, String> {
        let args = Args::try_parse_from([&["pullsecrets"], arguments].concat()).map_err(|error| error.to_string())?;
        let names = args.managed_names().map_err(|error| error.to_string())?;
        Ok(names.map(|names| names.iter().map(ToString::to_string).collect()))
    }

    /// Each name counts once.
    #[test]
    fn managed_names_split_at_commas_and_spaces() {
        let names = |names: &[&str]| Ok(Some(names.iter().map(|&name| name.to_owned()).collect()));
        assert_eq!(managed(&[]), Ok(None));
        assert_eq!(managed(&["--managed-secret-names=b,a.b-c,b"]), names(&["a.b-c", "b"]));
        assert_eq!(
            managed(&["--managed-secret-names", "b", "a", "--concurrency=1"]),
            names(&["a", "b"])
        );
        assert_eq!(
            managed(&["--managed-secret-names", &"a".repeat(253)]),
            names(&[&"a".repeat(253)])
        );
        let many = |count: usize| {
            (0..count)
                .map(|number| format!("n{number}"))
                .collect::<Vec<_>>()
                .join(",")
        };
        assert_eq!(
            managed(&["--managed-secret-names", &many(32)]).unwrap().unwrap().len(),
            32
        );
        let refused = managed(&["--managed-secret-names", &many(33)]).unwrap_err();
        assert!(
            refused.starts_with("--managed-secret-names gives 33 names: give at most 32"),
            "{refused}"
        );
    }

    #[test]
    fn bad_namespaces_are_refused_with_fix() {
        for flag in ["--namespace", "--source-namespaces"] {
            for bad in ["A B", "a_b", "-a", "a.b", " b", &"a".repeat(64)] {
                let refused = managed(&[&format!("{flag}={bad}")]).unwrap_err();
                assert!(refused.contains(&format!("'{bad}' for '{flag} <")), "{refused}");
                assert!(
                    refused.contains("give names of namespaces: lower case letters"),
                    "{refused}"
                );
            }
            assert_eq!(managed(&[&format!("{flag}=")]), Ok(None));
            assert_eq!(managed(&[&format!("{flag}=team-a")]), Ok(None));
        }
    }

    #[test]
    fn reserved_names_are_no_managed_names() {
        let refused = managed(&["--managed-secret-names=a,pullsecrets-state-b"]).unwrap_err();
        assert!(refused.contains("reserved for the operator's own Secrets"), "{refused}");
    }

    /// The error names flag, value and fix. A bad name never counts as none.
    #[test]
    fn bad_managed_names_are_refused_with_fix() {
        for bad in [
            "",
            "a,",
            ",a",
            "a, b",
            "A",
            "a_b",
            "-a",
            "a-",
            "a..b",
            ".a",
            "a/b",
            "*",
            "a\nb",
            &"a".repeat(254),
        ] {
            let refused = managed(&[&format!("--managed-secret-names={bad}")]).unwrap_err();
            let value = bad.split(',').find(|name| secret_name(name).is_err()).unwrap();
            assert!(
                refused.contains(&format!("'{value}' for '--managed-secret-names <NAME>...'")),
                "{refused}"
            );
            assert!(refused.contains("give names of Secrets, such as a,b"), "{refused}");
        }
        let refused = managed(&["--managed-secret-names"]).unwrap_err();
        assert!(
            refused.contains("a value is required for '--managed-secret-names <NAME>...'"),
            "{refused}"
        );
    }
}

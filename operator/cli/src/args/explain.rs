//! Arguments of `explain`.

use clap::Args;

use super::{Selection, TextFormat};

/// Arguments of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// KIND/NAME, or KIND and NAME: pod, deployment, statefulset, daemonset, replicaset, job, cronjob, serviceaccount,
    /// image.
    #[arg(required = true, num_args = 1..=2, value_name = "KIND NAME")]
    pub subject: Vec<String>,

    /// What to read.
    #[command(flatten)]
    pub selection: Selection,

    /// For an image: the `ServiceAccount` of the Pod that would pull it.
    #[arg(long = "serviceaccount", value_name = "[NAMESPACE/]NAME")]
    pub account: Option<String>,

    /// The format of the result. Without it: text.
    #[arg(long, short, value_enum)]
    pub output: Option<TextFormat>,
}

/// What to explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A Pod.
    Pod(String),
    /// What creates Pods: kind and name.
    Workload(&'static str, String),
    /// A `ServiceAccount`.
    Account(String),
    /// An image.
    Image(String),
}

/// Kinds with the names that kubectl knows for them.
const KINDS: [(&str, &[&str]); 6] = [
    (
        "Deployment",
        &["deployment", "deployments", "deploy", "deployment.apps"],
    ),
    (
        "StatefulSet",
        &["statefulset", "statefulsets", "sts", "statefulset.apps"],
    ),
    ("DaemonSet", &["daemonset", "daemonsets", "ds", "daemonset.apps"]),
    ("ReplicaSet", &["replicaset", "replicasets", "rs", "replicaset.apps"]),
    ("Job", &["job", "jobs", "job.batch"]),
    ("CronJob", &["cronjob", "cronjobs", "cj", "cronjob.batch"]),
];

impl ExplainArgs {
    /// Returns what to explain, or how to name it.
    pub fn subject(&self) -> Result<Subject, String> {
        let (kind, name) = match self.subject.as_slice() {
            [kind, name] => (kind.as_str(), name.as_str()),
            // An image may contain slashes.
            [both] => both.split_once('/').unwrap_or((both, "")),
            _ => ("", ""),
        };
        if name.is_empty() {
            return Err(format!(
                "give KIND/NAME, for example deployment/api: {kind:?} has no name"
            ));
        }
        let name = name.to_owned();
        match kind.to_lowercase().as_str() {
            "pod" | "pods" | "po" => Ok(Subject::Pod(name)),
            "serviceaccount" | "serviceaccounts" | "sa" => Ok(Subject::Account(name)),
            "image" => Ok(Subject::Image(name)),
            other => {
                let known = KINDS.iter().find(|(_, names)| names.contains(&other));
                let (kind, _) = known.ok_or_else(|| {
                    format!(
                        "{kind:?} is no kind that can be explained: give pod, deployment, statefulset, daemonset, \
                         replicaset, job, cronjob, serviceaccount or image"
                    )
                })?;
                Ok(Subject::Workload(kind, name))
            }
        }
    }
}

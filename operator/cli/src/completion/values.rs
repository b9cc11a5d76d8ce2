//! Values that only a kubeconfig or a cluster knows.

use super::candidates::{Candidate, Wanted};
use crate::args::Connection;
use crate::cluster::{Config, Identity, choose, connect};
use crate::world::Kind;

/// Kinds that `explain` knows.
const SUBJECTS: [&str; 9] = [
    "cronjob/",
    "daemonset/",
    "deployment/",
    "image/",
    "job/",
    "pod/",
    "replicaset/",
    "serviceaccount/",
    "statefulset/",
];

/// Returns the candidates for what is wanted. Each error gives no candidate.
pub async fn values(wanted: &Wanted) -> Vec<Candidate> {
    let found = match wanted.value_of.as_deref() {
        Some("contexts") => contexts(wanted),
        Some("named" | "excluded" | "namespaces") => names(wanted, Kind::Namespace, "").await,
        Some("name") => names(wanted, Kind::ClusterPullSecret, "").await,
        Some("login") => names(wanted, Kind::ClusterPullSecret, "cps/").await,
        Some("subject") => Some(SUBJECTS.iter().map(ToString::to_string).collect()),
        _ => None,
    };
    let mut found = found.unwrap_or_default();
    found.retain(|word| word.starts_with(&wanted.begun));
    found.sort();
    let candidate = |word: String| Candidate {
        word: format!("{}{word}", wanted.before),
        description: None,
    };
    found.into_iter().map(candidate).collect()
}

fn connection(wanted: &Wanted) -> Connection {
    let all = |name: &str| wanted.given.get(name).cloned().unwrap_or_default();
    let last = |name: &str| all(name).pop();
    Connection {
        kubeconfig: last("kubeconfig").map(Into::into),
        contexts: all("contexts"),
        all_contexts: false,
        as_user: last("as_user"),
        as_groups: all("as_groups"),
    }
}

fn contexts(wanted: &Wanted) -> Option<Vec<String>> {
    let config = Config::read(connection(wanted).kubeconfig.as_deref()).ok()?;
    let all = Connection {
        all_contexts: true,
        ..Connection::default()
    };
    choose(&config, &all).ok()
}

/// The names of all objects of a kind, in the first context that is meant. A plugin may not ask.
async fn names(wanted: &Wanted, kind: Kind, before: &str) -> Option<Vec<String>> {
    let connection = connection(wanted);
    let config = Config::read(connection.kubeconfig.as_deref()).ok()?;
    let context = choose(&config, &connection).ok()?.into_iter().next()?;
    let identity = Identity {
        user: connection.as_user.as_deref(),
        groups: &connection.as_groups,
        terminal: false,
    };
    let connected = connect(&config, &context, identity).await.ok()?;
    let names = connected.names(kind, None).await.ok()?;
    Some(names.into_iter().map(|(_, name)| format!("{before}{name}")).collect())
}

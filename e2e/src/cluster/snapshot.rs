//! Snapshots of the store, and their restoration.
//!
//! Snapshots bypass the API server and use etcd's JSON gateway. So a namespace disappears at once with its contents,
//! where the namespace controller takes seconds. Servers and controllers see it as any other change.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Cluster;
use crate::{client, loopback};

/// Prefix of all keys of the API server.
const BEGIN: &str = "/registry/";
/// The first key after them: `0` comes after `/`.
const END: &str = "/registry0";

/// Keys that servers renew by themselves.
const RENEWED: [&str; 2] = ["/registry/leases/kube-system/", "/registry/masterleases/"];

/// Kinds that a server compiles and caches (definitions, policies, webhooks, roles). The server may use the old ones
/// for seconds after a restoration, so a store with a change in one of them is not restored.
const COMPILED: [&str; 7] = [
    "/registry/apiextensions.k8s.io/",
    "/registry/apiregistration.k8s.io/",
    "/registry/clusterrole",
    "/registry/role",
    "/registry/mutating",
    "/registry/validating",
    "/registry/priorityclasses/",
];

/// Operations per transaction; etcd allows 128.
const AT_ONCE: usize = 100;

/// Checks until the restored store is stable, because a controller may still finish an earlier write.
const LOOKS: usize = 20;

/// Time between two checks.
const PAUSE: Duration = Duration::from_millis(100);

/// Keys and values in base64, as the gateway returns them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<String, String>);

impl Cluster {
    /// Returns the contents of the store once they are stable for a moment.
    ///
    /// # Errors
    ///
    /// When etcd does not answer, or the store keeps changing.
    pub async fn snapshot(&self) -> anyhow::Result<Snapshot> {
        let mut before = self.stored().await?;
        for _ in 0..LOOKS {
            tokio::time::sleep(PAUSE).await;
            let now = self.stored().await?;
            if now == before {
                return Ok(Snapshot(now));
            }
            before = now;
        }
        bail!("the store goes on changing");
    }

    /// Restores the `snapshot` and removes everything else. The audit log ([`Cluster::audit`]) and the operator's log
    /// start again. No operator may run.
    ///
    /// # Errors
    ///
    /// When a cached kind has changed, or etcd does not answer. Start another cluster then.
    pub async fn restore(&mut self, snapshot: &Snapshot) -> anyhow::Result<()> {
        let Snapshot(wanted) = snapshot;
        let mut unchanged = 0;
        for _ in 0..LOOKS {
            let changes = changes(&self.stored().await?, wanted)?;
            unchanged = if changes.is_empty() { unchanged + 1 } else { 0 };
            if unchanged == 2 {
                break;
            }
            for some in changes.chunks(AT_ONCE) {
                self.ask("/v3/kv/txn", &json!({ "success": some })).await?;
            }
            tokio::time::sleep(PAUSE / 2).await;
        }
        ensure!(unchanged == 2, "the store goes on changing");
        // The server answers a consistent list once it has seen the whole store.
        client::get(&self.admin().await?, "/api/v1/namespaces").await?;
        self.audit_start = self.audit().mark()?;
        match std::fs::remove_file(self.operator_log()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    async fn stored(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let all = json!({"key": STANDARD.encode(BEGIN), "range_end": STANDARD.encode(END)});
        let answer = self.ask("/v3/kv/range", &all).await?;
        let pairs = answer["kvs"].as_array().context("etcd gives no keys")?;
        let mut stored = BTreeMap::new();
        for pair in pairs {
            let text = |field: &str| pair[field].as_str().unwrap_or_default().to_owned();
            if !starts_with(&text("key"), &RENEWED)? {
                stored.insert(text("key"), text("value"));
            }
        }
        Ok(stored)
    }

    async fn ask(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (code, answer) = loopback::post(&self.ports.etcd_address(), path, &body.to_string()).await?;
        ensure!(code == 200, "etcd answers {code} to {path}");
        serde_json::from_str(&answer).context("etcd's answer")
    }
}

/// Returns the operations that lead from `now` to `wanted`.
fn changes(now: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> anyhow::Result<Vec<Value>> {
    let mut changes = Vec::new();
    for key in now.keys().filter(|key| !wanted.contains_key(*key)) {
        changes.push((key, json!({"requestDeleteRange": {"key": key}})));
    }
    for (key, value) in wanted.iter().filter(|(key, value)| now.get(*key) != Some(value)) {
        changes.push((key, json!({"requestPut": {"key": key, "value": value}})));
    }
    for (key, _) in &changes {
        ensure!(!starts_with(key, &COMPILED)?, "changed: {}", plain(key)?);
    }
    Ok(changes.into_iter().map(|(_, change)| change).collect())
}

fn starts_with(key: &str, prefixes: &[&str]) -> anyhow::Result<bool> {
    let key = plain(key)?;
    Ok(prefixes.iter().any(|prefix| key.starts_with(prefix)))
}

fn plain(key: &str) -> anyhow::Result<String> {
    Ok(String::from_utf8(STANDARD.decode(key)?)?)
}

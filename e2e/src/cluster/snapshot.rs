//! What the store held at one moment, and putting it back.
//!
//! The store is asked past the API server, by etcd's JSON gateway, so that a namespace goes at once with all that is in
//! it: the namespace controller takes seconds for each. Servers and controllers learn of it as of any other change.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Cluster;
use crate::{client, loopback};

/// Below it is all that the API server stores.
const BEGIN: &str = "/registry/";
/// The first key behind them: `0` comes after `/`.
const END: &str = "/registry0";

/// What servers renew by themselves.
const RENEWED: [&str; 2] = ["/registry/leases/kube-system/", "/registry/masterleases/"];

/// What a server compiles and keeps for a while (definitions, policies, webhooks, roles). It may act by the old ones for
/// seconds after they are back, so a store in which one of them has changed is not put back.
const COMPILED: [&str; 7] = [
    "/registry/apiextensions.k8s.io/",
    "/registry/apiregistration.k8s.io/",
    "/registry/clusterrole",
    "/registry/role",
    "/registry/mutating",
    "/registry/validating",
    "/registry/priorityclasses/",
];

/// Operations in one transaction; etcd takes 128.
const AT_ONCE: usize = 100;

/// Looks until the store is as it was: a controller may finish a write of a moment ago in between.
const LOOKS: usize = 20;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Keys and values, in base64 as the gateway has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<String, String>);

impl Cluster {
    /// What the store holds when it has held the same for a moment.
    ///
    /// # Errors
    ///
    /// When etcd does not answer, or the store goes on changing.
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

    /// Puts back what `snapshot` holds and removes all else; the audit log begins anew ([`Cluster::audit`]), and so does the
    /// operator's log. No operator may run.
    ///
    /// # Errors
    ///
    /// When something has changed that servers keep for a while, or etcd does not answer: start another cluster then.
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
        // A list that must be consistent is answered once the server has seen all of it.
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

/// The operations that lead from `now` to `wanted`.
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

//! Runs against an API server in memory, beside a writer for each tool and a stand-in for the operator.
//!
//! The whole history of the store is judged: no copy was ever absent, no uid and no list changed, and each state of a copy
//! held a login.

mod operator;
mod stories;
mod writers;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::single::Work;
use crate::adopt::tests::rows::Row;
use crate::adopt::tests::{OPERATOR, account, login, merge, namespaces, secret};
use crate::adopt::{Leftovers, Options, Plan, Verdict, undoable};
use crate::cluster::fake::{Actor, Fake, Key, key};
use crate::output::Bars;

const SERVER: &str = "r.example.com";
const PLACES: [&str; 3] = ["a", "b", "c"];

/// A cluster in which a tool has worked, after the step that must come first.
struct Story {
    row: Row,
    fake: Fake,
    /// The copies, and what they are copied from.
    copies: Vec<Value>,
}

impl Story {
    fn new(row: Row) -> Self {
        Self::with(row, None)
    }

    /// Another writer acts besides the tool.
    fn with(row: Row, other: Option<Actor>) -> Self {
        let mut config = login(SERVER, "robot");
        if let Some(email) = row.email {
            config["auths"][SERVER]["email"] = email.into();
        }
        let mut copies: Vec<Value> = PLACES
            .iter()
            .map(|namespace| secret(namespace, row.secret, &(row.copy)(namespace), &config))
            .collect();
        copies.extend(
            row.source
                .map(|source| secret("default", row.secret, &source(), &config)),
        );
        // The step that came first ended the push.
        for copy in &mut copies {
            let patch = json!({"metadata": {"annotations": {"replicator.v1.mittwald.de/replicate-to": null}}});
            if copy["metadata"]["annotations"].is_object() {
                merge(copy, &patch);
            }
        }
        let mut objects = namespaces(&["a", "b", "c", "default", "kube-system", OPERATOR, "without"]);
        objects.extend(PLACES.map(|namespace| account(namespace, "default", &["first", row.secret, "last"])));
        objects.push(secret(OPERATOR, "lasting", &json!({}), &login(SERVER, "lasting")));
        objects.extend(row.stopped.iter().cloned());
        objects.extend(copies.iter().cloned());
        let mut actors = vec![operator::stand_in()];
        actors.extend(writers::of(&row, &copies[0]));
        actors.extend(other);
        Self {
            fake: Fake::new(&objects, actors),
            row,
            copies,
        }
    }

    fn with_options<T>(&self, work: impl FnOnce(Options<'_>) -> T) -> T {
        let from = [format!("name={}", self.row.secret)];
        work(Options {
            from: &from,
            align: false,
            source: self.row.short_lived.then_some("lasting"),
            operator_namespace: OPERATOR,
            selects: &|_| true,
        })
    }

    /// One run of `adopt --apply`, or of `--undo`. The error says what stopped it.
    async fn run(&self, undo: bool, dry_run: bool) -> Result<Vec<String>, String> {
        let connected = self.fake.connected();
        let bar = Bars::new(false, &[]).add("fake");
        let from = [format!("name={}", self.row.secret)];
        let run = Work {
            connected: &connected,
            key: [7; 16],
            dry_run,
            options: Options {
                from: &from,
                align: false,
                source: self.row.short_lived.then_some("lasting"),
                operator_namespace: OPERATOR,
                selects: &|_| true,
            },
            bar: &bar,
            quiet: true,
        };
        let mut seen = super::read(&connected, [7; 16], &bar)
            .await
            .map_err(|failure| failure.to_string())?;
        assert!(seen.is_complete(), "{:?}", seen.unread);
        let mut written = Vec::new();
        if undo {
            for undo in undoable(&seen, &run.options) {
                run.undo(&seen, &undo, &mut written).await?;
            }
            return Ok(written);
        }
        for (group, proposal) in Plan::of(&seen, &run.options).groups {
            match (group.verdict, proposal) {
                (Verdict::Adopt, Some(proposal)) => run.group(&mut seen, proposal, &mut written).await?,
                (Verdict::Adopted, _) => {}
                _ => return Err(format!("{group:#?}")),
            }
        }
        Ok(written)
    }

    /// What a new run would plan.
    async fn planned(&self) -> Verdict {
        let connected = self.fake.connected();
        let bar = Bars::new(false, &[]).add("fake");
        let seen: Leftovers = super::read(&connected, [7; 16], &bar).await.expect("a snapshot");
        let plan = self.with_options(|options| Plan::of(&seen, &options));
        assert_eq!(plan.groups.len(), 1, "{:#?}", plan.groups);
        plan.groups[0].0.verdict
    }

    /// Judges every state that the store ever had.
    fn judge_history(&self) {
        let copies: Vec<Key> = self.copies.iter().map(key).collect();
        self.fake.with(|store| {
            for (at, after) in &store.history {
                let Some(copy) = copies.iter().position(|copy| copy == at) else {
                    continue;
                };
                let after = after.as_ref().unwrap_or_else(|| panic!("{at:?} was deleted"));
                assert_eq!(after["metadata"]["uid"], self.copies[copy]["metadata"]["uid"], "{at:?}");
                assert!(has_login(after), "{at:?} held no login");
            }
            for (at, after) in &store.history {
                if at.1 == "serviceaccounts" && PLACES.contains(&at.2.as_str()) {
                    let list = &after.as_ref().expect("the account")["imagePullSecrets"];
                    let expected = json!([{"name": "first"}, {"name": self.row.secret}, {"name": "last"}]);
                    // Before the tool came, the list was empty.
                    assert!(*list == expected || *list == json!([]), "{at:?}: {list}");
                }
            }
        });
    }

    fn object(&self) -> Option<Value> {
        let objects = self.fake.with(|store| store.all("clusterpullsecrets"));
        objects
            .into_iter()
            .find(|object| object["apiVersion"] == "pullsecrets.dev/v1alpha1")
    }

    fn copies_now(&self) -> Vec<Value> {
        let keys = self.copies.iter().map(key);
        keys.map(|key| self.fake.with(|store| store.get(&key).cloned()).expect("the copy"))
            .collect()
    }

    fn attached(&self) -> Vec<Value> {
        PLACES
            .iter()
            .map(|namespace| {
                let key = key(&account(namespace, "default", &[]));
                let account = self.fake.with(|store| store.get(&key).cloned()).expect("the account");
                account["metadata"]["annotations"]["pullsecrets.dev/attached"].clone()
            })
            .collect()
    }
}

/// Whether a kubelet would find a login for the server.
fn has_login(secret: &Value) -> bool {
    let data = secret["data"][".dockerconfigjson"].as_str().unwrap_or_default();
    let decoded = STANDARD.decode(data).unwrap_or_default();
    let config: Value = serde_json::from_slice(&decoded).unwrap_or_default();
    config["auths"][SERVER]["password"].is_string()
}

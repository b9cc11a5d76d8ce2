//! Waits and observations of a scenario.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{SERVER, SOON, Scenario};
use crate::OPERATOR_USER;
use crate::audit::{Mark, Record};
use crate::oracle::{self, Allowed, Expected, Foreign, Login, Made, Needles};
use crate::wait::eventually;

/// One condition of an object's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The reason, in one word.
    pub reason: String,
    /// For people.
    pub message: String,
}

impl Scenario {
    /// Returns the expected effect of the scenario's object in these namespaces, on their `default` accounts.
    pub fn expected(&self, parts: &[&str], login: &Login) -> Expected {
        let accounts = BTreeSet::from(["default".to_owned()]);
        Expected {
            object: self.name.clone(),
            secret: self.name.clone(),
            logins: BTreeMap::from([(SERVER.to_owned(), login.clone())]),
            holders: self
                .in_scenario(parts)
                .into_iter()
                .map(|namespace| (namespace, accounts.clone()))
                .collect(),
        }
    }

    /// The usual setup: creates namespaces, a source and the object, and waits until the object is served and its status
    /// says so. An account that comes late changes the status once more, so this waits for the accounts' count too.
    pub async fn set_up(&self, parts: &[&str], login: &Login) {
        self.namespaces(parts).await;
        self.source(login).await;
        self.apply(&self.object()).await;
        self.holds("the object is carried out", &self.expected(parts, login))
            .await;
        self.counts(parts.len()).await;
        self.counts_accounts(parts.len()).await;
    }

    /// Waits until the store is as expected.
    pub async fn holds(&self, what: &str, expected: &Expected) {
        eventually(what, SOON, async || {
            oracle::check_allowing(&self.client, expected, &self.allowed()).await
        })
        .await;
    }

    /// Waits until the scenario's object has left no trace.
    pub async fn gone(&self, what: &str) {
        eventually(what, SOON, async || self.check_gone().await).await;
    }

    /// Checks that the scenario's object has left no trace, and none of its logins in any Secret.
    ///
    /// # Errors
    ///
    /// The trace.
    pub async fn check_gone(&self) -> Result<(), String> {
        let needles = Needles::of([&self.login("any")]);
        oracle::check_gone(&self.client, &self.name, &self.name, &needles, &self.allowed()).await
    }

    /// Returns the Secrets that may hold a login besides the expected copies.
    fn allowed(&self) -> Allowed {
        Allowed {
            made: Made::Recorded(self.cluster().audit()),
            declared: Some(self.running.witness.declared()),
        }
    }

    /// Returns the current state of the other parties' objects in these namespaces.
    pub async fn foreign(&self, parts: &[&str]) -> Foreign {
        let namespaces = self.in_scenario(parts);
        let foreign = Foreign::in_namespaces(&self.client, &namespaces, &[&self.name]).await;
        foreign.expect("the store can be read")
    }

    /// Returns the uid of the copy in each namespace.
    pub async fn uids(&self) -> BTreeMap<String, String> {
        oracle::uids(&self.client, &self.name)
            .await
            .expect("the store can be read")
    }

    /// Returns the object as it is now.
    pub async fn current(&self) -> Value {
        let object = oracle::object(&self.client, &self.name)
            .await
            .expect("the store can be read");
        serde_json::to_value(object.expect("the object exists")).expect("an object is JSON")
    }

    /// Returns a condition of the object, if it is present and describes the current generation.
    pub async fn condition(&self, kind: &str) -> Option<Condition> {
        let object = self.current().await;
        if object["status"]["observedGeneration"] != object["metadata"]["generation"] {
            return None;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let conditions = object["status"]["conditions"].as_array()?;
        let condition = conditions.iter().find(|condition| condition["type"] == kind)?;
        Some(Condition {
            status: text(&condition["status"]),
            reason: text(&condition["reason"]),
            message: text(&condition["message"]),
        })
    }

    /// Waits until a condition has this status and this reason, and returns its message.
    pub async fn says(&self, kind: &str, status: &str, reason: &str) -> String {
        let what = format!("{} says {kind}={status} {reason}", self.name);
        let right = |seen: &Condition| seen.status == status && seen.reason == reason;
        self.condition_that(&what, kind, right).await.message
    }

    /// Waits until a condition has this status, with any reason.
    pub async fn reaches(&self, kind: &str, status: &str) -> Condition {
        let what = format!("{} says {kind}={status}", self.name);
        self.condition_that(&what, kind, |seen| seen.status == status).await
    }

    async fn condition_that(&self, what: &str, kind: &str, right: impl Fn(&Condition) -> bool) -> Condition {
        eventually(what, SOON, async || match self.condition(kind).await {
            Some(seen) if right(&seen) => Ok(seen),
            seen => Err(format!("{seen:?}")),
        })
        .await
    }

    /// Waits until the status counts this many namespaces, all of them ready.
    pub async fn counts(&self, namespaces: usize) {
        self.counts_of("namespaces", namespaces).await;
    }

    /// Waits until the status counts this many service accounts, all of them ready.
    pub async fn counts_accounts(&self, accounts: usize) {
        self.counts_of("serviceAccounts", accounts).await;
    }

    async fn counts_of(&self, kind: &str, number: usize) {
        let what = format!("{} counts {number} {kind}", self.name);
        eventually(&what, SOON, async || {
            let seen = self.current().await["status"][kind].clone();
            let right = seen["selected"] == number && seen["ready"] == number && seen["failed"] == 0;
            if right { Ok(()) } else { Err(seen.to_string()) }
        })
        .await;
    }

    /// Returns the position in the audit log after everything that was answered by now.
    pub async fn mark(&self) -> Mark {
        let audit = self.cluster().audit();
        audit.settle(&self.client).await.expect("the audit log catches up");
        audit.mark().expect("the audit log is there")
    }

    /// Returns the operator's writes since `mark` to this scenario's namespaces, or to its object.
    pub async fn writes_since(&self, mark: Mark) -> Vec<Record> {
        let audit = self.cluster().audit();
        audit.settle(&self.client).await.expect("the audit log catches up");
        let writes = audit
            .writes_since(mark, OPERATOR_USER)
            .expect("the audit log can be read");
        let prefix = format!("{}-", self.name);
        let ours = |record: &Record| record.namespace.starts_with(&prefix) || record.name == self.name;
        writes.objects.into_iter().filter(ours).collect()
    }
}

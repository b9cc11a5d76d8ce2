//! Expected effects, each with a time limit.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::OPERATOR_USER;
use e2e::audit::Record;
use e2e::oracle::{self, Expected, Login};
use e2e::scenario::SOON;
use e2e::wait::eventually;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::Api;
use serde_json::Value;

use super::Env;

/// The garbage collector learns of new kinds every half a minute, and an object that is deleted in the foreground waits
/// for it.
const PATIENCE: Duration = Duration::from_secs(90);

impl Env {
    pub(crate) fn expected(&self, parts: &[&str], login: &Login) -> Expected {
        self.scenario().expected(parts, login)
    }

    /// Returns the expected effect in these namespaces, on other accounts than `default`.
    pub(crate) fn expected_on(&self, parts: &[&str], accounts: &[&str]) -> Expected {
        let mut expected = self.expected(parts, &self.first());
        let names: BTreeSet<String> = accounts.iter().map(|&name| name.to_owned()).collect();
        expected.holders.values_mut().for_each(|held| held.clone_from(&names));
        expected
    }

    /// Waits until the object is served in exactly these namespaces.
    pub(crate) async fn holds(&self, parts: &[&str]) {
        self.holds_with(parts, &self.first()).await;
    }

    pub(crate) async fn holds_with(&self, parts: &[&str], login: &Login) {
        self.comes_true(&self.expected(parts, login)).await;
    }

    pub(crate) async fn comes_true(&self, expected: &Expected) {
        self.scenario().holds("the effect comes", expected).await;
    }

    /// As [`comes_true`](Self::comes_true), for copies with other owners than their object.
    pub(crate) async fn copies_hold(&self, expected: &Expected, owners: &[&str]) {
        let client = self.scenario().client();
        eventually("the effect comes", SOON, async || {
            oracle::check_copies(client, expected, owners).await?;
            oracle::check_references(client, expected).await
        })
        .await;
    }

    /// Waits until the copies are right, with any references.
    pub(crate) async fn copies_are_in(&self, parts: &[&str]) {
        let (client, expected) = (self.scenario().client(), self.expected(parts, &self.first()));
        eventually("copies are right", SOON, async || {
            oracle::check_copies(client, &expected, &[self.name()]).await
        })
        .await;
    }

    /// Waits until a retaining object is served in the `live` namespaces, and its copies and references in the `kept`
    /// ones still work.
    pub(crate) async fn retained(&self, live: &[&str], kept: &[&str]) {
        let client = self.scenario().client();
        let both: Vec<&str> = live.iter().chain(kept).copied().collect();
        let [live, kept, both] = [live, kept, &both].map(|parts| self.expected(parts, &self.first()));
        eventually("copies and references stay", PATIENCE, async || {
            if live.holders.is_empty() {
                self.no_object_nor_copy().await?;
            } else {
                oracle::check_copies(client, &live, &[]).await?;
            }
            oracle::check_retained(client, &kept).await?;
            oracle::check_references(client, &both).await
        })
        .await;
    }

    /// Checks that neither the object nor a copy of it exists. An object that selects no namespace counts too.
    async fn no_object_nor_copy(&self) -> Result<(), String> {
        let client = self.scenario().client();
        let object = oracle::object(client, self.name()).await?;
        if object.is_some_and(|object| object.metadata.deletion_timestamp.is_some()) {
            return Err("the object is still there".to_owned());
        }
        let copies = oracle::uids(client, self.name()).await?;
        if copies.is_empty() {
            Ok(())
        } else {
            Err(format!("still marked as copies: {:?}", copies.keys()))
        }
    }

    /// Waits until the object has left no trace.
    pub(crate) async fn gone(&self) {
        eventually("the object has left no trace", PATIENCE, async || {
            self.scenario().check_gone().await
        })
        .await;
    }

    /// Waits until the object itself is gone.
    pub(crate) async fn object_is_gone(&self) {
        eventually("the object goes", PATIENCE, async || {
            let object = oracle::object(self.scenario().client(), self.name()).await?;
            object.map_or(Ok(()), |_| Err("it is still there".to_owned()))
        })
        .await;
    }

    /// Waits until the garbage collector has removed the object's dependents.
    pub(crate) async fn garbage_is_collected(&self, part: &str) {
        let api: Api<ConfigMap> = Api::namespaced(self.scenario().client().clone(), &self.namespace(part));
        eventually("garbage is collected", PATIENCE, async || {
            let left = api.get_opt("garbage").await.map_err(|error| error.to_string())?;
            left.map_or(Ok(()), |_| Err("it is still there".to_owned()))
        })
        .await;
    }

    /// Waits until a namespace and its contents are terminating.
    pub(crate) async fn is_going(&self, part: &str) {
        eventually("everything in the namespace is being deleted", SOON, async || {
            let secret = self
                .secrets(part)
                .get(self.name())
                .await
                .map_err(|error| error.to_string())?;
            let account = self
                .accounts(part)
                .get("default")
                .await
                .map_err(|error| error.to_string())?;
            let both = secret.metadata.deletion_timestamp.is_some() && account.metadata.deletion_timestamp.is_some();
            if both { Ok(()) } else { Err("not yet".to_owned()) }
        })
        .await;
    }

    /// Returns the operator's writes into a namespace since the event.
    pub(crate) async fn writes_into(&self, part: &str) -> Vec<Record> {
        let (audit, namespace, began) = (self.scenario().cluster().audit(), self.namespace(part), self.began());
        audit.settle(self.scenario().client()).await.unwrap();
        let all = audit.writes_since(self.opened(), OPERATOR_USER).unwrap().objects;
        all.into_iter()
            .filter(|write| write.namespace == namespace && Some(write.timestamp) >= began)
            .collect()
    }

    /// Checks that the copies in these namespaces are the same objects as before the event.
    pub(crate) async fn same_copies(&self, parts: &[&str]) {
        for part in parts {
            let now = self.secret(part).await.metadata.uid;
            assert_eq!(now, self.uid_before(part), "the copy in {part} is another one");
        }
    }

    /// As [`same_copies`](Self::same_copies), if the state before is known.
    pub(crate) async fn same_copies_if_known(&self, parts: &[&str]) {
        if self.began().is_some() {
            self.same_copies(parts).await;
        }
    }

    /// Checks that the copy in this namespace is a new object.
    pub(crate) async fn another_copy(&self, part: &str) {
        let now = self.secret(part).await.metadata.uid;
        assert_ne!(now, self.uid_before(part), "the copy in {part} is the one of before");
    }

    /// Waits until exactly this namespace is reported as in conflict.
    pub(crate) async fn conflict_in(&self, part: &str, names: &str) {
        self.conflict_of(self.name(), part, names).await;
    }

    /// As [`conflict_in`](Self::conflict_in), for another object.
    pub(crate) async fn conflict_of(&self, object: &str, part: &str, names: &str) {
        let namespace = self.namespace(part);
        eventually(&format!("{object} tells of the conflict"), SOON, async || {
            let failures = self.status(object).await["failures"].clone();
            let [failure] = failures.as_array().map_or(&[][..], Vec::as_slice) else {
                return Err(failures.to_string());
            };
            let told = failure["message"].as_str().unwrap_or_default().contains(names);
            if failure["namespace"] == namespace && failure["reason"] == "SecretConflict" && told {
                Ok(())
            } else {
                Err(failures.to_string())
            }
        })
        .await;
    }

    /// Checks that no status of the environment's objects was false at any time.
    pub(crate) fn has_no_violation(&self) -> Result<(), String> {
        self.scenario().violations().pop().map_or(Ok(()), Err)
    }

    /// Returns the current status of an object.
    pub(crate) async fn status(&self, object: &str) -> Value {
        let object = oracle::object(self.scenario().client(), object).await.unwrap().unwrap();
        object.data["status"].clone()
    }

    /// Waits for these counts of selected and ready namespaces.
    pub(crate) async fn tells(&self, selected: usize, ready: usize) {
        eventually("the status tells what is seen", SOON, async || {
            let seen = self.status(self.name()).await["namespaces"].clone();
            let right = seen["selected"] == selected && seen["ready"] == ready;
            if right { Ok(()) } else { Err(seen.to_string()) }
        })
        .await;
    }

    /// Waits for these counts of selected and ready accounts.
    pub(crate) async fn tells_accounts(&self, selected: usize, ready: usize) {
        eventually("the status tells what is seen", SOON, async || {
            let seen = self.status(self.name()).await["serviceAccounts"].clone();
            let right = seen["selected"] == selected && seen["ready"] == ready;
            if right { Ok(()) } else { Err(seen.to_string()) }
        })
        .await;
    }

    /// Waits for a condition of an account; `what` describes it in errors.
    pub(crate) async fn account_becomes(&self, part: &str, name: &str, right: impl Fn(&Entries) -> bool) {
        let what = format!("the account {part}/{name} becomes right");
        eventually(&what, SOON, async || {
            let account = self.accounts(part).get(name).await.map_err(|error| error.to_string())?;
            let seen = Entries::of(account);
            if right(&seen) { Ok(()) } else { Err(format!("{seen:?}")) }
        })
        .await;
    }
}

/// References of an account, and their record.
#[derive(Debug)]
pub(crate) struct Entries {
    pub(crate) names: Vec<String>,
    pub(crate) recorded: Option<String>,
}

impl Entries {
    pub(crate) fn of(account: ServiceAccount) -> Self {
        let entries = account.image_pull_secrets.unwrap_or_default();
        let mut annotations = account.metadata.annotations.unwrap_or_default();
        Self {
            names: entries.into_iter().map(|entry| entry.name).collect(),
            recorded: annotations.remove(oracle::ATTACHED),
        }
    }

    /// Returns whether the references are exactly these, in this order.
    pub(crate) fn are(&self, names: &[&str]) -> bool {
        self.names == names
    }
}

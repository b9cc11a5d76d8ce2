//! Evaluates the keys that a change affects, before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use plan::action::{AccountAction, SecretAction};
use plan::decision::{Decision, Failure};
use plan::observed::Account;
use plan::ownership::presumed_gone;
use plan::scope::{Cluster, Scope};
use plan::{secret, service_account};

use super::Reconciler;
use super::evaluation::{Evaluation, WriteKind, evaluation};
use crate::work::{Key, Target, Work, Write};

/// What caused an evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Trigger<'a> {
    /// An event of the cluster.
    Watched,
    /// The reply to our own write of this key, or to an attempt.
    Replied { made: Option<(&'a Key, &'a Write)> },
    /// A change of an object; `spec_changed` if it has a new edition.
    Declared { spec_changed: bool },
}

/// What a change may affect.
pub(super) enum Affected<'a> {
    /// The whole namespace.
    Whole,
    /// The Secret of this name.
    Secret(&'a Arc<str>),
    /// The Secret of this name, and accounts that refer to it or record it.
    Referred(&'a Arc<str>),
    /// The Secret of this name, and all accounts, including those that should refer to it.
    Offered(&'a Arc<str>),
    /// The account of this name, and copies that wait for its references to go. Those are the copies that it records
    /// now, and the given ones, which it recorded before or after the change.
    Account(&'a Arc<str>, &'a [Arc<str>]),
}

impl<'a> Affected<'a> {
    pub(super) fn of(key: &'a Key) -> Self {
        match &key.target {
            Target::Secret(name) => Self::Secret(name),
            Target::Account(name) => Self::Account(name, &[]),
        }
    }
}

impl Reconciler {
    /// The write that the key needs now.
    pub fn write(&self, key: &Key, now: Duration) -> Option<Write> {
        let scope = self.scope(&self.cluster, &key.namespace)?;
        match &key.target {
            Target::Secret(name) => {
                let action = self.decide_secret(&scope, key, name, now).action?;
                let name = Arc::clone(name);
                Some(Write::Secret { name, action })
            }
            Target::Account(name) => {
                let seen = scope.seen.accounts.get(name.as_ref())?;
                let unverified = self.unverified(&scope, &key.namespace, now);
                let action = self.decide_account(&scope, key, name, seen, &unverified).action?;
                let name = Arc::clone(name);
                Some(Write::Account { name, action })
            }
        }
    }

    /// Returns the objects that the write takes for deleted, although no event showed that. The server must confirm it
    /// first.
    pub fn presumed_gone(&self, key: &Key, write: &Write) -> Vec<Arc<str>> {
        let Some(scope) = self.scope(&self.cluster, &key.namespace) else {
            return Vec::new();
        };
        let secrets: Vec<&str> = match write {
            Write::Secret { name, .. } => vec![name],
            Write::Account { name, action } => {
                let seen = scope.seen.accounts.get(name.as_ref());
                let recorded = seen.into_iter().flat_map(|seen| seen.attached.iter());
                let gone = recorded.filter(|name| !action.attached.contains(name));
                gone.map(AsRef::as_ref).collect()
            }
        };
        let gone = secrets.into_iter().filter_map(|name| presumed_gone(&scope, name));
        gone.map(Into::into).collect()
    }

    /// Whether a partly cached account must be read before a write that it may need.
    pub(super) fn is_to_be_read_first(&self, key: &Key, name: &str) -> bool {
        let Some(scope) = self.scope(&self.cluster, &key.namespace) else {
            return false;
        };
        let seen = scope.seen.accounts.get(name).filter(|seen| seen.hidden.is_some());
        seen.is_some_and(|seen| self.decide_account(&scope, key, name, seen, &[]).read_first)
    }

    /// Makes a change, and derives counts and work from its effect.
    pub(super) fn change(
        &mut self,
        namespace: &Arc<str>,
        affected: &Affected<'_>,
        trigger: Trigger<'_>,
        now: Duration,
        change: impl FnOnce(&mut Self),
    ) -> Vec<Work> {
        if !self.started {
            change(self);
            return Vec::new();
        }
        let before = self.evaluate(&self.cluster, namespace, affected, now);
        change(self);
        let after = self.evaluate(&self.cluster, namespace, affected, now);
        if self
            .places
            .get(namespace)
            .is_some_and(|place| !place.known && is_empty(&place.facts))
        {
            self.places.remove(namespace);
        }
        self.apply_diff(before, after, trigger, now)
    }

    pub(super) fn evaluate(
        &self,
        cluster: &Cluster,
        namespace: &Arc<str>,
        affected: &Affected<'_>,
        now: Duration,
    ) -> BTreeMap<Key, Evaluation> {
        let mut found = BTreeMap::new();
        let Some(scope) = self.scope(cluster, namespace) else {
            return found;
        };
        let secrets: BTreeSet<&Arc<str>> = match affected {
            Affected::Secret(name) | Affected::Referred(name) | Affected::Offered(name) => BTreeSet::from([*name]),
            // Removing the last reference allows removal of the copy.
            Affected::Account(..) if !self.pending.has_removals() => BTreeSet::new(),
            Affected::Account(name, records) => {
                let cached = scope.seen.accounts.get(name.as_ref());
                let records = cached
                    .into_iter()
                    .flat_map(|cached| cached.attached.iter())
                    .chain(*records);
                let leaves = |name: &&Arc<str>| self.pending.removal_since(&Key::secret(namespace, name)).is_some();
                records.filter(leaves).collect()
            }
            Affected::Whole => {
                let mut names = scope.secret_names();
                names.extend(self.names_out_of_sight(namespace));
                // Their report outlasts the Secret, and goes with the namespace.
                names.extend(self.pending.contended_removals(namespace));
                names
            }
        };
        for name in secrets {
            let key = Key::secret(namespace, name);
            let evaluation = self.evaluate_secret(&scope, &key, name, now);
            found.insert(key, evaluation);
        }
        let all = scope.seen.accounts.iter();
        let accounts: Vec<(&Arc<str>, &Account)> = match affected {
            Affected::Secret(_) => Vec::new(),
            Affected::Referred(name) => all.filter(|(_, seen)| refers(seen, name)).collect(),
            Affected::Account(name, _) => {
                let seen = scope.seen.accounts.get(name.as_ref());
                seen.map(|seen| (*name, seen)).into_iter().collect()
            }
            Affected::Whole | Affected::Offered(_) => all.collect(),
        };
        if accounts.is_empty() {
            return found;
        }
        let unverified = self.unverified(&scope, namespace, now);
        for (name, seen) in accounts {
            let key = Key::account(namespace, name);
            let decision = self.decide_account(&scope, &key, name, seen, &unverified);
            let write = match &decision.action {
                Some(action) => Some(WriteKind::of_account(action, seen)),
                None => decision.read_first.then_some(WriteKind::Patch),
            };
            let evaluation = self.with_contention(&key, evaluation(decision, write));
            found.insert(key, evaluation);
        }
        found
    }

    fn evaluate_secret<'a>(&self, scope: &Scope<'a>, key: &Key, name: &'a str, now: Duration) -> Evaluation {
        let decision = self.decide_secret(scope, key, name, now);
        let write = decision.action.as_ref().map(WriteKind::of);
        let evaluation = self.with_sight(scope, key, evaluation(decision, write));
        self.with_contention(key, evaluation)
    }

    fn decide_secret<'a>(
        &self,
        scope: &Scope<'a>,
        key: &Key,
        name: &'a str,
        now: Duration,
    ) -> Decision<'a, SecretAction> {
        let pending_for = self
            .pending
            .removal_since(key)
            .map_or(Duration::ZERO, |since| now.saturating_sub(since));
        secret::decide(
            scope,
            name,
            secret::Context {
                last_error: self.failure(key),
                contention: self.contended(key),
                removal_pending_for: pending_for,
            },
        )
    }

    fn decide_account<'a>(
        &self,
        scope: &Scope<'a>,
        key: &Key,
        name: &str,
        seen: &Account,
        unverified: &[Arc<str>],
    ) -> Decision<'a, AccountAction> {
        let unread = |name: &&Arc<str>| self.may_be_retained(scope, &key.namespace, name);
        let unread: Vec<Arc<str>> = seen.attached.iter().filter(unread).cloned().collect();
        service_account::decide(
            scope,
            name,
            seen,
            service_account::Context {
                last_error: self.failure(key),
                contention: self.contended(key),
                unverified,
                lost_records: self.lost.get(key).map_or(&[], Vec::as_slice),
                unread: &unread,
            },
        )
    }

    /// Names of Secrets to create for the first time since the start. The answer to that create shows whether a
    /// squatter has the name.
    fn unverified(&self, scope: &Scope<'_>, namespace: &Arc<str>, now: Duration) -> Vec<Arc<str>> {
        if !self.pending.has_unverified() {
            return Vec::new();
        }
        let creates = |name: &&Arc<str>| {
            let key = Key::secret(namespace, name);
            self.pending.is_unverified(&key)
                && matches!(
                    self.decide_secret(scope, &key, name, now).action,
                    Some(SecretAction::Create(_))
                )
        };
        scope.secret_names().into_iter().filter(creates).cloned().collect()
    }

    /// The Secrets of a namespace that are missing at the start.
    pub(super) fn missing(&self, namespace: &Arc<str>, now: Duration) -> Vec<Key> {
        let evaluation = self.evaluate(&self.cluster, namespace, &Affected::Whole, now);
        let created =
            |(key, evaluation): (Key, Evaluation)| (evaluation.write == Some(WriteKind::Create)).then_some(key);
        evaluation.into_iter().filter_map(created).collect()
    }

    fn failure(&self, key: &Key) -> Option<&Failure> {
        self.pending.retry(key).and_then(|retry| retry.failure.as_ref())
    }
}

/// Whether the account has or records this reference, so that its place depends on the Secret.
fn refers(account: &Account, name: &Arc<str>) -> bool {
    account.may_record(name) || account.entries.iter().any(|entry| entry.name() == name.as_ref())
}

/// Whether the cache of a namespace is empty.
fn is_empty(facts: &plan::observed::Namespace) -> bool {
    facts.secrets.is_empty() && facts.accounts.is_empty()
}

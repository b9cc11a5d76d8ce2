//! Carries a plan out, in an order in which no moment passes without a copy.
//!
//! The object starts suspended. Marks of the other tool go first, one patch for each Secret. Then the operator takes the
//! Secrets over. Only then is an entry recorded as one of the operator, since it removes recorded entries only. Each step
//! finds out what an earlier run did, so a run may end anywhere.

use std::collections::{BTreeMap, BTreeSet};

use crd::names::LABEL_OBJECT;
use crd::{ClusterPullSecret, ConditionStatus, ConditionType, ConflictPolicy};
use serde_json::json;

use super::now;
use super::single::{Place, Work};
use crate::adopt::{Leftovers, Member, Plan, Proposal, State, Tool, Verdict, write};
use crate::cluster::Failure;
use crate::status::{is_observed, is_ready};
use crate::world::Kind;

/// After how many Secrets the tool is looked for again.
const LOOKS_AFTER: usize = 20;

impl Work<'_> {
    /// Carries out one group. `written` gets a line for each write. The error says what stopped it.
    pub(super) async fn group(
        &self,
        seen: &mut Leftovers,
        mut proposal: Proposal,
        written: &mut Vec<String>,
    ) -> Result<(), String> {
        let name = proposal.object.metadata.name.clone().unwrap_or_default();
        self.source(seen, &proposal, written).await?;
        let is_open = |member: &Member| member.state() != State::Adopted;
        if proposal.members.iter().any(is_open) {
            self.suspended(&name, &proposal, written).await?;
            self.seen_by_operator(&name).await?;
            proposal = self.checked_again(seen, proposal).await?;
        }
        self.strip(seen, &proposal.members, written).await?;
        if self.dry_run {
            return self.record(&proposal, written).await;
        }
        self.spec(&name, "resumed", written, |object| {
            object.spec.suspend.then(|| json!({"suspend": false}))
        })
        .await?;
        self.taken_over(&name, &proposal.members).await?;
        self.record(&proposal, written).await?;
        self.spec(&name, "set conflictPolicy Fail on", written, |object| {
            let adopts = object.spec.secret.conflict_policy == ConflictPolicy::Adopt;
            adopts.then(|| json!({"secret": {"conflictPolicy": "Fail"}}))
        })
        .await?;
        self.ready(&name).await
    }

    /// Copies the login inside the cluster, unless the source exists.
    async fn source(&self, seen: &Leftovers, proposal: &Proposal, written: &mut Vec<String>) -> Result<(), String> {
        let source = &proposal.source;
        let Some((namespace, name)) = &source.from else {
            return Ok(());
        };
        let from = Place::of_secret(namespace, name);
        let json = self.json(from).await.map_err(|failure| format!("{from}: {failure}"))?;
        let now = seen.secret_of(&json).map_err(|error| format!("{from}: {error}"))?;
        if !now.content.is_same(&source.content) {
            return Err(format!("{from} changed meanwhile: run adopt again"));
        }
        let object = write::source(source, &json).ok_or("the login of the source cannot be copied")?;
        let place = Place::of_secret(&source.namespace, &source.name);
        match self.connected.create(&object, self.dry_run).await {
            Ok(()) => self.say(written, format!("created {place}")),
            Err(Failure::Changed) => return Err(format!("{place} exists by now: run adopt again")),
            Err(failure) => return Err(format!("{place}: {failure}")),
        }
        Ok(())
    }

    /// Makes the object, or suspends the one that is there.
    async fn suspended(&self, name: &str, proposal: &Proposal, written: &mut Vec<String>) -> Result<(), String> {
        if proposal.exists {
            let done = self.spec(name, "suspended", written, |object| {
                let adopts = object.spec.secret.conflict_policy == ConflictPolicy::Adopt;
                let is_so = object.spec.suspend && adopts;
                (!is_so).then(|| json!({"suspend": true, "secret": {"conflictPolicy": "Adopt"}}))
            });
            return done.await;
        }
        let object = serde_json::to_value(&proposal.object).map_err(|_| "the object cannot be written".to_owned())?;
        match self.connected.create(&object, self.dry_run).await {
            Ok(()) => self.say(written, format!("created clusterpullsecret {name}, suspended")),
            Err(Failure::NotFound) => {
                return Err("ClusterPullSecret is not installed: install the operator first".to_owned());
            }
            Err(failure) => return Err(format!("clusterpullsecret {name}: {failure}")),
        }
        Ok(())
    }

    /// Waits until the operator has the login of the source.
    async fn seen_by_operator(&self, name: &str) -> Result<(), String> {
        if self.dry_run {
            return Ok(());
        }
        let what = format!("the operator did not resolve the source of ClusterPullSecret {name}: does it run?");
        self.until(&what, async || {
            let object = self.cps(name).await?;
            Ok(usize::from(!has_login(&object)))
        })
        .await
    }

    /// Plans again on what is there now, just before the first mark goes.
    async fn checked_again(&self, seen: &mut Leftovers, before: Proposal) -> Result<Proposal, String> {
        if self.dry_run {
            return Ok(before);
        }
        let read = super::read(self.connected, self.key, self.bar).await;
        *seen = read.map_err(|failure| failure.to_string())?;
        if !seen.is_complete() {
            return Err("not everything could be read again".to_owned());
        }
        let secret = before.object.effective_secret_name().to_owned();
        let groups = Plan::of(seen, &self.options).groups;
        let group = groups.into_iter().find(|(group, _)| group.secret == secret);
        match group {
            Some((group, Some(proposal))) if group.verdict == Verdict::Adopt => Ok(proposal),
            Some((group, _)) => Err(format!("{secret}: {}", group.why.unwrap_or_default())),
            None => Err(format!("{secret}: its Secrets are gone")),
        }
    }

    /// Takes the marks of the tool off, one patch for each Secret.
    async fn strip(&self, seen: &mut Leftovers, members: &[Member], written: &mut Vec<String>) -> Result<(), String> {
        for (at, member) in members.iter().enumerate() {
            if at > 0 && at % LOOKS_AFTER == 0 && !self.dry_run {
                let read = self.connected.tools(seen, now(), self.bar).await;
                read.map_err(|failure| failure.to_string())?;
            }
            self.strip_one(seen, member, written).await?;
        }
        Ok(())
    }

    async fn strip_one(&self, seen: &Leftovers, member: &Member, written: &mut Vec<String>) -> Result<(), String> {
        let place = Place::of_secret(&member.secret.meta.namespace, &member.secret.meta.name);
        let mut tool = member.tool();
        let stripped = self.patched(place, |json| {
            let json = json.ok_or_else(|| Failure::NotFound.to_string())?;
            let read = seen.secret_of(json).map_err(|error| error.to_string())?;
            let member = write::judged_again(seen, member, read)?;
            tool = member.tool();
            Ok(write::needs_strip(seen, &member).then(|| write::strip(seen, &member)))
        });
        if stripped.await? {
            self.say(written, format!("took the marks of {tool} off {place}"));
        }
        Ok(())
    }

    /// Waits until the operator has taken over every Secret, and compares uids.
    async fn taken_over(&self, name: &str, members: &[Member]) -> Result<(), String> {
        let selector = format!("{LABEL_OBJECT}={name}");
        let what = format!("the operator did not take over all Secrets of ClusterPullSecret {name}");
        let wanted: BTreeSet<(&str, &str)> = members
            .iter()
            .map(|member| (member.secret.meta.namespace.as_str(), member.secret.meta.name.as_str()))
            .collect();
        let mut uids = BTreeMap::new();
        let outcome = self
            .until(&what, async || {
                uids = self.connected.uids(Kind::Secret, Some(&selector)).await?;
                let is_there = |(namespace, name): &&(&str, &str)| {
                    uids.contains_key(&((*namespace).to_owned(), (*name).to_owned()))
                };
                Ok(wanted.len() - wanted.iter().filter(is_there).count())
            })
            .await;
        if let Err(why) = outcome {
            let object = self.cps(name).await.map_err(|failure| failure.to_string())?;
            let failures = object.status.into_iter().flat_map(|status| status.failures);
            let failures: Vec<String> = failures
                .map(|failure| format!("{}: {}", failure.namespace, failure.message))
                .collect();
            return Err(format!("{why}. {}", failures.join("; ")));
        }
        for member in members {
            let meta = &member.secret.meta;
            let uid = uids.get(&(meta.namespace.clone(), meta.name.clone()));
            if uid != Some(&meta.uid) {
                return Err(format!("secret {} was created again by another writer", meta.place()));
            }
        }
        Ok(())
    }

    /// Records the entries that were there, one patch for each account. No list is written.
    async fn record(&self, proposal: &Proposal, written: &mut Vec<String>) -> Result<(), String> {
        let secret = proposal.object.effective_secret_name();
        let tools: BTreeSet<Tool> = proposal.members.iter().map(Member::tool).collect();
        let tools: Vec<Tool> = tools.into_iter().collect();
        for (namespace, name) in &proposal.accounts {
            let recorded = self.account((namespace, name), |account| {
                let has = |names: &[String]| names.iter().any(|listed| listed == secret);
                let is_open = has(&account.entries) && !has(&account.attached);
                is_open.then(|| write::record(account, secret, &tools))
            });
            if recorded.await? {
                let line = format!("recorded the entry of serviceaccount {namespace}/{name}");
                self.say(written, line);
            }
        }
        Ok(())
    }

    async fn ready(&self, name: &str) -> Result<(), String> {
        let what = format!("ClusterPullSecret {name} is not Ready: kubectl pullsecrets status {name} says why");
        self.until(&what, async || {
            let object = self.cps(name).await?;
            Ok(usize::from(!is_ready(&object)))
        })
        .await
    }
}

/// Returns whether the operator has the login of the sources, for the object as it is now.
fn has_login(object: &ClusterPullSecret) -> bool {
    let status = object.status.as_ref();
    let condition = status.and_then(|status| status.condition(ConditionType::CredentialsReady));
    is_observed(object) && condition.is_some_and(|condition| condition.status == ConditionStatus::True)
}

//! One run of a plan. The store decides the verdict, without any report of the operator.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use anyhow::anyhow;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::end::{End, logins};
use crate::env::{Env, OBJECT, OTHER, name};
use crate::history::{History, Rules};
use crate::supervisor::{Ends, Supervisor};
use crate::verdict::{self, Oracle, Wrong};
use crate::workload;
use e2e::faults::plan::{Fault, Plan, Trigger};
use e2e::faults::proxy::{LATE, Record};
use e2e::oracle::{self, Expected, Foreign};
use e2e::wait::until;

/// Time limit of a start without faults, on a busy machine.
const PEACE_WITHIN: Duration = Duration::from_secs(30);
/// Time without writes at the end: longer than the second between two writes of a status.
const QUIET: Duration = Duration::from_millis(1300);
/// This many writes more than a clean run count as a loop; each second of an outage allows as many again.
const WRITES_TOO_MANY: u64 = 40;
/// If another writer undoes a write for four seconds, the operator restores it three times at once, and then backs off.
const RESTORES_TOO_MANY: usize = 8;
/// Time limit of a workload without a fault.
const CLEAN_WITHIN: Duration = Duration::from_secs(3);
/// Initial time between two checks of the store.
const LOOKS_EVERY: Duration = Duration::from_millis(20);
/// Extension of each bound for other load on the machine.
const BUSY_MACHINE: Duration = Duration::from_secs(5);
/// An error that lasts this long after its bound counts as lost rather than slow.
const PATIENCE: Duration = Duration::from_secs(20);
/// The names of the objects and of their copies.
const NAMES: [&str; 2] = [OBJECT, OTHER];

/// The outcome of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The plan, or the workload of a clean run.
    pub plan: String,
    /// Whether the fault struck. Without it, a run proves no behaviour.
    pub fired: bool,
    /// Seconds from the end of the fault, and of the users' actions, to the right end.
    pub recovery: f64,
    /// The error, or none.
    pub wrong: Option<Wrong>,
    /// Each effective write, read and watch event during the actions, in order.
    #[serde(skip)]
    pub seen: Vec<String>,
    /// Writes of the operator during the actions.
    pub writes: u64,
}

/// A run in progress.
struct Running<'a> {
    env: &'a Env,
    workload: &'a str,
    fault: Option<Fault>,
    /// The subject of the trigger.
    what: Option<String>,
    history: History,
    replicas: Vec<Supervisor>,
}

/// Runs a workload with a fault, or with none.
///
/// # Errors
///
/// When the environment itself fails. Errors of the operator are in the outcome.
pub async fn run(env: &Env, workload: &str, strike: Option<(Trigger, Fault)>) -> anyhow::Result<Outcome> {
    let plan = strike.as_ref().map_or_else(
        || workload.to_owned(),
        |(trigger, fault)| {
            let plan = Plan {
                workload: workload.to_owned(),
                trigger: trigger.clone(),
                fault: *fault,
            };
            plan.to_string()
        },
    );
    env.clean().await?;
    let fault = strike.as_ref().map(|(_, fault)| *fault);
    let violations_before = env.violations().len();
    env.proxy().raises(fault == Some(Fault::Restore));
    let mut running = Running {
        env,
        workload,
        fault,
        what: strike.as_ref().map(|(trigger, _)| trigger.what.clone()),
        history: History::begin(env.client()).await?,
        replicas: vec![env.supervise(fault == Some(Fault::Lose))],
    };
    let mut recovery = Duration::ZERO;
    let mut written = env.writes();
    let mut judged = running.begin().await?;
    let begun = (running.history.version().await?, Instant::now());
    if judged.is_ok() {
        let foreign = env
            .foreign(&[NAMES[0], NAMES[1], LATE])
            .await
            .map_err(|error| anyhow!(error))?;
        env.proxy().begun_at(begun.0);
        env.proxy().arm(strike);
        written = env.writes();
        judged = running.judge(begun, foreign, &mut recovery).await;
    }
    let record = env.proxy().record();
    let writes = env.writes() - written;
    let ended = process(&running.stop().await, fault);
    let violation = env.violations().into_iter().nth(violations_before);
    let truth = violation.map_or(Ok(()), |violation| Err(Wrong::new(Oracle::FalseReady, violation)));
    let wrong = judged
        .and(ended)
        .and(truth)
        .and_then(|()| economy(&record, writes, begun.1))
        .err();
    Ok(Outcome {
        plan,
        fired: record.fired,
        recovery: recovery.as_secs_f64(),
        wrong,
        seen: record.seen,
        writes,
    })
}

impl Running<'_> {
    /// Stops all replicas, and returns how their processes ended.
    async fn stop(self) -> Ends {
        let mut ends = Ends::default();
        for replica in self.replicas {
            let seen = replica.ends();
            ends.asked += seen.asked;
            ends.not_alive += seen.not_alive;
            ends.by_itself.extend(seen.by_itself);
            replica.stop().await;
        }
        ends
    }

    /// Sets up the workload without a fault. An error here is already the operator's.
    async fn begin(&mut self) -> anyhow::Result<Result<(), Wrong>> {
        if let Some(begun) = workload::begin(self.workload, self.env).await? {
            let settled = until("the beginning comes true", PEACE_WITHIN, async || {
                settled(self.env, &begun).await
            });
            if let Err(late) = settled.await {
                // An error on the way is more specific than a wrong end.
                if let Err(wrong) = self.history_is_right(&begun, (u64::MAX, Instant::now())) {
                    return Ok(Err(wrong));
                }
                return Ok(Err(verdict::of_end(self.env, &begun, &format!("{late:#}")).await));
            }
        }
        if self.fault.is_some_and(Fault::is_failover) {
            self.replicas[0].is_ready().await?;
            let standby = self.env.stand_by();
            standby.is_ready().await?;
            self.replicas.push(standby);
        }
        Ok(Ok(()))
    }

    /// Returns whether the fault hides objects in a list.
    fn is_blind(&self) -> bool {
        self.fault == Some(Fault::Empty)
    }

    async fn judge(&self, begun: (u64, Instant), foreign: Foreign, recovery: &mut Duration) -> Result<(), Wrong> {
        self.env.proxy().act();
        let told = Cell::new(false);
        let act = workload::run_workload(self.workload, self.env, self.is_blind());
        // A workload that waits for steps may outlast the refusal.
        let ended = tokio::select! {
            ended = act => ended,
            never = self.hears_of_refusal(&told) => match never {},
        };
        let end = match ended {
            Ok(end) => end,
            Err(error) => {
                return Err(match error.downcast::<Wrong>() {
                    Ok(wrong) => wrong,
                    Err(error) => Wrong::new(Oracle::Lost, format!("{error:#}")),
                });
            }
        };
        if self.is_blind() {
            self.lists_again().await?;
        }
        let came = self.comes_right(&end, told.get(), recovery).await;
        self.history_is_right(&end, begun)?;
        came?;
        self.is_silent().await?;
        // The state must still be right after the last write.
        if let Err(seen) = settled(self.env, &end).await {
            return Err(verdict::of_end(self.env, &end, &seen).await);
        }
        self.history_is_right(&end, begun)?;
        let foreign = match self.workload {
            "squatter" => foreign.except(&format!("secret {}/{}", name("c"), NAMES[0])),
            "hostile-sizes" => foreign.except(&format!("serviceaccount {}/builder", name("d"))),
            "exclude" => foreign.except(&format!("serviceaccount {}/builder", name("a"))),
            "account-again" => foreign.except(&format!("serviceaccount {}/builder", name("b"))),
            _ => foreign,
        };
        let unchanged = foreign.check_unchanged(self.env.client()).await;
        unchanged.map_err(|what| Wrong::new(Oracle::Foreign, what))
    }

    /// Waits for the list after an empty one. Until then, the operator promises only to do no harm.
    async fn lists_again(&self) -> Result<(), Wrong> {
        let proxy = self.env.proxy();
        let struck = until("the list is asked for", PEACE_WITHIN, async || {
            if proxy.record().fired {
                Ok(())
            } else {
                Err("not yet".to_owned())
            }
        });
        // A plan that does not strike is counted as such.
        if struck.await.is_ok() {
            self.is_silent().await?;
            proxy.kill();
        }
        Ok(())
    }

    /// Records whether a status reports the refusal of the fault.
    async fn hears_of_refusal(&self, told: &Cell<bool>) -> Infallible {
        loop {
            if let Some(namespace) = self.refused().filter(|_| !told.get()) {
                for object in NAMES {
                    told.set(told.get() || names_failure(self.env, object, &namespace).await == Some(true));
                }
            }
            tokio::time::sleep(10 * LOOKS_EVERY).await;
        }
    }

    /// Waits until the state is right, and stays right beyond the fault.
    async fn comes_right(&self, end: &End, told: bool, recovery: &mut Duration) -> Result<(), Wrong> {
        let acted = Instant::now();
        let bound = self.fault.map_or(CLEAN_WITHIN, Fault::bound) + BUSY_MACHINE;
        let mut untold = self.refused().filter(|_| !told);
        let lasts = |until: Option<Instant>| until.is_none_or(|until| until > acted);
        // A refusal before the last step does not excuse the other namespaces afterwards.
        let mut unserved = self.refused().filter(|_| lasts(self.env.proxy().record().lasts_until));
        loop {
            if let Some(namespace) = &untold
                && fails(self.env, end, namespace).await
            {
                untold = None;
            }
            if let Some(namespace) = &unserved
                && serves_others(self.env, end, namespace).await
            {
                unserved = None;
            }
            let seen = settled(self.env, end).await;
            let now = Instant::now();
            let record = self.env.proxy().record();
            let from = record.lasts_until.map_or(acted, |until| until.max(acted));
            if record.fired && now > from {
                if let Some(namespace) = untold {
                    let what = format!("{namespace} was refused for long, and the status did not say so");
                    return Err(Wrong::new(Oracle::Untold, what));
                }
                if let Some(namespace) = unserved {
                    let what = format!("others waited for {namespace}, which was refused");
                    return Err(Wrong::new(Oracle::Slow, what));
                }
            }
            *recovery = now.saturating_duration_since(from);
            match seen {
                Ok(()) if now < from => {}
                Ok(()) if record.watch_is_shut && *recovery <= bound + PATIENCE => {}
                Ok(()) if *recovery <= bound => return Ok(()),
                Ok(()) => {
                    let what = format!("{:.1} s, not within {} s", recovery.as_secs_f64(), bound.as_secs());
                    return Err(Wrong::new(Oracle::Slow, what));
                }
                Err(seen) if *recovery > bound + PATIENCE => {
                    return Err(verdict::of_end(self.env, end, &seen).await);
                }
                Err(_) => {}
            }
            // A check costs the server some twenty reads, so the pause grows with the wait.
            let pause = (acted.elapsed() / 20).clamp(LOOKS_EVERY, 10 * LOOKS_EVERY);
            tokio::time::sleep(pause).await;
        }
    }

    /// Returns the namespace of the object whose write is refused persistently.
    fn refused(&self) -> Option<String> {
        self.fault?.persists()?;
        let place = self.what.as_ref()?.split(' ').nth(2)?;
        Some(place.split('/').next()?.to_owned())
    }

    fn history_is_right(&self, end: &End, begun: (u64, Instant)) -> Result<(), Wrong> {
        let secrets = |expected: &oracle::Expected| {
            let secret = expected.secret.clone();
            let holders: Vec<String> = expected.holders.keys().cloned().collect();
            holders.into_iter().map(move |namespace| (namespace, secret.clone()))
        };
        let mut references = BTreeSet::new();
        for expected in &end.served {
            for (namespace, accounts) in &expected.holders {
                let reference = |account: &String| (namespace.clone(), account.clone(), expected.secret.clone());
                references.extend(accounts.iter().map(reference));
            }
        }
        self.history.judge(&Rules {
            names: &NAMES,
            logins: &logins(self.env),
            copies: end.served.iter().flat_map(secrets).collect(),
            references,
            begun,
            // An operator that sees an old source returns to it, and rightly: no server shows one to a request for the
            // latest.
            edited: matches!(self.workload, "drift" | "held-current")
                || matches!(self.fault, Some(Fault::Undo(_) | Fault::Stale(2 | 4))),
            concurrent_edit: self.fault == Some(Fault::ConcurrentEdit),
            // If a list hides references, the operator cannot remove them first.
            blind: self.is_blind(),
        })
    }

    /// Checks that no write happens for a while.
    async fn is_silent(&self) -> Result<(), Wrong> {
        let (mut writes, mut since) = (self.env.writes(), Instant::now());
        let end = Instant::now() + 10 * QUIET;
        while since.elapsed() < QUIET {
            if Instant::now() > end {
                return Err(Wrong::new(Oracle::Loop, "it does not come to rest"));
            }
            tokio::time::sleep(QUIET / 20).await;
            let now = self.env.writes();
            if now != writes {
                (writes, since) = (now, Instant::now());
            }
        }
        Ok(())
    }
}

/// Checks that the processes ended only in allowed ways.
fn process(ends: &Ends, fault: Option<Fault>) -> Result<(), Wrong> {
    let allowed = fault.map_or(0, Fault::ends_allowed);
    let asked = u32::from(fault == Some(Fault::HandOver));
    let wrong = |what: String| Err(Wrong::new(Oracle::Ended, what));
    if ends.not_alive > 0 {
        return wrong("it says that it does not live".to_owned());
    }
    if ends.by_itself.len() > allowed {
        return wrong(format!("it ended by itself: {:?}", ends.by_itself));
    }
    if ends.asked > asked {
        return wrong("it ended with success without SIGTERM".to_owned());
    }
    Ok(())
}

/// Checks that the number of writes is near the minimum.
fn economy(record: &Record, writes: u64, begun: Instant) -> Result<(), Wrong> {
    let seen = u64::try_from(record.seen.len()).unwrap_or_default();
    let disturbed = record
        .lasts_until
        .map_or(0, |until| until.saturating_duration_since(begun).as_secs());
    if writes > WRITES_TOO_MANY * (1 + disturbed) + seen {
        return Err(Wrong::new(Oracle::Loop, format!("{writes} writes")));
    }
    if record.undone > RESTORES_TOO_MANY {
        return Err(Wrong::new(
            Oracle::Loop,
            format!("{} restores in four seconds", record.undone),
        ));
    }
    Ok(())
}

/// Returns whether a status reports a failure of this namespace.
async fn fails(env: &Env, end: &End, namespace: &str) -> bool {
    for expected in &end.served {
        if names_failure(env, &expected.object, namespace).await == Some(true) {
            return true;
        }
    }
    // A deleted object has no status, and no refused write that it still needs.
    for object in &end.gone {
        if names_failure(env, object, namespace).await != Some(false) {
            return true;
        }
    }
    false
}

/// Returns whether the status of the object reports a failure of this namespace; none if the object is gone.
async fn names_failure(env: &Env, object: &str, namespace: &str) -> Option<bool> {
    let Ok(found) = oracle::object(env.client(), object).await else {
        return Some(false);
    };
    let status = &found?.data["status"];
    let mut failures = status["failures"].as_array().into_iter().flatten();
    Some(failures.any(|failure| failure["namespace"] == namespace))
}

/// Returns whether all other namespaces are right.
async fn serves_others(env: &Env, end: &End, namespace: &str) -> bool {
    for expected in &end.served {
        for other in expected.holders.keys().filter(|other| *other != namespace) {
            if oracle::check_in(env.client(), expected, other).await.is_err() {
                return false;
            }
        }
    }
    true
}

/// Checks that the store is right and the status reports it.
async fn settled(env: &Env, end: &End) -> Result<(), String> {
    end.check(env).await?;
    for expected in &end.served {
        let object = oracle::object(env.client(), &expected.object).await?;
        let object = serde_json::to_value(object).map_err(|error| error.to_string())?;
        tells(&object, end, expected)?;
    }
    Ok(())
}

/// Checks the status of this generation: the reason, the counts, and each namespace that lacks a copy.
fn tells(object: &Value, end: &End, expected: &Expected) -> Result<(), String> {
    let status = &object["status"];
    let conditions = status["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    let told = ready.is_some_and(|ready| ready["reason"] == end.reason)
        && status["observedGeneration"] == object["metadata"]["generation"];
    if !told {
        return Err(format!("the status does not report {}: {status}", end.reason));
    }
    let (served, failed) = (expected.holders.len(), end.failed.len());
    let accounts: usize = expected.holders.values().map(BTreeSet::len).sum();
    let count = |kind: &str, which: &str| {
        status[kind][which]
            .as_u64()
            .and_then(|count| usize::try_from(count).ok())
    };
    let counted = count("namespaces", "selected") == Some(served + failed)
        && count("namespaces", "ready") == Some(served)
        && count("namespaces", "failed") == Some(failed)
        && count("serviceAccounts", "ready") == Some(accounts);
    let named: BTreeSet<&str> = status["failures"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|failure| failure["namespace"].as_str())
        .collect();
    if counted && named == end.failed.iter().map(String::as_str).collect() {
        Ok(())
    } else {
        Err(format!(
            "{served} copies, {accounts} references, failures {:?} are not in the status: {status}",
            end.failed
        ))
    }
}

//! One run of a plan. The store decides the verdict, without any report of the operator.

mod limits;
mod recovery;
mod status;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::anyhow;
use serde::Serialize;
use tokio::time::Instant;

use crate::end::{End, logins};
use crate::env::{Env, OBJECT, OTHER, name};
use crate::history::{History, Rules};
use crate::supervisor::{Ends, Supervisor};
use crate::verdict::{self, Oracle, Wrong};
use crate::workload;
use e2e::faults::plan::{Fault, Plan, Trigger};
use e2e::faults::proxy::LATE;
use e2e::oracle::{self, Foreign};
use e2e::wait::until;
use limits::{economy, process};
use status::settled;

/// Time limit of a start without faults, on a busy machine.
const PEACE_WITHIN: Duration = Duration::from_secs(30);

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
}

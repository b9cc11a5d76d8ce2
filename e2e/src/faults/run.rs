//! One plan carried out, and judged by what the store holds: nothing here asks the operator.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::plan::{Fault, Plan, Trigger};
use super::proxy::LATE;
use super::stage::Stage;
use super::workload::{self, End};
use crate::oracle;
use crate::wait::until;

/// A start in peace, on a busy machine.
const PEACE_WITHIN: Duration = Duration::from_secs(60);
/// Nothing is written for so long in the end: longer than the second between two writes of a status.
const QUIET: Duration = Duration::from_millis(1300);
/// More writes than a clean run by this much is a loop.
const WRITES_TOO_MANY: u64 = 40;

/// What came of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The plan, or the workload alone.
    pub plan: String,
    /// The fault struck: a run in which it did not is no evidence of anything.
    pub fired: bool,
    /// From the act to the right end, in seconds.
    pub recovery: f64,
    /// What was not as it must be; none when all was.
    pub wrong: Option<String>,
    /// Each effective write and each event of a watch during the act, in their order.
    #[serde(skip)]
    pub seen: Vec<String>,
    /// Writes of the operator during the act.
    pub writes: u64,
}

/// How long the world may be wrong after the act. The operator starts within a second and is right two seconds later; a
/// refusal is tried again after one second, an unanswered call after less. A busy machine needs more for all of it.
const RIGHT_WITHIN: Duration = Duration::from_secs(30);

/// Carries a workload out with a fault, or with none.
///
/// # Errors
///
/// When the stage itself fails. What the operator does wrong is in the outcome.
pub async fn run(stage: &Stage, workload: &str, strike: Option<(Trigger, Fault)>) -> anyhow::Result<Outcome> {
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
    stage.clean().await?;
    stage.proxy().arm(None);
    let supervisor = stage.supervise();
    let begun = workload::begin(workload, stage).await?;
    if let Some(begun) = &begun {
        until("the beginning comes true", PEACE_WITHIN, async || {
            settled(stage, begun).await
        })
        .await
        .map_err(|late| anyhow!("{late:#}\n{}", stage.log()))?;
    }
    let foreign = stage
        .foreign(&["company", "other", LATE])
        .await
        .map_err(|error| anyhow!(error))?;
    let uids = oracle::uids(stage.client(), "company")
        .await
        .map_err(|error| anyhow!(error))?;
    let killed = supervisor.ends().killed;
    ensure!(killed == 0, "killed in peace");

    stage.proxy().arm(strike);
    let written = stage.proxy().writes();
    let struck = Instant::now();
    let judged = judge(stage, workload, &uids, &foreign).await;
    let recovery = struck.elapsed().saturating_sub(QUIET).as_secs_f64();
    let record = stage.proxy().record();
    let writes = stage.proxy().writes() - written;
    let ends = supervisor.ends();
    supervisor.stop().await;
    let wrong = match judged {
        Err(wrong) => Some(wrong),
        Ok(()) if !ends.by_itself.is_empty() => Some(format!("the operator ended by itself: {:?}", ends.by_itself)),
        Ok(()) if writes > WRITES_TOO_MANY + u64::try_from(record.seen.len()).unwrap_or_default() => {
            Some(format!("{writes} writes"))
        }
        Ok(()) => None,
    };
    Ok(Outcome {
        plan,
        fired: record.fired,
        recovery,
        wrong,
        seen: record.seen,
        writes,
    })
}

async fn judge(
    stage: &Stage,
    workload: &str,
    uids: &BTreeMap<String, String>,
    foreign: &oracle::Foreign,
) -> Result<(), String> {
    let end = workload::act(workload, stage)
        .await
        .map_err(|error| format!("{error:#}"))?;
    let settled = until("the right end", RIGHT_WITHIN, async || settled(stage, &end).await);
    settled.await.map_err(|late| format!("{late:#}"))?;
    is_silent(stage).await?;
    // Still so, after the last write.
    self::settled(stage, &end).await?;
    nothing_of_the_meddler_is_lost(stage).await?;
    // What users do to what is not ours is no business of the operator.
    if !matches!(workload, "squatter" | "account-again") {
        foreign.check_unchanged(stage.client()).await?;
    }
    let now = oracle::uids(stage.client(), "company").await?;
    let replaced = now.iter().find(|(namespace, uid)| {
        // What others deleted is made anew.
        workload != "drift" && uids.get(*namespace).is_some_and(|before| before != *uid)
    });
    replaced.map_or(Ok(()), |(namespace, _)| {
        Err(format!("the copy in {namespace} was replaced"))
    })
}

/// What somebody else added at the very moment of a write of ours.
async fn nothing_of_the_meddler_is_lost(stage: &Stage) -> Result<(), String> {
    for (namespace, name) in stage.proxy().record().meddled {
        let accounts: Api<ServiceAccount> = Api::namespaced(stage.client().clone(), &namespace);
        let account = accounts.get_opt(&name).await.map_err(|error| error.to_string())?;
        let mut entries = account
            .into_iter()
            .filter_map(|account| account.image_pull_secrets)
            .flatten();
        if !entries.any(|entry| entry.name == LATE) {
            return Err(format!(
                "serviceaccount {namespace}/{name}: an entry of somebody else is lost"
            ));
        }
    }
    Ok(())
}

/// The store is right, and the status tells it.
async fn settled(stage: &Stage, end: &End) -> Result<(), String> {
    end.check(stage).await?;
    for expected in &end.served {
        let object = oracle::object(stage.client(), &expected.object).await?;
        let object = serde_json::to_value(object).map_err(|error| error.to_string())?;
        tells(&object, end.reason)?;
    }
    Ok(())
}

fn tells(object: &Value, reason: &str) -> Result<(), String> {
    let status = &object["status"];
    let conditions = status["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    let told = ready.is_some_and(|ready| ready["reason"] == reason)
        && status["observedGeneration"] == object["metadata"]["generation"];
    if told {
        Ok(())
    } else {
        Err(format!("{reason} is not told: {status}"))
    }
}

/// Nothing is written for a while.
async fn is_silent(stage: &Stage) -> Result<(), String> {
    let (mut writes, mut since) = (stage.proxy().writes(), Instant::now());
    let end = Instant::now() + 10 * QUIET;
    while since.elapsed() < QUIET {
        if Instant::now() > end {
            return Err("it does not come to rest".to_owned());
        }
        tokio::time::sleep(QUIET / 20).await;
        let now = stage.proxy().writes();
        if now != writes {
            (writes, since) = (now, Instant::now());
        }
    }
    Ok(())
}

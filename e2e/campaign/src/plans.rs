//! Plans: learned from a clean run of each workload, and run by a pool of environments.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::bail;
use futures::future::try_join_all;
use rand::seq::SliceRandom;

use crate::env::Env;
use crate::run::{Outcome, run};
use e2e::faults::plan::{ACT, Fault, Plan, RULES, Trigger};

/// More occurrences of one kind of event give no new result.
const OCCURRENCES: u32 = 3;

/// Returns every fault at every write, read and watch event of a clean run, and every fault of all requests.
fn plans(workload: &str, clean: &Outcome) -> Vec<Plan> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for what in &clean.seen {
        *counts.entry(what).or_default() += 1;
    }
    let plan = |what: &str, occurrence: u32, fault: Fault| Plan {
        workload: workload.to_owned(),
        trigger: Trigger {
            what: what.to_owned(),
            occurrence,
        },
        fault,
    };
    let mut plans = Vec::new();
    let mut silenced = BTreeSet::new();
    for (what, count) in counts {
        let words: Vec<&str> = what.split(' ').collect();
        let (verb, resource) = (words[0], words.get(1).copied().unwrap_or_default());
        let faults: &[Fault] = match verb {
            "watch" => &Fault::OF_EVENTS,
            "get" | "list" | "stream" | "open" => &Fault::OF_READS,
            _ => &Fault::OF_WRITES,
        };
        for occurrence in 1..=count.min(OCCURRENCES) {
            plans.extend(faults.iter().map(|&fault| plan(what, occurrence, fault)));
        }
        if verb == "watch" && silenced.insert(resource) {
            plans.push(plan(what, 1, Fault::Silence));
        }
        if verb == "patch" && matches!(resource, "secrets" | "serviceaccounts") && what.contains(" fault-") {
            let several: &[Fault] = if resource == "serviceaccounts" {
                &Fault::OF_ACCOUNTS
            } else {
                &[]
            };
            let faults = Fault::OF_FIRST_WRITES
                .iter()
                .chain(&Fault::OF_FIRST_REFUSED)
                .chain(several);
            plans.extend(faults.map(|&fault| plan(what, 1, fault)));
        }
        if verb == "delete" && resource == "secrets" && what.contains(" fault-") {
            plans.extend(Fault::OF_FIRST_REMOVALS.map(|fault| plan(what, 1, fault)));
        }
    }
    plans.push(plan(ACT, 1, Fault::Restore));
    let rights = (0..RULES).map(Fault::Rights);
    plans.extend(Fault::OF_ALL.into_iter().chain(rights).map(|fault| plan(ACT, 1, fault)));
    if workload == "create" {
        plans.push(plan(ACT, 1, Fault::LONGEST));
    }
    plans
}

/// Orders plans so that all classes of faults take turns, each in a random order.
pub fn mixed(plans: Vec<Plan>, random: &mut impl rand::Rng) -> Vec<Plan> {
    let mut classes: BTreeMap<&str, VecDeque<Plan>> = BTreeMap::new();
    let mut shuffled = plans;
    shuffled.shuffle(random);
    for plan in shuffled {
        classes.entry(plan.fault.class()).or_default().push_back(plan);
    }
    let mut mixed = Vec::new();
    while !classes.is_empty() {
        classes.retain(|_, plans| {
            mixed.extend(plans.pop_front());
            !plans.is_empty()
        });
    }
    mixed
}

/// Runs each of these workloads once without a fault, and returns their plans in the order of the names, independent of
/// the environments.
///
/// # Errors
///
/// When a clean run fails.
pub async fn learn(envs: &[Env], workloads: Vec<&str>) -> anyhow::Result<Vec<Plan>> {
    let learned = RefCell::new(BTreeMap::new());
    share(envs, workloads, async |env, workload| {
        let clean = run(env, workload, None).await?;
        if let Some(wrong) = clean.wrong {
            bail!("{workload} fails without a fault: {wrong}\n{}", env.log());
        }
        learned.borrow_mut().insert(workload, plans(workload, &clean));
        Ok(())
    })
    .await?;
    Ok(learned.into_inner().into_values().flatten().collect())
}

/// Runs a plan and returns its outcome.
///
/// # Errors
///
/// When the environment itself fails. A wrong end is part of the outcome.
pub async fn carry_out(env: &Env, plan: &Plan) -> anyhow::Result<Outcome> {
    run(env, &plan.workload, Some((plan.trigger.clone(), plan.fault))).await
}

/// Distributes the work: each environment takes the next item when it has finished the last.
///
/// # Errors
///
/// The first error of `each`. The other environments then drop their current items.
pub async fn share<Work>(
    envs: &[Env],
    work: Vec<Work>,
    each: impl AsyncFn(&Env, Work) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let work = RefCell::new(work.into_iter());
    let next = || work.borrow_mut().next();
    try_join_all(envs.iter().map(async |env| {
        while let Some(piece) = next() {
            each(env, piece).await?;
        }
        anyhow::Ok(())
    }))
    .await?;
    Ok(())
}

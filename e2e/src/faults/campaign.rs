//! Which plans there are: learned from a run of each workload in which nothing goes wrong.

use std::collections::BTreeMap;

use super::plan::{Fault, Plan, Trigger};
use super::run::Outcome;

/// Occurrences of one kind of event beyond these tell nothing new.
const OCCURRENCES: u32 = 3;

/// Every fault at every write, and at every event of a watch, of a clean run.
pub fn plans(workload: &str, clean: &Outcome) -> Vec<Plan> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for what in &clean.seen {
        *counts.entry(what).or_default() += 1;
    }
    let mut plans = Vec::new();
    for (what, count) in counts {
        let faults: &[Fault] = if what.starts_with("watch ") {
            &Fault::OF_EVENTS
        } else {
            &Fault::OF_WRITES
        };
        for occurrence in 1..=count.min(OCCURRENCES) {
            plans.extend(faults.iter().map(|&fault| Plan {
                workload: workload.to_owned(),
                trigger: Trigger {
                    what: what.to_owned(),
                    occurrence,
                },
                fault,
            }));
        }
    }
    plans
}

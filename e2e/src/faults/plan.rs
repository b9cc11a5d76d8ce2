//! One fault and its trigger.

mod answer;
mod bounds;
mod fault;
mod lists;

use std::fmt;
use std::str::FromStr;

use anyhow::Context;
use serde::{Deserialize, Serialize};

pub use answer::Answer;
pub use bounds::RELISTS_EVERY;
pub use fault::{Fault, KINDS};
pub use lists::RULES;

/// The fault of one run. It is stored as one line of JSON that is enough to repeat the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The actions of users during the fault.
    pub workload: String,
    /// When the fault strikes.
    pub trigger: Trigger,
    /// The fault.
    pub fault: Fault,
}

/// A request, or an event of a watch, identified by its subject. The order of writes differs between runs, but the
/// subjects do not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Trigger {
    /// `patch secrets fault-a/company`, `list namespaces /`, `watch serviceaccounts MODIFIED fault-a/default`, [`ACT`].
    pub what: String,
    /// Counts requests and events of the same subject since the fault was armed, from 1.
    pub occurrence: u32,
}

/// The trigger of faults that affect all requests: they strike when users act.
pub const ACT: &str = "act";

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        formatter.write_str(&line)
    }
}

impl FromStr for Plan {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        serde_json::from_str(line).context("a plan is one line of JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan is read back as it was written.
    #[test]
    fn plan_reads_back_as_written() {
        let all = Fault::OF_WRITES.into_iter().chain(Fault::OF_EVENTS);
        let all = all.chain([Fault::Restore]);
        let all = all.chain(Fault::OF_FIRST_REFUSED).chain(Fault::OF_ACCOUNTS);
        for fault in all.chain(Fault::OF_READS).chain(Fault::OF_ALL) {
            let plan = Plan {
                workload: "create".to_owned(),
                trigger: Trigger {
                    what: "patch secrets a/b".to_owned(),
                    occurrence: 2,
                },
                fault,
            };
            assert_eq!(plan.to_string().parse::<Plan>().unwrap(), plan);
        }
    }
}

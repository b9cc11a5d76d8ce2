//! What becomes of a scenario that is over.

use super::Scenario;
use crate::operator::Operator;
use crate::secrecy::{self, Holders, Places, Written};

impl Scenario {
    /// Where nothing of the scenario's logins may be.
    fn places(&self) -> Places {
        let mut operator = self.running.operator();
        // One that ended in the course of the scenario says nothing any more.
        let lives = |operator: &mut Operator| matches!(operator.process().ended(), Ok(None));
        let operator = operator
            .as_mut()
            .and_then(|operator| lives(operator).then_some(&*operator));
        Places {
            files: vec![self.cluster().operator_log(), self.cluster().audit().file().to_owned()],
            health: operator.map(|operator| operator.health_address().to_owned()),
            metrics: operator.map(|operator| operator.metrics_address().to_owned()),
            holders: Holders {
                declared: self.running.witness.declared(),
                written: Written::Recorded(self.cluster().audit()),
            },
        }
    }

    /// On a thread with a runtime of its own, since the end of a scenario cannot wait for the one that it is on.
    fn search_for_the_canary(&self) -> anyhow::Result<()> {
        let (places, cluster, canary) = (self.places(), self.cluster(), &self.canary);
        let search = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { secrecy::search(canary, &cluster.admin().await?, &places).await })
        };
        std::thread::scope(|scope| scope.spawn(search).join()).expect("the search ends")
    }

    /// Where the status of this scenario's object said more than was so; others that share the cluster answer for their own.
    pub fn violations(&self) -> Vec<String> {
        let violations = self.running.witness.violations().into_iter();
        violations
            .filter(|violation| violation.split(' ').next() == Some(&self.name))
            .collect()
    }
}

#[expect(
    clippy::panic,
    reason = "a credential that leaks, or a false status, fails the test, whatever else it found"
)]
impl Drop for Scenario {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let operator = self.running.operator();
            let tail = operator.as_ref().map_or_else(String::new, Operator::tail);
            eprintln!("scenario {}\n{tail}", self.name);
        } else if self.part {
            // The scenario that it is a part of looks at everything.
        } else if let Err(leak) = self.search_for_the_canary() {
            panic!("scenario {}: {leak:#}", self.name);
        } else if let Some(violation) = self.violations().first() {
            panic!("scenario {}: {violation}", self.name);
        }
    }
}

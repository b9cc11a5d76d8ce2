//! Checks at the end of a scenario.

use super::Scenario;
use crate::operator::Operator;
use crate::oracle::Declared;
use crate::secrecy::{self, Holders, Places, Written};

impl Scenario {
    /// Returns the places that must not contain the scenario's logins.
    fn places(&self, declared: Vec<Declared>) -> Places {
        let mut operator = self.running.operator();
        // An operator that has ended no longer serves its endpoints.
        let lives = |operator: &mut Operator| matches!(operator.process().ended(), Ok(None));
        let operator = operator
            .as_mut()
            .and_then(|operator| lives(operator).then_some(&*operator));
        // There is no log where no operator has run.
        let log = Some(self.cluster().operator_log()).filter(|log| log.exists());
        let audit = self.cluster().audit().file().to_owned();
        Places {
            files: log.into_iter().chain([audit]).collect(),
            health: operator.map(|operator| operator.health_address().to_owned()),
            metrics: operator.map(|operator| operator.metrics_address().to_owned()),
            holders: Holders {
                declared,
                written: Written::Recorded(self.cluster().audit()),
            },
        }
    }

    /// Runs on a thread with its own runtime, because the end of a scenario cannot wait on the current one.
    fn search_for_the_canary(&self) -> anyhow::Result<()> {
        let search = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let client = self.cluster().admin().await?;
                let declared = self.running.witness.declared_by_now(&client).await?;
                secrecy::search(&self.canary, &client, &self.places(declared)).await
            })
        };
        std::thread::scope(|scope| scope.spawn(search).join()).expect("the search ends")
    }

    /// Returns the violations of the status of this scenario's object. Other scenarios on the cluster check their own.
    pub fn violations(&self) -> Vec<String> {
        let violations = self.running.witness.violations().into_iter();
        violations
            .filter(|violation| violation.split(' ').next() == Some(&self.name))
            .collect()
    }
}

#[expect(clippy::panic, reason = "a leaked credential, or a false status, fails every test")]
impl Drop for Scenario {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let operator = self.running.operator();
            let tail = operator.as_ref().map_or_else(String::new, Operator::tail);
            eprintln!("scenario {}\n{tail}", self.name);
        } else if self.part {
            // The enclosing scenario searches everything.
        } else if let Err(leak) = self.search_for_the_canary() {
            panic!("scenario {}: {leak:#}", self.name);
        } else if let Some(violation) = self.violations().first() {
            panic!("scenario {}: {violation}", self.name);
        }
    }
}

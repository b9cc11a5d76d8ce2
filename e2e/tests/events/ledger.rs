//! Ledger of the operator's writes, row by row, from the audit log.

use std::time::Duration;

use e2e::OPERATOR_USER;
use e2e::audit::{Mark, Record};
use e2e::operator;
use e2e::scenario::Scenario;
use jiff::Timestamp;

use crate::events::env::Env;
use crate::events::row::{Row, Writes};

/// Longer than the second between two writes of a status.
const A_WHILE: Duration = Duration::from_secs(3);

/// The position in the audit log where a column begins.
pub(crate) struct Ledger(Mark);

/// All writes of the operator in a column.
pub(crate) struct Records {
    writes: Vec<Record>,
    /// The namespaces in which the operator gave up a slow write, once for each. It repeats such a write.
    given_up: Vec<String>,
    /// The time by which every row was over.
    over: Timestamp,
}

impl Ledger {
    /// Opens the ledger before the first event.
    pub(crate) fn open(scenario: &Scenario) -> Self {
        Self(scenario.cluster().audit().mark().unwrap())
    }

    /// Checks that no more writes follow. With `restart`, none must follow after a restart of the operator either, in
    /// any final state of the rows.
    pub(crate) async fn close(self, scenario: &Scenario, restart: bool) -> Records {
        let audit = scenario.cluster().audit();
        let over = Timestamp::now();
        tokio::time::sleep(A_WHILE).await;
        if restart {
            scenario.stop_operator().await;
            scenario.start_operator_with(crate::events::column::options()).await;
            tokio::time::sleep(A_WHILE).await;
        }
        audit.settle(scenario.client()).await.unwrap();
        let writes = audit.writes_since(self.0, OPERATOR_USER).unwrap().objects;
        let log = operator::logged(scenario.cluster()).unwrap();
        let given_up = log.lines().filter_map(given_up).collect();
        Records { writes, given_up, over }
    }
}

impl Records {
    /// Returns the writes for one environment.
    fn env<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Record> {
        let prefix = format!("{name}-");
        self.writes.iter().filter(move |write| {
            write.namespace.starts_with(&prefix) || write.name == name || write.name.starts_with(&prefix)
        })
    }

    /// Returns a text for people.
    pub(crate) fn of(&self, name: &str) -> String {
        let line = |write: &Record| format!("{} {}", write.timestamp, write.summary());
        self.env(name).map(line).collect::<Vec<_>>().join("\n")
    }

    /// Checks that the row took no more writes than allowed, and that it is over.
    pub(crate) fn check(&self, env: &Env, row: &Row) -> Result<(), String> {
        let began = env.began().ok_or("it never began")?;
        let writes: Vec<&Record> = self.env(env.name()).filter(|write| write.timestamp >= began).collect();
        let (first, later): (Vec<_>, Vec<_>) = writes.into_iter().partition(|write| write.timestamp < self.over);
        let prefix = format!("{}-", env.name());
        let mut repeats = self
            .given_up
            .iter()
            .filter(|namespace| namespace.starts_with(&prefix))
            .count();
        within(&first, row.writes, &mut repeats)?;
        within(&later, row.restart, &mut repeats).map_err(|what| format!("when everything was in place, {what}"))?;
        // Late status writes are allowed, one about copies and one about references. The operator reports a missing
        // source after half a minute, and an object as not ready after five seconds.
        let told = later.iter().filter(|write| write.subresource == "status").count();
        if told > 2 {
            return Err(format!("{told} status writes after the row was over"));
        }
        Ok(())
    }
}

/// Others may write an object while the operator writes it. The operator then reads it and retries. So it does after a
/// request that a busy server did not answer in time (504).
const RACES_LOST: usize = 3;

fn lost_a_race(write: &Record, writes: &[&Record]) -> bool {
    let came_again = |later: &&Record| {
        (&later.resource, &later.namespace, &later.name) == (&write.resource, &write.namespace, &write.name)
            && later.timestamp > write.timestamp
            && later.code < 300
    };
    [409, 504].contains(&write.code) && writes.iter().any(came_again)
}

/// The namespace of the write that the operator gave up, because it took more than a second and others waited.
fn given_up(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let gave_up = line["message"].as_str()?.starts_with("gave up a slow write");
    gave_up.then(|| line["namespace"].as_str().unwrap_or_default().to_owned())
}

/// Counts the writes to Secrets and accounts of the row's namespaces, and to its objects. Sources and state are in
/// other namespaces. Each of the `repeats` excuses one write, and is used up by it.
fn within(writes: &[&Record], most: Writes, repeats: &mut usize) -> Result<(), String> {
    let kinds = [
        ("secrets", most.secrets),
        ("serviceaccounts", most.accounts),
        ("clusterpullsecrets", most.objects),
    ];
    for (resource, most) in kinds {
        let counts = |write: &&&Record| {
            write.resource == resource && write.subresource.is_empty() && write.namespace != e2e::SYSTEM_NAMESPACE
        };
        let (lost, made): (Vec<&&Record>, Vec<&&Record>) = writes
            .iter()
            .filter(counts)
            .partition(|write| lost_a_race(write, writes));
        let repeated = made.len().saturating_sub(most).min(*repeats);
        *repeats -= repeated;
        if made.len() - repeated > most || lost.len() > RACES_LOST {
            let (made, lost) = (made.len(), lost.len());
            return Err(format!(
                "{made} writes to {resource}, {most} allowed, and {lost} lost races"
            ));
        }
    }
    Ok(())
}

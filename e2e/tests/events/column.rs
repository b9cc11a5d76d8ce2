//! A column of the table: all of its rows on one control plane with one operator, side by side.
//!
//! The first test of a column runs all selected rows; the other tests wait for it and report their row. In the column
//! `down` all rows kill and start their operator together, because an outage of one row affects every other row. In the
//! column `named` the rows run in groups, each with its own installation, because an installation lists few names.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};

use e2e::OPERATOR_USER;
use e2e::audit::{Mark, Record};
use e2e::operator::{self, Options};
use e2e::scenario::Scenario;
use futures::future::LocalBoxFuture;
use futures::{FutureExt, StreamExt, stream};

use crate::events::env::{Env, SOURCES};
use crate::events::ledger::Ledger;
use crate::events::row::Row;

/// Concurrent rows: enough that waiting ones block no others, few enough that the server answers all of them soon.
const AT_ONCE: usize = 12;

/// The most names of copies in one installation.
const NAMES: usize = 32;

/// Lines of the operator's log in the report of a failed row.
const TAIL: usize = 40;

/// A failed row has a reason.
type Outcome = Result<(), String>;

/// Whether the operator runs during the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// It runs.
    Up,
    /// It does not run.
    Down,
    /// It runs, with rights only on Secrets of the names of its copies.
    Named,
}

impl Column {
    /// Passes if the row holds in this column.
    pub(crate) fn shows(self, row: &'static Row) {
        static UP: Mutex<BTreeMap<&str, Outcome>> = Mutex::new(BTreeMap::new());
        static DOWN: Mutex<BTreeMap<&str, Outcome>> = Mutex::new(BTreeMap::new());
        static NAMED: Mutex<BTreeMap<&str, Outcome>> = Mutex::new(BTreeMap::new());
        let outcomes = match self {
            Self::Up => &UP,
            Self::Down => &DOWN,
            Self::Named => &NAMED,
        };
        let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        if !outcomes.contains_key(row.name) {
            let rows = self.asked_for(row);
            let ran = std::panic::catch_unwind(AssertUnwindSafe(|| self.run(rows.clone())));
            // An error of the column fails each of its rows, because another attempt would fail in the same way.
            outcomes.extend(ran.unwrap_or_else(|panic| {
                let reason = format!("{self:?} as a whole: {}", words(&*panic));
                rows.iter().map(|row| (row.name, Err(reason.clone()))).collect()
            }));
        }
        let outcome = outcomes[row.name].clone();
        drop(outcomes);
        let reason = outcome.err().unwrap_or_default();
        assert!(reason.is_empty(), "{reason}");
    }

    /// Returns the selected rows of this column, so that one row alone is quick. In doubt it leaves a row out, which
    /// then runs with its own test.
    fn asked_for(self, asking: &'static Row) -> Vec<&'static Row> {
        let filters = filters(std::env::args().skip(1));
        let suffix = self.suffix();
        let wanted = |row: &&'static Row| {
            let test = format!("{}::{suffix}", row.name);
            let test = test.split_once("::").map_or("", |(_, rest)| rest);
            let here = self != Self::Down || row.only_up.is_none();
            let named = filters.is_empty() || filters.iter().any(|filter| test.contains(filter));
            row.name == asking.name || (here && named)
        };
        crate::events::rows().into_iter().filter(wanted).collect()
    }

    /// Returns the name of its tests, which is also the suffix of its environments.
    fn suffix(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Named => "named",
        }
    }

    fn run(self, rows: Vec<&'static Row>) -> BTreeMap<&'static str, Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let (scenario, judged) = match self {
                Self::Up | Self::Down => {
                    let scenario = Scenario::own_with("events", options()).await;
                    let judged = self.run_on(&scenario, rows).await;
                    (scenario, judged)
                }
                Self::Named => self.run_in_groups(rows).await,
            };
            let failed = judged.values().filter(|outcome| outcome.is_err()).count();
            eprintln!("{self:?}: {} rows, {failed} failed", judged.len());
            // The end of the scenario checks all rows together. The error of a failed row is more specific.
            let ended = std::panic::catch_unwind(AssertUnwindSafe(|| drop(scenario)));
            match ended {
                Err(panic) if failed == 0 => std::panic::resume_unwind(panic),
                _ => judged,
            }
        })
    }
}

impl Column {
    async fn run_on(self, scenario: &Scenario, rows: Vec<&'static Row>) -> BTreeMap<&'static str, Outcome> {
        let ledger = Ledger::open(scenario);
        let mut runs = RowRun::all(self, scenario, rows).await;
        match self {
            Self::Up | Self::Named => up(&mut runs).await,
            Self::Down => down(scenario, &mut runs).await,
        }
        let records = ledger.close(scenario, self != Self::Up).await;
        runs.iter_mut().map(|run| run.judge(&records)).collect()
    }

    async fn run_in_groups(self, rows: Vec<&'static Row>) -> (Scenario, BTreeMap<&'static str, Outcome>) {
        let mut judged = BTreeMap::new();
        let mut groups = self.groups(rows).into_iter();
        let (names, rows) = groups.next().unwrap();
        let scenario = Scenario::own_named("events", &names, options()).await;
        judged.extend(self.run_on(&scenario, rows).await);
        for (names, rows) in groups {
            scenario.install_named(&names, options()).await;
            judged.extend(self.run_on(&scenario, rows).await);
        }
        let records = scenario.cluster().audit().since(Mark::default()).unwrap();
        let refused = |record: &&Record| record.user == OPERATOR_USER && !record.authorized;
        let refused: Vec<String> = records.iter().filter(refused).map(Record::summary).collect();
        assert!(refused.is_empty(), "for want of a right: {refused:#?}");
        (scenario, judged)
    }

    /// Returns groups of rows, with the names of their copies.
    fn groups(self, rows: Vec<&'static Row>) -> Vec<(Vec<String>, Vec<&'static Row>)> {
        let mut groups: Vec<(Vec<String>, Vec<&'static Row>)> = Vec::new();
        for row in rows {
            let name = env_name(self, row);
            // Only these modules have a second object with another name of copies.
            let two = ["::pairs::", "::objects::"].iter().any(|part| row.name.contains(part));
            let second = two.then(|| format!("{name}-2"));
            let names: Vec<String> = std::iter::once(name).chain(second).collect();
            match groups.last_mut() {
                Some((held, rows)) if held.len() + names.len() <= NAMES => {
                    held.extend(names);
                    rows.push(row);
                }
                _ => groups.push((names, vec![row])),
            }
        }
        groups
    }
}

/// Returns the name of a row's environment. No such name is a prefix of another, because names separate environments.
fn env_name(column: Column, row: &Row) -> String {
    let at = crate::events::rows()
        .iter()
        .position(|other| other.name == row.name)
        .unwrap();
    format!("row{at:02}-{}", column.suffix())
}

/// Returns options with an additional source namespace, for the row that needs one.
pub(crate) fn options() -> Options {
    let mut options = Options::default();
    options.flags.push(format!("--source-namespaces={SOURCES}"));
    options
}

async fn up(runs: &mut [RowRun]) {
    each(runs, async |run| {
        run.given().await;
        run.when(false).await;
        run.then().await;
    })
    .await;
}

async fn down(scenario: &Scenario, runs: &mut [RowRun]) {
    each(runs, async |run| run.given().await).await;
    scenario.kill_operator();
    each(runs, async |run| run.when(true).await).await;
    scenario.start_operator_with(options()).await;
    each(runs, async |run| run.then().await).await;
}

async fn each(runs: &mut [RowRun], step: impl AsyncFn(&mut RowRun)) {
    let step = &step;
    stream::iter(runs).for_each_concurrent(AT_ONCE, |run| step(run)).await;
}

/// A row in progress.
struct RowRun {
    row: &'static Row,
    env: Env,
    outcome: Outcome,
}

impl RowRun {
    async fn all(column: Column, scenario: &Scenario, rows: Vec<&'static Row>) -> Vec<Self> {
        let environments = rows.into_iter().map(async |row| Self {
            row,
            env: Env::new(scenario.part(&env_name(column, row)).await),
            outcome: Ok(()),
        });
        stream::iter(environments).buffered(AT_ONCE).collect().await
    }

    async fn given(&mut self) {
        let (env, row) = (&self.env, self.row);
        let given = async move {
            (row.given)(env).await;
            env.settle_in().await;
        };
        self.outcome = guarded("given", given.boxed_local()).await;
    }

    /// Runs the event. With `unseen`, the operator does not run, so that the event alone has changed the store.
    async fn when(&mut self, unseen: bool) {
        if self.outcome.is_err() {
            return;
        }
        let (env, row) = (&self.env, self.row);
        let afterwards = unseen || row.event == crate::events::row::Event::ByOthers;
        let when = async move {
            env.look_at_others().await;
            (row.when)(env).await;
            if afterwards {
                env.look_at_others().await;
            }
        };
        self.outcome = guarded("when", when.boxed_local()).await;
    }

    async fn then(&mut self) {
        if self.outcome.is_err() {
            return;
        }
        let (env, row) = (&self.env, self.row);
        let then = async move {
            (row.then)(env).await;
            env.others_are_as_they_were().await;
        };
        self.outcome = guarded("then", then.boxed_local()).await;
    }

    fn judge(&mut self, records: &crate::events::ledger::Records) -> (&'static str, Outcome) {
        let outcome = self
            .outcome
            .clone()
            .and_then(|()| self.env.has_no_violation())
            .and_then(|()| records.check(&self.env, self.row));
        let told = outcome.map_err(|reason| {
            let name = self.env.name();
            let log = operator::logged(self.env.scenario().cluster()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().filter(|line| line.contains(name)).collect();
            let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
            format!("{name}, {reason}\n{}\n{tail}", records.of(name))
        });
        (self.row.name, told)
    }
}

/// Runs a part. A panic ends its row, but not the column.
async fn guarded(part: &str, work: LocalBoxFuture<'_, ()>) -> Outcome {
    let caught = AssertUnwindSafe(work).catch_unwind().await;
    caught.map_err(|panic| format!("{part}: {}", words(&*panic)))
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words")
}

/// Returns the names, or parts of names, among the arguments of a test binary.
fn filters(arguments: impl Iterator<Item = String>) -> Vec<String> {
    const WITH_VALUE: [&str; 7] = [
        "--skip",
        "--test-threads",
        "--format",
        "--color",
        "--logfile",
        "--shuffle-seed",
        "-Z",
    ];
    let mut filters = Vec::new();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        if WITH_VALUE.contains(&argument.as_str()) {
            arguments.next();
        } else if !argument.starts_with('-') {
            filters.push(argument);
        }
    }
    filters
}

/// Options of the test binary are no names of rows.
#[test]
fn test_options_are_not_row_names() {
    let arguments = [
        "--skip",
        "a",
        "namespaces",
        "--nocapture",
        "--test-threads",
        "2",
        "copies::",
    ];
    let found = filters(arguments.into_iter().map(str::to_owned));
    assert_eq!(found, ["namespaces", "copies::"]);
}

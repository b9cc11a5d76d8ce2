//! The audit says of each image what the kubelet's own code says, on generated clusters.
//!
//! The judge reads what the author of a cluster wrote, and asks the kubelet. It shares no code with the audit.
//! `PULLSECRETS_AUDIT_SEED` and `PULLSECRETS_AUDIT_CASES` repeat a run, or one cluster.

mod case;
mod judge;
mod keys;
mod table;
mod world;

use std::thread;
use std::time::Instant;

use e2e::keyring::Kubelet;

use judge::Trial;
use table::Table;

const SEED: &str = "PULLSECRETS_AUDIT_SEED";
const CASES: &str = "PULLSECRETS_AUDIT_CASES";

/// Number of clusters, unless the environment sets it.
const DEFAULT_CASES: u64 = 10_000;
/// Number of clusters per batch of questions.
const BATCH: u64 = 500;

#[test]
fn the_audit_agrees_with_the_kubelet() -> anyhow::Result<()> {
    let seed = number(SEED).unwrap_or_else(rand::random);
    let cases = number(CASES).unwrap_or(DEFAULT_CASES);
    // The seed of a cluster is the sum, so one cluster can be repeated alone.
    eprintln!("{SEED}={seed} {CASES}={cases}");
    let began = Instant::now();
    let workers = thread::available_parallelism()?.get();
    let tables = thread::scope(|scope| {
        let start = |worker| scope.spawn(move || run(seed, cases, worker, workers));
        let running: Vec<_> = (0..workers).map(start).collect();
        let tables = running
            .into_iter()
            .map(|worker| worker.join().expect("a worker does not panic"));
        tables.collect::<anyhow::Result<Vec<Table>>>()
    })?;
    let table: Table = tables.into_iter().sum();
    eprintln!("{table}{:>9} ms", began.elapsed().as_millis());
    if cases >= DEFAULT_CASES {
        table.assert_that_everything_occurred();
    }
    Ok(())
}

/// Judges every batch of this worker, with a keyring of its own.
fn run(seed: u64, cases: u64, worker: usize, workers: usize) -> anyhow::Result<Table> {
    let mut kubelet = Kubelet::start()?;
    let mut table = Table::default();
    let batches = (0..cases).step_by(usize::try_from(BATCH)?);
    for first in batches.skip(worker).step_by(workers) {
        let seeds = (first..cases.min(first + BATCH)).map(|at| seed.wrapping_add(at));
        for trial in Trial::all(seeds, &mut kubelet)? {
            if let Err(difference) = trial.judge(&mut table) {
                anyhow::bail!(
                    "{difference}\nrepeat this one with {SEED}={} {CASES}=1\n{:#?}",
                    trial.seed,
                    trial.case
                );
            }
        }
    }
    Ok(table)
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().expect("seed and cases are numbers"))
}

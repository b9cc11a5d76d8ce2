//! The kubelet agrees, by its own code on generated cases. In our copies it finds the logins that it would find in
//! their sources. Our model of its lookup gives the same results.
//!
//! `PULLSECRETS_KUBELET_SEED` and `PULLSECRETS_KUBELET_CASES` repeat a run, or one case.

mod author;
mod case;
mod configs;
mod exceptions;
mod judge;
mod names;
mod table;
mod trial;

use std::time::Instant;

use e2e::keyring::Kubelet;
use table::Table;
use trial::Trial;

const SEED: &str = "PULLSECRETS_KUBELET_SEED";
const CASES: &str = "PULLSECRETS_KUBELET_CASES";

/// Number of cases, unless the environment sets it.
const DEFAULT_CASES: u64 = 10_000;
/// Number of cases per batch of questions.
const BATCH: u64 = 200;
/// Most times that the cases are repeated, while an exception has not occurred.
const AT_MOST: u64 = 10;

#[test]
fn the_kubelet_finds_in_a_copy_what_it_would_find_in_its_sources() -> anyhow::Result<()> {
    let seed = number(SEED).unwrap_or_else(rand::random);
    let cases = number(CASES).unwrap_or(DEFAULT_CASES);
    // The seed of a case is the sum, so one case can be repeated alone.
    eprintln!("{SEED}={seed} {CASES}={cases}");
    let began = Instant::now();
    let mut kubelet = Kubelet::start()?;
    let mut table = Table::default();
    // The rarest exception occurs in 2 to 20 of 10,000 cases.
    let enough = |first: u64, table: &Table| {
        first >= cases && (cases < DEFAULT_CASES || table.has_everything() || first >= AT_MOST * cases)
    };
    for first in (0..).step_by(usize::try_from(BATCH)?) {
        if enough(first, &table) {
            break;
        }
        let end = if first < cases {
            cases.min(first + BATCH)
        } else {
            first + BATCH
        };
        let seeds = (first..end).map(|at| seed.wrapping_add(at));
        for trial in Trial::all(seeds, &mut kubelet)? {
            let verdict = trial.judge(&mut table);
            assert!(
                verdict.is_ok(),
                "{}\nrepeat this one with {SEED}={} {CASES}=1\n{trial}",
                verdict.unwrap_err(),
                trial.seed
            );
        }
    }
    eprintln!("{table}{:>9} ms", began.elapsed().as_millis());
    if cases >= DEFAULT_CASES {
        table.assert_that_everything_occurred();
    }
    Ok(())
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().expect("seed and cases are numbers"))
}

//! The kubelet agrees: its own code, on generated cases, finds in our copies the logins that it would find in their
//! sources, and our telling of its lookup gives what it gives.
//!
//! `PULLSECRETS_KUBELET_SEED` and `PULLSECRETS_KUBELET_CASES` repeat a run, or one case of it.

mod author;
mod case;
mod configs;
mod exceptions;
mod judge;
mod keyring;
mod names;
mod table;
mod trial;

use std::time::Instant;

use keyring::Kubelet;
use table::Table;
use trial::Trial;

const SEED: &str = "PULLSECRETS_KUBELET_SEED";
const CASES: &str = "PULLSECRETS_KUBELET_CASES";

/// How many cases there are unless the environment says otherwise.
const DEFAULT_CASES: u64 = 10_000;
/// How many cases are asked about at once.
const BATCH: u64 = 200;
/// So many times the cases, while some exception has not occurred.
const AT_MOST: u64 = 10;

#[test]
fn the_kubelet_finds_in_a_copy_what_it_would_find_in_its_sources() -> anyhow::Result<()> {
    let seed = number(SEED).unwrap_or_else(rand::random);
    let cases = number(CASES).unwrap_or(DEFAULT_CASES);
    // The seed of a case is the sum, so that one case can be repeated by itself.
    eprintln!("{SEED}={seed} {CASES}={cases}");
    let began = Instant::now();
    let mut kubelet = Kubelet::start()?;
    let mut table = Table::default();
    // The rarest exception comes up in 2 to 20 of 10,000 cases.
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

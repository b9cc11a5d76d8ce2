//! The small campaign: what must hold whatever goes wrong, tried at points that a seed chooses. `just campaign` tries all.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

use std::time::{Duration, Instant};

use e2e::faults::campaign::plans;
use e2e::faults::run::run;
use e2e::faults::stage::Stage;
use e2e::faults::workload;
use rand::SeedableRng;
use rand::seq::SliceRandom;

/// So long it tries; a machine that is slow tries fewer.
const LENGTH: Duration = Duration::from_secs(150);

#[tokio::test]
async fn whatever_goes_wrong_at_whatever_moment_the_end_is_right_and_nothing_of_others_is_touched() {
    let seed: u64 = std::env::var("PULLSECRETS_E2E_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("PULLSECRETS_E2E_SEED={seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let stage = Stage::start().await.unwrap();
    let mut all = Vec::new();
    for workload in workload::ALL {
        let clean = run(&stage, workload, None).await.unwrap();
        assert_eq!(clean.wrong, None, "{workload}, and nothing went wrong\n{}", stage.log());
        all.extend(plans(workload, &clean));
    }
    all.shuffle(&mut random);
    let (mut tried, mut fired) = (0, 0);
    let end = Instant::now() + LENGTH;
    for plan in &all {
        if Instant::now() > end {
            break;
        }
        let strike = Some((plan.trigger.clone(), plan.fault));
        let outcome = run(&stage, &plan.workload, strike).await.unwrap();
        assert_eq!(outcome.wrong, None, "{plan}\n{}", stage.log());
        tried += 1;
        fired += u32::from(outcome.fired);
    }
    println!("{tried} of {} plans tried, the fault struck in {fired}", all.len());
    assert!(
        fired * 10 >= tried * 7,
        "{fired} of {tried}: the plans do not fit what the operator does"
    );
}

//! The small campaign: what must hold whatever goes wrong, tried at points that a seed chooses. `just campaign` tries all.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod patches;

use std::time::{Duration, Instant};

use e2e::faults::campaign::{mixed, plans};
use e2e::faults::plan::Plan;
use e2e::faults::run::run;
use e2e::faults::stage::Stage;
use e2e::faults::workload;
use rand::SeedableRng;

/// So long it tries; a machine that is slow tries fewer.
const LENGTH: Duration = Duration::from_secs(150);

/// Plans that failed once, each below a line that says why.
const KEPT: &str = include_str!("kept.plans");

#[tokio::test]
async fn whatever_goes_wrong_at_whatever_moment_the_end_is_right_and_nothing_of_others_is_touched() {
    let seed: u64 = std::env::var("PULLSECRETS_E2E_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("PULLSECRETS_E2E_SEED={seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let stage = Stage::start().await.unwrap();
    let kept: Vec<Plan> = KEPT
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| line.parse().unwrap())
        .collect();
    let mut struck = 0;
    for plan in &kept {
        struck += u32::from(tried(&stage, plan).await);
    }
    println!("the fault struck in {struck} of {} plans that failed once", kept.len());

    let mut all = Vec::new();
    for workload in workload::ALL {
        let clean = run(&stage, workload, None).await.unwrap();
        assert_eq!(clean.wrong, None, "{workload}, and nothing went wrong\n{}", stage.log());
        all.extend(plans(workload, &clean));
    }
    let count = all.len();
    all.retain(|plan| !plan.fault.is_long());
    let (mut runs, mut fired) = (0, 0);
    let end = Instant::now() + LENGTH;
    for plan in mixed(all, &mut random) {
        if Instant::now() > end {
            break;
        }
        runs += 1;
        fired += u32::from(tried(&stage, &plan).await);
    }
    stage.check_secrecy().await.unwrap();
    println!("{runs} of {count} plans tried, the fault struck in {fired}");
    assert!(
        fired * 10 >= runs * 7,
        "{fired} of {runs}: the plans do not fit what the operator does"
    );
}

/// Whether the fault struck. What it led to must be right.
async fn tried(stage: &Stage, plan: &Plan) -> bool {
    let strike = Some((plan.trigger.clone(), plan.fault));
    let outcome = run(stage, &plan.workload, strike).await.unwrap();
    assert_eq!(outcome.wrong, None, "{plan}\n{}", stage.log());
    outcome.fired
}

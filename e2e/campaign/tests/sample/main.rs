//! The small campaign: what must hold whatever goes wrong, tried at points that a seed chooses. `just campaign` tries all.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod patches;

use std::cell::Cell;
use std::time::{Duration, Instant};

use campaign::plans::{carry_out, learn, mixed, share};
use campaign::stage::Stage;
use campaign::workload;
use e2e::faults::plan::Plan;
use futures::future::try_join_all;
use rand::SeedableRng;

/// So many control planes at a time: most of a run is waiting.
const STAGES: usize = 4;

/// So long each of them tries; a machine that is slow tries fewer.
const LENGTH: Duration = Duration::from_secs(60);

/// Plans that failed once, each below a line that says why.
const KEPT: &str = include_str!("kept.plans");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_at_whatever_moment_the_end_is_right_and_nothing_of_others_is_touched() {
    let seed: u64 = std::env::var("PULLSECRETS_E2E_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("PULLSECRETS_E2E_SEED={seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let stages = try_join_all((0..STAGES).map(|_| Stage::start())).await.unwrap();
    let kept: Vec<Plan> = KEPT
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| line.parse().unwrap())
        .collect();
    let (count, struck) = (kept.len(), tried(&stages, kept, None).await.struck);
    println!("the fault struck in {struck} of {count} plans that failed once");

    let mut all = learn(&stages, workload::ALL.to_vec()).await.unwrap();
    let count = all.len();
    all.retain(|plan| !plan.fault.is_long());
    let Tried { runs, struck } = tried(&stages, mixed(all, &mut random), Some(Instant::now() + LENGTH)).await;
    for stage in &stages {
        stage.check_secrecy().await.unwrap();
    }
    println!("{runs} of {count} plans tried, the fault struck in {struck}");
    assert!(
        struck * 10 >= runs * 7,
        "{struck} of {runs}: the plans do not fit what the operator does"
    );
}

/// How many plans were tried, and in how many of them the fault struck.
#[derive(Clone, Copy, Default)]
struct Tried {
    runs: u32,
    struck: u32,
}

/// What each plan led to must be right. None is begun after `end`.
async fn tried(stages: &[Stage], plans: Vec<Plan>, end: Option<Instant>) -> Tried {
    let tried = Cell::new(Tried::default());
    let each = async |stage: &Stage, plan: Plan| {
        if end.is_some_and(|end| Instant::now() > end) {
            return Ok(());
        }
        let outcome = carry_out(stage, &plan).await?;
        assert_eq!(outcome.wrong, None, "{plan}\n{}", stage.log());
        let Tried { runs, struck } = tried.get();
        tried.set(Tried {
            runs: runs + 1,
            struck: struck + u32::from(outcome.fired),
        });
        Ok(())
    };
    share(stages, plans, each).await.unwrap();
    tried.get()
}

//! The small campaign: what must hold whatever goes wrong, tried at points that a seed chooses. `just campaign` tries all.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod patches;

use std::cell::Cell;
use std::time::{Duration, Instant};

use campaign::env::Env;
use campaign::plans::{carry_out, learn, mixed, share};
use campaign::workload;
use e2e::faults::plan::Plan;
use futures::future::try_join_all;
use rand::SeedableRng;

/// So many control planes at a time: most of a run is waiting.
const ENVS: usize = 4;

/// So long each of them tries; a machine that is slow tries fewer.
const LENGTH: Duration = Duration::from_secs(60);

/// Plans that failed once, each below a line that says why.
const KEPT: &str = include_str!("kept.plans");

/// Any fault may strike at any moment: the end is right, and what belongs to others is untouched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_ends_right_and_spares_others() {
    let seed: u64 = std::env::var("PULLSECRETS_E2E_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("PULLSECRETS_E2E_SEED={seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let envs = try_join_all((0..ENVS).map(|_| Env::start())).await.unwrap();
    let kept: Vec<Plan> = KEPT
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| line.parse().unwrap())
        .collect();
    let (count, struck) = (kept.len(), tried(&envs, kept, None).await.struck);
    println!("the fault struck in {struck} of {count} plans that failed once");

    let mut all = learn(&envs, workload::ALL.to_vec()).await.unwrap();
    let count = all.len();
    all.retain(|plan| !plan.fault.is_long());
    let Tried { runs, struck } = tried(&envs, mixed(all, &mut random), Some(Instant::now() + LENGTH)).await;
    for env in &envs {
        env.check_secrecy().await.unwrap();
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
async fn tried(envs: &[Env], plans: Vec<Plan>, end: Option<Instant>) -> Tried {
    let tried = Cell::new(Tried::default());
    let each = async |env: &Env, plan: Plan| {
        if end.is_some_and(|end| Instant::now() > end) {
            return Ok(());
        }
        let outcome = carry_out(env, &plan).await?;
        assert_eq!(outcome.wrong, None, "{plan}\n{}", env.log());
        let Tried { runs, struck } = tried.get();
        tried.set(Tried {
            runs: runs + 1,
            struck: struck + u32::from(outcome.fired),
        });
        Ok(())
    };
    share(envs, plans, each).await.unwrap();
    tried.get()
}

//! Every fault at every write, read and event of every workload: `just campaign`.
//!
//! One line of JSON for each run goes to `target/campaign.jsonl`. What is in there already is not run again, so that a
//! campaign goes on where it stopped; `--anew` begins from nothing. A plan as `--plan` repeats one run. Most of a run is
//! waiting, so several go on at a time, each with a control plane of its own (0.5 GiB).
//!
//! # Rooms
//!
//! Each line uses only lines below it; `.ci/checks walls` reads this.
//!
//! ```text
//! headline    what a reader wants to know first
//! output      a line for a person
//! ```

mod headline;
mod output;

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::bail;
use campaign::env::Env;
use campaign::plans::{carry_out, learn, share};
use campaign::run::Outcome;
use campaign::workload;
use clap::Parser;
use e2e::faults::plan::{Fault, Plan};
use futures::future::try_join_all;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use output::say;

#[derive(Parser)]
struct Arguments {
    /// Only these workloads; all without it.
    workloads: Vec<String>,
    /// Forget what was run before.
    #[arg(long)]
    anew: bool,
    /// Only this plan, as a line of JSON.
    #[arg(long)]
    plan: Option<Plan>,
    /// Every so-manieth plan only.
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: usize,
    /// Only faults of these classes, separated by commas: crash, answer, failover, outage...
    #[arg(long, value_delimiter = ',')]
    class: Vec<String>,
    /// Leave out what takes longer than ten seconds.
    #[arg(long)]
    short: bool,
    /// Stop after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// How many plans are carried out at a time, each on a control plane of its own.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Say what was found so far, and run nothing.
    #[arg(long)]
    headline: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let path = PathBuf::from("target/campaign.jsonl");
    if arguments.headline {
        return headline::report(&path);
    }
    if let Some(plan) = &arguments.plan {
        let env = Env::start().await?;
        let outcome = carry_out(&env, plan).await?;
        say(&format!("{}", json!(outcome)))?;
        return match outcome.wrong {
            None => Ok(()),
            Some(_) => bail!("not as it must be\n{}", env.log()),
        };
    }
    if arguments.anew {
        // It may not be there.
        let _ = std::fs::remove_file(&path);
    }
    let envs = try_join_all((0..arguments.jobs.max(1)).map(|_| Env::start())).await?;
    let done = done(&path);
    let all = choose(&envs, &arguments).await?;
    say(&format!("{} plans", all.len()))?;
    let left: Vec<&Plan> = all.iter().filter(|plan| !done.contains(&plan.to_string())).collect();
    let bar = ProgressBar::new(u64::try_from(all.len())?).with_style(ProgressStyle::with_template(
        "{wide_bar} {pos}/{len} {eta} left, {msg}",
    )?);
    bar.inc(u64::try_from(all.len() - left.len())?);
    let file = RefCell::new(OpenOptions::new().create(true).append(true).open(&path)?);
    let failures = RefCell::new(0);
    let end = arguments
        .seconds
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    share(&envs, left, async |env, plan| {
        if end.is_some_and(|end| Instant::now() > end) {
            return Ok(());
        }
        let outcome = carry_out(env, plan).await?;
        writeln!(file.borrow_mut(), "{}", line(plan, &outcome))?;
        if let Some(wrong) = &outcome.wrong {
            let failure = failures.replace_with(|failures| *failures + 1) + 1;
            bar.suspend(|| say(&format!("{plan}\n  {wrong}")))?;
            let log = format!("target/campaign-failure-{failure}.log");
            std::fs::write(log, format!("{plan}\n{wrong}\n{}", env.log()))?;
        }
        bar.inc(1);
        bar.set_message(format!("{} wrong", failures.borrow()));
        Ok(())
    })
    .await?;
    bar.finish();
    for env in envs {
        if let Err(leak) = env.check_secrecy().await {
            bail!("a credential is where it must not be: {leak}");
        }
    }
    headline::report(&path)
}

async fn choose(envs: &[Env], arguments: &Arguments) -> anyhow::Result<Vec<Plan>> {
    let named = |name: &&str| arguments.workloads.iter().any(|chosen| chosen == name);
    let chosen = workload::ALL
        .into_iter()
        .filter(|name| arguments.workloads.is_empty() || named(name));
    let mut all = learn(envs, chosen.collect()).await?;
    let wanted = |fault: Fault| {
        let class = arguments.class.is_empty() || arguments.class.iter().any(|class| class == fault.class());
        class && !(arguments.short && fault.is_long())
    };
    all.retain(|plan| wanted(plan.fault));
    let chosen = all.into_iter().skip(arguments.from);
    Ok(chosen.step_by(arguments.every.max(1)).collect())
}

fn line(plan: &Plan, outcome: &Outcome) -> Value {
    json!({
        "plan": plan, "class": plan.fault.class(), "fired": outcome.fired, "recovery": outcome.recovery,
        "writes": outcome.writes, "wrong": outcome.wrong,
    })
}

fn done(path: &Path) -> HashSet<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let plan = |line: &str| {
        let value: Value = serde_json::from_str(line).ok()?;
        let plan: Plan = serde_json::from_value(value["plan"].clone()).ok()?;
        Some(plan.to_string())
    };
    text.lines().filter_map(plan).collect()
}

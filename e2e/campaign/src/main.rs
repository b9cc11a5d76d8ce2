//! `just campaign`: every fault at every write, read and event of every workload.
//!
//! One line of JSON for each run goes to `target/campaign.jsonl`. Runs in that file are skipped, so that a campaign
//! continues where it stopped; `--anew` starts over. A plan as `--plan` repeats one run. Runs mostly wait, so several
//! of them run at a time, each with its own control plane (0.5 GiB).
//!
//! # Rooms
//!
//! Each line uses only lines below it; `.ci/checks walls` reads this.
//!
//! ```text
//! headline    the summary of a campaign
//! output      a line for people
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
    /// Only these workloads; all by default.
    workloads: Vec<String>,
    /// Discard the results of earlier runs.
    #[arg(long)]
    anew: bool,
    /// Only this plan, as a line of JSON.
    #[arg(long)]
    plan: Option<Plan>,
    /// Only one plan in this many.
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// Index of the first of them.
    #[arg(long, default_value_t = 0)]
    from: usize,
    /// Only faults of these classes, separated by commas: crash, answer, failover, outage...
    #[arg(long, value_delimiter = ',')]
    class: Vec<String>,
    /// Leave out runs that take longer than ten seconds.
    #[arg(long)]
    short: bool,
    /// Stop after this many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Number of concurrent runs, each on its own control plane.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Print the results so far, without a run.
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
        // The file may not exist.
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
            bail!("a credential is in a wrong place: {leak}");
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

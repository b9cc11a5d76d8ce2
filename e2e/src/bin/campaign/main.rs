//! Every fault at every write and every event of every workload: `just campaign`.
//!
//! One line of JSON for each run goes to `target/campaign.jsonl`. What is in there already is not run again, so that a
//! campaign goes on where it stopped; `--anew` begins from nothing. A plan as `--plan` repeats one run.

use std::collections::{BTreeMap, HashSet};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Parser;
use e2e::faults::campaign::plans;
use e2e::faults::plan::Plan;
use e2e::faults::run::{Outcome, run};
use e2e::faults::stage::Stage;
use e2e::faults::workload;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

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
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let stage = Stage::start().await?;
    if let Some(plan) = &arguments.plan {
        let outcome = run(&stage, &plan.workload, Some((plan.trigger.clone(), plan.fault))).await?;
        say(&format!("{}", json!(outcome)))?;
        return match outcome.wrong {
            None => Ok(()),
            Some(_) => bail!("not as it must be\n{}", stage.log()),
        };
    }
    let path = PathBuf::from("target/campaign.jsonl");
    if arguments.anew {
        // It may not be there.
        let _ = std::fs::remove_file(&path);
    }
    let done = done(&path);
    let all = learn(&stage, &arguments).await?;
    let left: Vec<&Plan> = all.iter().filter(|plan| !done.contains(&plan.to_string())).collect();
    let bar = ProgressBar::new(u64::try_from(all.len())?).with_style(ProgressStyle::with_template(
        "{wide_bar} {pos}/{len} {eta} left, {msg}",
    )?);
    bar.inc(u64::try_from(all.len() - left.len())?);
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let mut failures = 0;
    for plan in left {
        let strike = Some((plan.trigger.clone(), plan.fault));
        let outcome = run(&stage, &plan.workload, strike).await?;
        writeln!(file, "{}", line(plan, &outcome))?;
        if let Some(wrong) = &outcome.wrong {
            failures += 1;
            bar.suspend(|| say(&format!("{plan}\n  {wrong}")))?;
            let log = format!("target/campaign-failure-{failures}.log");
            std::fs::write(log, stage.log())?;
        }
        bar.inc(1);
        bar.set_message(format!("{failures} wrong"));
    }
    bar.finish();
    headline(&path)
}

async fn learn(stage: &Stage, arguments: &Arguments) -> anyhow::Result<Vec<Plan>> {
    let chosen: Vec<&str> = workload::ALL
        .into_iter()
        .filter(|name| arguments.workloads.is_empty() || arguments.workloads.iter().any(|chosen| chosen == name))
        .collect();
    let mut all = Vec::new();
    for workload in chosen {
        let clean = run(stage, workload, None).await?;
        if let Some(wrong) = clean.wrong {
            bail!("{workload}, and nothing went wrong: {wrong}\n{}", stage.log());
        }
        all.extend(plans(workload, &clean));
    }
    Ok(all.into_iter().step_by(arguments.every.max(1)).collect())
}

fn line(plan: &Plan, outcome: &Outcome) -> Value {
    json!({
        "plan": plan, "class": plan.fault.class(), "fired": outcome.fired, "recovery": outcome.recovery,
        "writes": outcome.writes, "wrong": outcome.wrong,
    })
}

fn done(path: &PathBuf) -> HashSet<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let plan = |line: &str| {
        let value: Value = serde_json::from_str(line).ok()?;
        let plan: Plan = serde_json::from_value(value["plan"].clone()).ok()?;
        Some(plan.to_string())
    };
    text.lines().filter_map(plan).collect()
}

/// What a reader wants to know first.
fn headline(path: &PathBuf) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).context("the record of the campaign")?;
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let fired: Vec<&Value> = lines.iter().filter(|line| line["fired"] == true).collect();
    let wrong = lines.iter().filter(|line| !line["wrong"].is_null()).count();
    say(&format!(
        "{} plans, {} in which the fault struck, {wrong} wrong",
        lines.len(),
        fired.len()
    ))?;
    let mut classes: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for line in &fired {
        let class = line["class"].as_str().unwrap_or_default();
        classes
            .entry(class)
            .or_default()
            .push(line["recovery"].as_f64().unwrap_or_default());
    }
    for (class, mut seconds) in classes {
        seconds.sort_by(f64::total_cmp);
        let at = |share: usize| seconds[(seconds.len() - 1) * share / 100];
        let (half, most, all) = (at(50), at(99), at(100));
        say(&format!(
            "{class:<12} {:>5} runs, right again after p50 {half:.1} s, p99 {most:.1} s, max {all:.1} s",
            seconds.len()
        ))?;
    }
    if wrong > 0 {
        bail!("{wrong} runs did not end as they must");
    }
    Ok(())
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("standard output")
}

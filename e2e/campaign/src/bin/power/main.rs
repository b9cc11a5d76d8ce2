//! Power of the campaign: builds the operator or the tool with each bug of `e2e/bugs`, and reports which oracle notices
//! it. `just power`.
//!
//! Each plan and each test runs first with the unchanged programs, where no oracle may report an error. One line of JSON
//! for each bug goes to `target/power.jsonl`.
//!
//! # Rooms
//!
//! ```text
//! build · suite  an operator with a bug · tests of the suites that notice one
//! ```

mod build;
mod suite;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use campaign::bugs::{self, Bug, Try};
use campaign::env::Env;
use campaign::run::{Outcome, run};
use campaign::verdict::Wrong;
use clap::Parser;
use e2e::binaries;
use e2e::wait::blocking;
use serde_json::json;

#[derive(Parser)]
struct Arguments {
    /// Only these bugs; all by default.
    bugs: Vec<String>,
    /// Build them without running.
    #[arg(long)]
    only_build: bool,
    /// Run the builds of an earlier run.
    #[arg(long, conflicts_with = "only_build")]
    built: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut bugs = bugs::all()?;
    bugs.retain(|bug| arguments.bugs.is_empty() || arguments.bugs.contains(&bug.name));
    if !arguments.built {
        let all = bugs.clone();
        blocking(move || all.iter().try_for_each(build::build)).await?;
    }
    if arguments.only_build {
        return Ok(());
    }
    let sound = blocking(binaries::operator).await?;
    tests_pass(&bugs, &sound).await?;
    let mut env = Env::with(sound).await?;
    env.lift_policies().await?;
    let mut tried: Vec<&Try> = Vec::new();
    for attempt in bugs.iter().flat_map(|bug| &bug.tries) {
        if tried.contains(&attempt) {
            continue;
        }
        tried.push(attempt);
        let outcome = carry_out(&env, attempt).await?;
        if let Some(wrong) = outcome.wrong {
            bail!("a false alarm: {}: {wrong}\n{}", outcome.plan, env.log());
        }
        if attempt.strike.is_some() && !outcome.fired {
            bail!("the fault does not strike: {}", outcome.plan);
        }
    }
    say(&format!("{} plans, no error with the unchanged operator", tried.len()))?;

    let mut file = std::fs::File::create("target/power.jsonl")?;
    let mut missed = Vec::new();
    for bug in &bugs {
        if !bug.of_tool {
            env.replace(build::binary(bug));
        }
        let caught = catch(&env, bug).await?;
        let failed = failed_test(bug).await?;
        let wrong = caught.as_ref().map(|(wrong, _)| wrong);
        let plan = caught.as_ref().map(|(_, plan)| plan);
        writeln!(
            file,
            "{}",
            json!({"bug": bug.name, "seeds": bug.seeds, "caught": wrong, "plan": plan, "test": failed})
        )?;
        if let Some((wrong, plan)) = &caught {
            let what = wrong.what.lines().next().unwrap_or_default();
            let oracle = wrong.oracle.to_string();
            say(&format!("{:<18} {oracle:<16} {plan}\n{:<18} {what}", bug.name, ""))?;
        } else if let Some(test) = failed {
            say(&format!("{:<18} {:<16} {test}", bug.name, "suite"))?;
        } else {
            missed.push(bug.name.as_str());
            say(&format!("{:<18} NOT NOTICED      {}", bug.name, bug.seeds))?;
        }
    }
    say(&format!("{} of {} bugs noticed", bugs.len() - missed.len(), bugs.len()))?;
    if !missed.is_empty() {
        bail!("not noticed: {}", missed.join(", "));
    }
    Ok(())
}

async fn catch(env: &Env, bug: &Bug) -> anyhow::Result<Option<(Wrong, String)>> {
    for attempt in &bug.tries {
        let outcome = carry_out(env, attempt).await?;
        if let Some(wrong) = outcome.wrong {
            return Ok(Some((wrong, outcome.plan)));
        }
    }
    Ok(None)
}

/// Runs each test with the unchanged operator and tool.
async fn tests_pass(bugs: &[Bug], sound: &Path) -> anyhow::Result<()> {
    let tests: BTreeSet<&String> = bugs.iter().flat_map(|bug| &bug.tests).collect();
    for test in tests {
        let (name, operator) = (test.clone(), sound.to_owned());
        let passes = blocking(move || suite::passes(&name, suite::OPERATOR, &operator)).await?;
        ensure!(passes, "a false alarm: the test {test} fails");
    }
    Ok(())
}

/// Returns the first test that fails with this bug.
async fn failed_test(bug: &Bug) -> anyhow::Result<Option<String>> {
    for test in &bug.tests {
        let (name, binary) = (test.clone(), build::binary(bug));
        let variable = if bug.of_tool { suite::TOOL } else { suite::OPERATOR };
        if !blocking(move || suite::passes(&name, variable, &binary)).await? {
            return Ok(Some(test.clone()));
        }
    }
    Ok(None)
}

async fn carry_out(env: &Env, attempt: &Try) -> anyhow::Result<Outcome> {
    run(env, &attempt.workload, attempt.strike.clone()).await
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("standard output")
}

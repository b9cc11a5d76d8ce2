//! Headline: the summary of a campaign.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use campaign::verdict::Oracle;
use e2e::faults::plan::{Fault, Plan};
use serde_json::Value;

use crate::output::say;

/// Prints the summary of the record, and returns an error if a run in it is wrong.
pub(crate) fn report(path: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).context("the record of the campaign")?;
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let fired: Vec<&Value> = lines.iter().filter(|line| line["fired"] == true).collect();
    say(&format!(
        "{} plans, {} in which the fault struck; the other {} are no evidence",
        lines.len(),
        fired.len(),
        lines.len() - fired.len()
    ))?;
    let count = |oracle: Oracle| {
        let named = |line: &&Value| line["wrong"]["oracle"] == serde_json::json!(oracle);
        (lines.iter().filter(named).count(), oracle)
    };
    let counts: Vec<String> = Oracle::ALL
        .map(count)
        .iter()
        .map(|(count, oracle)| format!("{count} {oracle}"))
        .collect();
    say(&counts.join(", "))?;
    let mut classes: BTreeMap<&str, (Fault, Vec<f64>)> = BTreeMap::new();
    for line in fired.iter().filter(|line| line["wrong"].is_null()) {
        let plan: Plan = serde_json::from_value(line["plan"].clone())?;
        let class = classes.entry(plan.fault.class()).or_insert((plan.fault, Vec::new()));
        class.1.push(line["recovery"].as_f64().unwrap_or_default());
        if plan.fault.bound() > class.0.bound() {
            class.0 = plan.fault;
        }
    }
    for (class, (longest, mut seconds)) in classes {
        seconds.sort_by(f64::total_cmp);
        let at = |share: usize| seconds[(seconds.len() - 1) * share / 100];
        let (half, most, all) = (at(50), at(99), at(100));
        say(&format!(
            "{class:<12} {:>5} runs, right again after p50 {half:.1} s, p99 {most:.1} s, max {all:.1} s; bound {} s",
            seconds.len(),
            longest.bound().as_secs()
        ))?;
    }
    let wrong = lines.iter().filter(|line| !line["wrong"].is_null()).count();
    if wrong > 0 {
        bail!("{wrong} runs ended with an error");
    }
    Ok(())
}

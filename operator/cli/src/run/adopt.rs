//! `adopt`.

mod apply;
mod single;
mod undo;

use super::command::Command;
use super::contexts::Contexts;
use super::exit::{Exit, NOTHING_WRITTEN, Stop};
use super::{dump, printed};
use crate::adopt::{AdoptReport, ContextPlan, Leftovers, Options, Plan, Verdict};
use crate::args::{AdoptArgs, AdoptFormat, Cli, OPERATOR_NAMESPACE};
use crate::cluster::{Connected, Failure};
use crate::input;
use crate::output::{AdoptText, Bar, Bars, Terminal, asks, json, manifests, note};
use single::Work;

pub(super) async fn run(cli: &Cli, args: &AdoptArgs) -> Result<Exit, Stop> {
    let writes = args.writes();
    if writes && args.output == AdoptFormat::Yaml {
        return Err(Stop(
            "-o yaml prints objects for Git: leave --apply, --undo and --dry-run out".to_owned(),
        ));
    }
    if writes && args.dry_run.is_none() && !args.yes && !asks() {
        return Err(Stop::no_terminal());
    }
    let selects = |namespace: &str| args.namespaces.selects(namespace);
    let options = options(args, &selects);
    let (contexts, said) = if !args.from_dump.is_empty() {
        (vec![of_dump(args, &options).await?], Exit::Clean)
    } else if writes {
        written(cli, args, &options).await?
    } else {
        (planned(cli, args, &options).await?, Exit::Clean)
    };
    if contexts.is_empty() && said == Exit::Interrupted {
        note(NOTHING_WRITTEN);
        return Ok(said);
    }
    let report = AdoptReport::of(contexts);
    let next = next(cli, args, &report).filter(|_| !writes);
    let wrote = report.contexts.iter().any(|context| !context.written.is_empty());
    show(args, &report, wrote && args.dry_run.is_none(), next.as_deref())?;
    // After a dry run or an undo, the plan is as open as before.
    let counts = !args.undo && args.dry_run.is_none();
    Ok(Exit::of(report.complete, counts && report.has_findings()).max(said))
}

fn options<'a>(args: &'a AdoptArgs, selects: &'a dyn Fn(&str) -> bool) -> Options<'a> {
    Options {
        from: &args.from,
        align: args.align,
        source: args.source.as_deref(),
        operator_namespace: &args.operator_namespace,
        selects,
    }
}

async fn of_dump(args: &AdoptArgs, options: &Options<'_>) -> Result<ContextPlan, Stop> {
    let seen = Leftovers::new(rand::random(), 0);
    let mut seen = dump::each(&args.from_dump, input::DUMP, seen, Leftovers::add_dump).await?;
    seen.end_dump();
    Ok(context(dump::NAME, seen.unread.clone(), Plan::of(&seen, options)))
}

/// The plan of each context, without a write.
async fn planned(cli: &Cli, args: &AdoptArgs, options: &Options<'_>) -> Result<Vec<ContextPlan>, Stop> {
    let contexts = Contexts::connect(cli).await?;
    let work = async |connected: &Connected, bar: &Bar| {
        let seen = read(connected, rand::random(), bar).await?;
        Ok(context(&connected.name, seen.unread.clone(), Plan::of(&seen, options)))
    };
    let outcomes = contexts.each(args.output == AdoptFormat::Table, work).await;
    let plans = outcomes.into_iter().map(|outcome| {
        let unreachable = |failure: Failure| ContextPlan::unreachable(&outcome.context, failure.to_string());
        outcome.result.unwrap_or_else(unreachable)
    });
    Ok(plans.collect())
}

/// `key` is that of all digests. Contents under different keys cannot be compared.
async fn read(connected: &Connected, key: [u8; 16], bar: &Bar) -> Result<Leftovers, Failure> {
    connected.leftovers(key, now(), bar).await
}

/// Now, in seconds of Unix time.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn context(name: &str, unread: Vec<String>, plan: Plan) -> ContextPlan {
    ContextPlan {
        context: name.to_owned(),
        groups: plan.groups.into_iter().map(|(group, _)| group).collect(),
        alone: plan.alone,
        notes: plan.notes,
        unread,
        ..ContextPlan::default()
    }
}

/// Carries out one context after the other, so that a person sees what is asked. The code is that of what a person said:
/// no, or an interrupt.
async fn written(cli: &Cli, args: &AdoptArgs, options: &Options<'_>) -> Result<(Vec<ContextPlan>, Exit), Stop> {
    let contexts = tokio::select! {
        contexts = Contexts::connect(cli) => contexts?,
        _ = tokio::signal::ctrl_c() => return Ok((Vec::new(), Exit::Interrupted)),
    };
    let mut plans = Vec::new();
    let mut said = Exit::Clean;
    let all = async {
        for (name, connected) in contexts.by_name() {
            let plan = match connected {
                Ok(connected) => one(cli, args, options, connected).await,
                Err(failure) => Err(failure.to_string()),
            };
            let unreachable = |why| (ContextPlan::unreachable(name, why), Exit::Clean);
            let (plan, answer) = plan.unwrap_or_else(unreachable);
            said = said.max(answer);
            plans.push(plan);
        }
    };
    let interrupted = tokio::select! {
        () = all => false,
        _ = tokio::signal::ctrl_c() => true,
    };
    if interrupted {
        said = Exit::Interrupted;
        let why = "interrupted: what was written stays. The same command goes on from there";
        let open = contexts.by_name().skip(plans.len());
        plans.extend(open.map(|(name, _)| ContextPlan::unreachable(name, why.to_owned())));
    }
    Ok((plans, said))
}

/// The code is that of the answer of a person.
async fn one(
    cli: &Cli,
    args: &AdoptArgs,
    options: &Options<'_>,
    connected: &Connected,
) -> Result<(ContextPlan, Exit), String> {
    let bars = Bars::new(false, &[]);
    let bar = bars.add(&connected.name);
    let run = Work {
        connected,
        key: rand::random(),
        dry_run: args.dry_run.is_some(),
        options: *options,
        bar: &bar,
        quiet: cli.quiet,
    };
    let seen = read(connected, run.key, &bar)
        .await
        .map_err(|failure| failure.to_string())?;
    let plan = Plan::of(&seen, options);
    let before = context(&connected.name, seen.unread.clone(), plan.clone());
    if !seen.is_complete() {
        // A tool that cannot be seen may run.
        let why = "nothing was written, because not everything could be read".to_owned();
        let error = Some(why);
        return Ok((ContextPlan { error, ..before }, Exit::Clean));
    }
    let mut written = Vec::new();
    let done = if args.undo {
        undone(args, &run, &seen, &mut written).await
    } else {
        applied(args, &run, (&before, plan, seen), &mut written).await
    };
    let error = match done {
        Err(Ended::Declined) => {
            note(&format!("context {}: nothing was written", connected.name));
            return Ok((before, Exit::Findings));
        }
        Err(Ended::Failed(why)) => Some(why),
        Ok(()) => None,
    };
    let plan = if args.dry_run.is_some() {
        before
    } else {
        // The last look, also after an error: it says what is left.
        let after = read(connected, run.key, &bar)
            .await
            .map_err(|failure| failure.to_string())?;
        context(&connected.name, after.unread.clone(), Plan::of(&after, options))
    };
    Ok((ContextPlan { error, written, ..plan }, Exit::Clean))
}

/// What ended the work on a context early.
enum Ended {
    /// A person said no, before the first write.
    Declined,
    /// Why it could not go on.
    Failed(String),
}

impl From<String> for Ended {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

async fn applied(
    args: &AdoptArgs,
    run: &Work<'_>,
    (before, plan, seen): (&ContextPlan, Plan, Leftovers),
    written: &mut Vec<String>,
) -> Result<(), Ended> {
    let proposals: Vec<_> = plan
        .groups
        .into_iter()
        .filter(|(group, _)| group.verdict == Verdict::Adopt)
        .filter_map(|(_, proposal)| proposal)
        .collect();
    if proposals.is_empty() {
        return Ok(());
    }
    if args.output == AdoptFormat::Table && args.dry_run.is_none() && !args.yes {
        let report = AdoptReport::of(vec![before.clone()]);
        show(args, &report, true, None).map_err(|Stop(why)| why)?;
    }
    let copies: usize = proposals.iter().map(|proposal| proposal.members.len()).sum();
    let what = format!(
        "Adopt {copies} Secrets in {} groups of context {}? [y/N] ",
        proposals.len(),
        before.context
    );
    agreed(args, what).await?;
    let mut seen = seen;
    for proposal in proposals {
        run.group(&mut seen, proposal, written).await?;
    }
    Ok(())
}

async fn undone(args: &AdoptArgs, run: &Work<'_>, seen: &Leftovers, written: &mut Vec<String>) -> Result<(), Ended> {
    let all = crate::adopt::undoable(seen, &run.options);
    if all.is_empty() {
        return Ok(());
    }
    for undo in &all {
        let (secret, count) = (&undo.secret, undo.namespaces.len());
        note(&format!(
            "{secret}: {count} Secrets stay and get the marks of their tool again; the ClusterPullSecret goes"
        ));
        if undo.others > 0 {
            note(&format!(
                "{secret}: {} copies that the operator made itself stay, and nothing updates them",
                undo.others
            ));
        }
    }
    agreed(args, "Give them back? [y/N] ".to_owned()).await?;
    for undo in all {
        run.undo(seen, &undo, written).await?;
    }
    Ok(())
}

async fn agreed(args: &AdoptArgs, question: String) -> Result<(), Ended> {
    if args.yes || args.dry_run.is_some() || input::ask(question).await {
        return Ok(());
    }
    Err(Ended::Declined)
}

fn show(args: &AdoptArgs, report: &AdoptReport, applied: bool, next: Option<&str>) -> Result<(), Stop> {
    let text = match args.output {
        AdoptFormat::Json => json(report)?,
        AdoptFormat::Yaml => manifests(report)?,
        AdoptFormat::Table => AdoptText {
            report,
            terminal: Terminal::of_the_process(),
            applied,
            next,
        }
        .text(),
    };
    printed(&text)?;
    Ok(())
}

/// The command that carries the plan out.
fn next(cli: &Cli, args: &AdoptArgs, report: &AdoptReport) -> Option<String> {
    let mut groups = report.contexts.iter().flat_map(|context| &context.groups);
    groups.find(|group| group.verdict == Verdict::Adopt)?;
    let mut command = Command::of("adopt");
    args.from.iter().for_each(|from| command.flag("--from", from));
    command.contexts(&cli.connection);
    command.namespaces(&args.namespaces);
    if args.align {
        command.word("--align");
    }
    if let Some(source) = &args.source {
        command.flag("--source", source);
    }
    if args.operator_namespace != OPERATOR_NAMESPACE {
        command.flag("--operator-namespace", &args.operator_namespace);
    }
    command.word("--apply");
    Some(format!("{}   (or -o yaml, for Git)", command.text()))
}

#[cfg(test)]
mod tests;

//! `rollout`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, stderr, stdin};
use std::path::{Path, PathBuf};

use super::contexts::{Contexts, Outcome};
use super::exit::{Exit, NOTHING_WRITTEN, Stop};
use super::{dump, printed};
use crate::args::{Cli, OPERATOR_NAMESPACE, RolloutArgs, RolloutFormat};
use crate::cluster::Connected;
use crate::input;
use crate::output::{self, Bar, Terminal, json, note, yaml};
use crate::rollout::{
    self, ContextReport, Given, Installation, Left, Report, Rollout, Wanted, names, of_files, of_login, summary, table,
};

/// Contexts at a time. Most of the time is spent waiting, which costs one small request a second.
const AT_ONCE: usize = 64;

/// What is known before the first write.
struct Prepared<'a> {
    wanted: Wanted,
    installation: Option<Installation>,
    contexts: Contexts<'a>,
}

pub(super) async fn run(cli: &Cli, args: &RolloutArgs) -> Result<Exit, Stop> {
    let prepared = tokio::select! {
        prepared = prepared(cli, args) => prepared?,
        _ = tokio::signal::ctrl_c() => {
            note(NOTHING_WRITTEN);
            return Ok(Exit::Interrupted);
        }
    };
    let Some(prepared) = prepared else {
        note("nothing was written");
        return Ok(Exit::Findings);
    };
    let report = rolled_out(args, &prepared).await;
    printed(&text(args, &report)?)?;
    for context in report.contexts.iter().filter(|_| !cli.quiet) {
        for text in &context.notes {
            note(&format!("context {}: {text}", context.context));
        }
    }
    if report.interrupted {
        if !cli.quiet {
            note("interrupted: what was written stays. The same command goes on from there");
        }
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::of(report.complete, report.has_findings()))
}

/// Reads and checks what is wanted, connects the contexts, shows both, and asks. None: the answer was no.
async fn prepared<'a>(cli: &'a Cli, args: &RolloutArgs) -> Result<Option<Prepared<'a>>, Stop> {
    let asks = !args.yes && args.dry_run.is_none();
    // What standard input brings takes the place of a person there.
    let reads_input = args.password_stdin || args.files.iter().any(|file| file == Path::new("-"));
    let terminal = input::terminal().filter(|_| reads_input);
    let can_ask = if reads_input {
        stderr().is_terminal() && terminal.is_some()
    } else {
        output::asks()
    };
    if asks && !can_ask {
        return Err(Stop::no_terminal());
    }
    if args.install && args.operator_namespace != OPERATOR_NAMESPACE {
        return Err(Stop(format!(
            "--install installs into the namespace {OPERATOR_NAMESPACE}"
        )));
    }
    let wanted = wanted(args).await?;
    let installation = args
        .install
        .then(|| Installation::new(args.image.as_deref()))
        .transpose()?;
    let prepared = Prepared {
        wanted,
        installation,
        contexts: Contexts::connect(cli).await?,
    };
    if asks || !cli.quiet {
        note(&plan(args, &prepared));
    }
    let question = "Go on? [y/N] ".to_owned();
    let goes_on = match terminal {
        _ if !asks => true,
        Some(terminal) => input::ask_at(terminal, question).await,
        None => input::ask(question).await,
    };
    Ok(goes_on.then_some(prepared))
}

async fn wanted(args: &RolloutArgs) -> Result<Wanted, Stop> {
    let wrong = |wrong: Vec<String>| Stop(wrong.join("\nerror: "));
    let Some(server) = &args.server else {
        let add =
            |all: &mut Vec<(String, String)>, file: &str, text: &str| all.push((file.to_owned(), text.to_owned()));
        let texts = dump::each(&args.files, input::MANIFESTS, Vec::new(), add).await?;
        return of_files(&texts, &args.operator_namespace).map_err(wrong);
    };
    let mut password = String::new();
    if args.password_stdin {
        if stdin().is_terminal() {
            return Err(Stop(
                "--password-stdin shows what is typed: give it a pipe or a file, for example < password.txt".to_owned(),
            ));
        }
        let set = |password: &mut String, _: &str, text: &str| text.clone_into(password);
        password = dump::each(&[PathBuf::from("-")], input::PASSWORD, password, set).await?;
    }
    let login = args.username.as_deref().map(|username| (username, password.as_str()));
    let given = Given {
        server,
        login: login.filter(|_| args.password_stdin),
        excluded: &args.excluded,
        name: args.name.as_deref(),
        operator_namespace: &args.operator_namespace,
    };
    of_login(given).map_err(wrong)
}

/// What is going to be done where.
fn plan(args: &RolloutArgs, prepared: &Prepared<'_>) -> String {
    let Prepared {
        wanted,
        installation,
        contexts,
    } = prepared;
    let indented = |line: String| format!("  {line}");
    let mut lines = vec![if args.delete { "To remove:" } else { "To apply:" }.to_owned()];
    lines.extend(installation.iter().map(Installation::line).map(indented));
    lines.extend(wanted.lines().into_iter().map(indented));
    for (namespace, name) in wanted.sources_elsewhere() {
        if !args.delete {
            lines.push(format!(
                "  not given: Secret {namespace}/{name}, which each cluster must have"
            ));
        }
    }
    let count = contexts.by_name().count();
    let many = if count == 1 { "context" } else { "contexts" };
    lines.push(match (args.delete, args.dry_run.is_some()) {
        (true, false) => format!("with all copies, from {count} {many}:"),
        (true, true) => format!("with all copies, from {count} {many}, as a dry run that stores nothing:"),
        (false, false) => format!("in {count} {many}:"),
        (false, true) => format!("in {count} {many}, as a dry run that stores nothing:"),
    });
    let width = contexts
        .by_name()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    for (name, connected) in contexts.by_name() {
        let server = match connected {
            Ok(connected) => connected.host().to_owned(),
            Err(failure) => format!("left out: {failure}"),
        };
        lines.push(format!("  {name:width$}   {server}"));
    }
    lines.join("\n")
}

/// Does the work in all contexts. The first interrupt lets the writes in flight end, and the second does not.
async fn rolled_out(args: &RolloutArgs, prepared: &Prepared<'_>) -> Report {
    let contexts = &prepared.contexts;
    let (stop, stopped) = rollout::Stop::new();
    let reports: BTreeMap<String, RefCell<ContextReport>> = contexts
        .by_name()
        .map(|(name, _)| {
            let report = ContextReport {
                context: name.to_owned(),
                ..ContextReport::default()
            };
            (name.to_owned(), RefCell::new(report))
        })
        .collect();
    let rollout = Rollout {
        wanted: &prepared.wanted,
        install: prepared.installation.as_ref(),
        dry_run: args.dry_run.is_some(),
        force: args.force_conflicts,
        timeout: args.timeout,
        stop: &stopped,
    };
    let work = async |connected: &Connected, bar: &Bar| {
        if let Some(report) = reports.get(&connected.name) {
            if args.delete {
                rollout::remove(connected, bar, (rollout, &args.operator_namespace), report).await;
            } else {
                rollout::apply(connected, bar, rollout, report).await;
            }
        }
        Ok(())
    };
    let mut interrupted = false;
    let outcomes = {
        let mut all = Box::pin(contexts.each_of(AT_ONCE, !args.output.is_for_machines(), work));
        tokio::select! {
            outcomes = &mut all => outcomes,
            _ = tokio::signal::ctrl_c() => {
                interrupted = true;
                let _ = stop.send(true);
                tokio::select! {
                    outcomes = &mut all => outcomes,
                    _ = tokio::signal::ctrl_c() => Vec::new(),
                }
            }
        }
    };
    reported(reports, outcomes, args, interrupted)
}

fn reported(
    reports: BTreeMap<String, RefCell<ContextReport>>,
    outcomes: Vec<Outcome<()>>,
    args: &RolloutArgs,
    interrupted: bool,
) -> Report {
    let mut failures: BTreeMap<String, String> = outcomes
        .into_iter()
        .filter_map(|outcome| Some((outcome.context, outcome.result.err()?.to_string())))
        .collect();
    let contexts = reports.into_values().map(|report| {
        let mut report = report.into_inner();
        if let Some(why) = failures.remove(&report.context) {
            report.left.push(Left::incomplete(None, "NotSeen", why));
        } else if !report.finished {
            let why = "interrupted twice: whether the last write was made is not known";
            report.left.push(Left::incomplete(None, "Interrupted", why));
        }
        report
    });
    let mut report = Report {
        dry_run: args.dry_run.is_some(),
        interrupted,
        contexts: contexts.collect(),
        ..Report::default()
    };
    report.finish();
    report
}

fn text(args: &RolloutArgs, report: &Report) -> Result<String, Stop> {
    Ok(match args.output {
        RolloutFormat::Json => json(report)?,
        RolloutFormat::Yaml => yaml(report)?,
        RolloutFormat::Name => names(report),
        RolloutFormat::Table => {
            let left = table(report);
            let mut text = summary(report, args.delete);
            if !left.is_empty() {
                text.push('\n');
                text.push_str(&left.text(Terminal::of_the_process().width));
            }
            text
        }
    })
}

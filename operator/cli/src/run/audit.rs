//! `audit`.

use super::command::Command;
use super::contexts::Contexts;
use super::dump;
use super::exit::{Exit, Stop};
use super::printed;
use super::trials::evidence;
use crate::args::{AuditArgs, Cli, FailOn, Format};
use crate::audit::{Fails, Ignored, Options, Part, Report};
use crate::cluster::{Connected, Failure, Scope};
use crate::input;
use crate::output::{AuditText, Bar, Terminal, json, junit, names, yaml};
use crate::verdict::Evidence;

pub(super) async fn run(cli: &Cli, args: &AuditArgs) -> Result<Exit, Stop> {
    let options = options(cli, args)?;
    let parts = if args.selection.from_dump.is_empty() {
        parts(cli, args, &options).await?
    } else {
        if args.login.is_some() {
            return Err(Stop(
                "a login cannot be tried from a dump: leave --login or --from-dump out".to_owned(),
            ));
        }
        let world = dump::world(&args.selection.from_dump, &args.selection.namespaces).await?;
        vec![Part::of(dump::NAME, &world, &Evidence::default(), &options)]
    };
    let report = Report::of(parts, &options, args.plan);
    let text = text(cli, args, &report)?;
    printed(&text)?;
    let fails = match args.fail_on {
        FailOn::NextPod => Fails::NextPod,
        FailOn::Restart => Fails::OnRestart,
        FailOn::Now => Fails::Now,
    };
    Ok(match report.exit_code(fails) {
        0 => Exit::Clean,
        1 if args.exit_zero => Exit::Clean,
        1 => Exit::Findings,
        _ => Exit::Incomplete,
    })
}

fn options(cli: &Cli, args: &AuditArgs) -> Result<Options, Stop> {
    let ignored = match &args.ignore_file {
        None => Ignored::default(),
        Some(file) => {
            let parsed = Ignored::parse(&dump::text(file, input::IGNORED)?);
            parsed.map_err(|error| Stop(format!("{}: {error}", file.display())))?
        }
    };
    Ok(Options {
        servers: args.servers.clone(),
        excluded: Vec::new(),
        ignored,
        names_context: cli.connection.all_contexts || !cli.connection.contexts.is_empty(),
    })
}

async fn parts(cli: &Cli, args: &AuditArgs, options: &Options) -> Result<Vec<Part>, Stop> {
    let shows_progress = !args.output.is_for_machines();
    let contexts = Contexts::connect(cli).await?;
    let work = async |connected: &Connected, bar: &Bar| part(connected, bar, (args, cli.quiet), options).await;
    let outcomes = contexts.each(shows_progress, work).await;
    let parts = outcomes.into_iter().map(|outcome| {
        outcome
            .result
            .unwrap_or_else(|failure| Part::unreachable(&outcome.context, failure.to_string()))
    });
    Ok(parts.collect())
}

/// The snapshot of a context goes as soon as it is judged, so that few are held at a time.
async fn part(
    connected: &Connected,
    bar: &Bar,
    (args, quiet): (&AuditArgs, bool),
    options: &Options,
) -> Result<Part, Failure> {
    let scope = Scope {
        namespaces: &args.selection.namespaces,
        labels: args.selection.labels.as_deref(),
    };
    let mut world = connected.read(scope, bar).await?;
    bar.hide();
    let evidence = match evidence(connected, &mut world, (args, quiet), options).await {
        Ok(evidence) => evidence,
        Err(unseen) => {
            world.cannot_see(unseen);
            Evidence::default()
        }
    };
    Ok(Part::of(&connected.name, &world, &evidence, options))
}

fn text(cli: &Cli, args: &AuditArgs, report: &Report) -> Result<String, Stop> {
    let text = match args.output {
        Format::Json => json(report)?,
        Format::Yaml => yaml(report)?,
        Format::Junit => junit(report)?,
        Format::Name => names(report),
        Format::Table | Format::Wide => {
            let next = next(cli, args, report);
            let text = AuditText {
                report,
                wide: args.output == Format::Wide,
                everywhere: args.selection.namespaces.named.is_empty() && args.selection.namespaces.excluded.is_empty(),
                terminal: Terminal::of_the_process(),
                next: next.as_deref(),
            };
            text.text()
        }
    };
    Ok(text)
}

/// The command that follows. Where no server was named: the audit of the registry with the most workloads that are not
/// ready. Else the plan.
fn next(cli: &Cli, args: &AuditArgs, report: &Report) -> Option<String> {
    if args.plan || report.findings.is_empty() || !args.selection.from_dump.is_empty() {
        return None;
    }
    let registries = report.contexts.iter().flat_map(|context| context.registries.iter());
    let worst = registries.max_by_key(|registry| registry.workloads - registry.ready.min(registry.workloads))?;
    let mut command = Command::of("audit");
    if args.servers.is_empty() {
        command.word(&worst.registry);
    }
    args.servers.iter().for_each(|server| command.word(server.as_str()));
    command.contexts(&cli.connection);
    command.namespaces(&args.selection.namespaces);
    if !args.servers.is_empty() {
        command.word("--plan");
    }
    Some(command.text())
}

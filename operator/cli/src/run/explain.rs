//! `explain`.

use std::fmt::Write as _;

use serde::Serialize;

use super::contexts::Contexts;
use super::dump;
use super::exit::{Exit, Stop};
use super::printed;
use crate::args::{Cli, ExplainArgs, Namespaces, Subject, TextFormat};
use crate::audit::ApiVersion;
use crate::cluster::{Connected, Failure, Scope};
use crate::explain::{Explanation, Mark, Target, explain};
use crate::output::{Bar, Terminal, explanation_text, json, note, yaml};
use crate::verdict::Evidence;
use crate::world::{WorkloadId, World};

/// The explanations of all contexts.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    api_version: ApiVersion,
    kind: &'static str,
    complete: bool,
    explanations: Vec<InContext>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InContext {
    context: String,
    namespace: String,
    /// Why there is no explanation.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_seen: Vec<String>,
    #[serde(flatten)]
    explanation: Option<Explanation>,
}

pub(super) async fn run(cli: &Cli, args: &ExplainArgs) -> Result<Exit, Stop> {
    let subject = args.subject()?;
    let given = namespace(args)?;
    let explanations = if args.selection.from_dump.is_empty() {
        let names_context = cli.connection.all_contexts || !cli.connection.contexts.is_empty();
        let contexts = Contexts::connect(cli).await?;
        let work = async |connected: &Connected, bar: &Bar| {
            in_cluster(connected, bar, given.as_deref(), &subject, args, names_context).await
        };
        let outcomes = contexts.each(args.output.is_none(), work).await;
        let all = outcomes.into_iter().map(|outcome| {
            outcome.result.unwrap_or_else(|failure| InContext {
                context: outcome.context,
                namespace: given.clone().unwrap_or_default(),
                error: Some(failure.to_string()),
                not_seen: Vec::new(),
                explanation: None,
            })
        });
        all.collect()
    } else {
        let world = dump::world(&args.selection.from_dump, &Namespaces::default()).await?;
        let namespace = given.unwrap_or_else(|| "default".to_owned());
        vec![explained(&world, (dump::NAME, false), namespace, &subject, args)]
    };
    let all = Answer {
        kind: "ExplainReport",
        complete: explanations
            .iter()
            .all(|one| one.error.is_none() && one.not_seen.is_empty()),
        explanations,
        ..Answer::default()
    };
    let text = match args.output {
        Some(TextFormat::Json) => json(&all)?,
        Some(TextFormat::Yaml) => yaml(&all)?,
        None => text(&all, cli.quiet),
    };
    printed(&text)?;
    let explanations = all.explanations.iter().filter_map(|one| one.explanation.as_ref());
    let fails = explanations
        .flat_map(|one| &one.parts)
        .flat_map(|part| &part.steps)
        .any(|step| step.mark == Mark::Bad);
    Ok(Exit::of(all.complete, fails))
}

/// The one namespace that the flags name: of the account, or of `-n`.
fn namespace(args: &ExplainArgs) -> Result<Option<String>, Stop> {
    let of_account = args
        .account
        .as_deref()
        .and_then(|account| account.split_once('/'))
        .map(|(namespace, _)| namespace);
    let named = args.selection.namespaces.exact().unwrap_or_default();
    match (of_account, named) {
        (Some(namespace), _) => Ok(Some(namespace.to_owned())),
        (None, [namespace]) => Ok(Some(namespace.clone())),
        (None, []) if args.selection.namespaces.named.is_empty() => Ok(None),
        (None, _) => Err(Stop(
            "explain looks into one namespace: give one name with -n".to_owned(),
        )),
    }
}

async fn in_cluster(
    connected: &Connected,
    bar: &Bar,
    namespace: Option<&str>,
    subject: &Subject,
    args: &ExplainArgs,
    names_context: bool,
) -> Result<InContext, Failure> {
    let namespace = namespace.unwrap_or(&connected.namespace).to_owned();
    let namespaces = Namespaces {
        named: vec![namespace.clone()],
        excluded: Vec::new(),
    };
    let scope = Scope {
        namespaces: &namespaces,
        labels: None,
    };
    let world = connected.read(scope, bar).await?;
    Ok(explained(
        &world,
        (&connected.name, names_context),
        namespace,
        subject,
        args,
    ))
}

fn explained(
    world: &World,
    (context, names_context): (&str, bool),
    namespace: String,
    subject: &Subject,
    args: &ExplainArgs,
) -> InContext {
    let account = args
        .account
        .as_deref()
        .map(|account| account.split_once('/').map_or(account, |(_, name)| name));
    let target = match subject {
        Subject::Pod(name) => Target::Pod(name.as_str().into()),
        Subject::Workload(kind, name) => Target::Workload(WorkloadId::new(kind, name)),
        Subject::Account(name) => Target::Account(name.as_str().into()),
        Subject::Image(image) => Target::Image {
            image: image.as_str().into(),
            account: account.unwrap_or("default").into(),
        },
    };
    let named = names_context.then_some(context);
    let explanation = explain(world, &Evidence::default(), named, &namespace, &target);
    let (explanation, error) = match explanation {
        Ok(explanation) => (Some(explanation), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let unseen = world.unseen.iter().map(ToString::to_string);
    InContext {
        context: context.to_owned(),
        namespace,
        error,
        not_seen: unseen.chain(world.problems.iter().map(ToString::to_string)).collect(),
        explanation,
    }
}

fn text(all: &Answer, quiet: bool) -> String {
    let terminal = Terminal::of_the_process();
    let mut text = String::new();
    for one in &all.explanations {
        if all.explanations.len() > 1 {
            let _ = writeln!(text, "context {}", one.context);
        }
        if let Some(error) = &one.error {
            let _ = writeln!(text, "error: {error}");
        }
        if let Some(explanation) = &one.explanation {
            text.push_str(&explanation_text(explanation, terminal));
        }
        for not_seen in one.not_seen.iter().filter(|_| !quiet) {
            note(&format!("not seen: {not_seen}"));
        }
    }
    text
}

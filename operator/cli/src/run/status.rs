//! `status`.

use std::time::Duration;

use super::contexts::{Contexts, Outcome};
use super::exit::{Exit, Stop};
use super::printed;
use crate::args::{Cli, Format, StatusArgs};
use crate::cluster::{Connected, Failure};
use crate::output::{Bar, Terminal, json, yaml};
use crate::status::{ObjectState, States, Unread, deletion, overview, tree_of};
use crate::world::LAST_APPLIED;

/// How often `--watch` looks. The operator writes a status at most every few seconds.
const EVERY: Duration = Duration::from_secs(2);

pub(super) async fn run(cli: &Cli, args: &StatusArgs) -> Result<Exit, Stop> {
    if args.output == Format::Junit {
        return Err(Stop("status has no JUnit format: use -o json".to_owned()));
    }
    let mut before = String::new();
    let mut contexts = Contexts::connect(cli).await?;
    let name = args.name.as_deref();
    let shows_progress = !args.output.is_for_machines() && !args.watch;
    loop {
        let work = async |connected: &Connected, _: &Bar| objects(connected, name).await;
        let outcomes = contexts.each(shows_progress, work).await;
        if args.watch {
            contexts.renew(&outcomes).await;
        }
        let states = states(outcomes, name);
        let text = text(&states, args)?;
        if text != before {
            printed(&text)?;
            before = text;
        }
        if !args.watch {
            return Ok(Exit::of(states.complete, states.has_findings()));
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn states(outcomes: Vec<Outcome<Vec<ObjectState>>>, name: Option<&str>) -> States {
    let mut states = States::default();
    for outcome in outcomes {
        match outcome.result {
            Ok(objects) => states.objects.extend(objects),
            Err(failure) => states.unread.push(Unread {
                context: outcome.context,
                why: match (failure, name) {
                    (Failure::NotFound, Some(name)) => format!("there is no ClusterPullSecret {name}"),
                    (Failure::NotFound, None) => "the definition of ClusterPullSecrets is not installed".to_owned(),
                    (failure, _) => failure.to_string(),
                },
            }),
        }
    }
    states.finish();
    states
}

async fn objects(connected: &Connected, name: Option<&str>) -> Result<Vec<ObjectState>, Failure> {
    let objects = match name {
        Some(name) => vec![connected.cluster_pull_secret(name).await?],
        None => connected.cluster_pull_secrets().await?,
    };
    let mut states = Vec::new();
    for mut object in objects {
        object.metadata.managed_fields = None;
        let annotations = object.metadata.annotations.as_mut();
        // What kubectl apply keeps there repeats the object.
        annotations.map(|annotations| annotations.remove(LAST_APPLIED));
        states.push(ObjectState {
            context: connected.name.clone(),
            deletion: deletion(connected, &object).await,
            object,
        });
    }
    Ok(states)
}

fn text(states: &States, args: &StatusArgs) -> Result<String, Stop> {
    let terminal = Terminal::of_the_process();
    Ok(match (args.output, &args.name) {
        (Format::Json, _) => json(states)?,
        (Format::Yaml, _) => yaml(states)?,
        (Format::Name, _) => {
            let name = |state: &ObjectState| {
                format!(
                    "{}/{}\n",
                    state.context,
                    state.object.metadata.name.as_deref().unwrap_or_default()
                )
            };
            states.objects.iter().map(name).collect()
        }
        (_, Some(_)) => {
            let trees = states.objects.iter().map(|state| tree_of(state, terminal));
            let unread = states
                .unread
                .iter()
                .map(|unread| format!("context {}: {}\n", unread.context, unread.why));
            trees.chain(unread).collect::<Vec<_>>().join("\n")
        }
        (format, None) => overview(states, format == Format::Wide).text(terminal.width),
    })
}

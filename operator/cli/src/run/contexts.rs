//! The contexts of a run.

use futures::{StreamExt as _, stream};

use super::exit::Stop;
use crate::args::Cli;
use crate::cluster::{CONTEXTS_AT_ONCE, Config, Connected, Failure, Identity, choose, connect};
use crate::output::{Bar, Bars, asks};

/// What came of one context.
pub(super) struct Outcome<T> {
    pub(super) context: String,
    pub(super) result: Result<T, Failure>,
}

/// Calls `work` for each context, for a few at a time. The contexts are connected before, one after the other, so that the
/// questions of their plugins do not mix. The order of the outcomes is that of the names.
pub(super) async fn each<T>(
    cli: &Cli,
    shows_progress: bool,
    work: impl AsyncFn(&Connected, &Bar) -> Result<T, Failure>,
) -> Result<Vec<Outcome<T>>, Stop> {
    let config = Config::read(cli.connection.kubeconfig.as_deref()).map_err(|error| Stop(error.to_string()))?;
    let contexts = choose(&config, &cli.connection)?;
    let identity = Identity {
        user: cli.connection.as_user.as_deref(),
        groups: &cli.connection.as_groups,
        terminal: asks(),
    };
    let mut connected = Vec::new();
    for context in &contexts {
        connected.push(connect(&config, context, identity).await);
    }
    drop(config);
    let bars = Bars::new(shows_progress && !cli.quiet, &contexts);
    let (bars, work) = (&bars, &work);
    let outcomes = stream::iter(contexts.iter().zip(connected)).map(|(context, connected)| async move {
        let result = match connected {
            Err(failure) => Err(failure),
            Ok(connected) => {
                let bar = bars.add(context);
                work(&connected, &bar).await
            }
        };
        Outcome {
            context: context.clone(),
            result,
        }
    });
    let outcomes = outcomes.buffered(CONTEXTS_AT_ONCE).collect().await;
    bars.clear();
    Ok(outcomes)
}

//! The contexts of a run.

use futures::{StreamExt as _, stream};

use super::exit::Stop;
use crate::args::Cli;
use crate::cluster::{CONTEXTS_AT_ONCE, Config, Connected, Failure, Identity, choose, connect};
use crate::output::{Bar, Bars, asks};

/// The chosen contexts, each with its client or with why there is none.
pub(super) struct Contexts<'a> {
    cli: &'a Cli,
    config: Config,
    names: Vec<String>,
    connected: Vec<Result<Connected, Failure>>,
}

/// What came of one context.
pub(super) struct Outcome<T> {
    pub(super) context: String,
    pub(super) result: Result<T, Failure>,
}

impl<'a> Contexts<'a> {
    /// Connects the contexts, one after the other, so that the questions of their plugins do not mix.
    pub(super) async fn connect(cli: &'a Cli) -> Result<Self, Stop> {
        let config = Config::read(cli.connection.kubeconfig.as_deref()).map_err(|error| Stop(error.to_string()))?;
        let names = choose(&config, &cli.connection)?;
        let mut connected = Vec::new();
        for name in &names {
            connected.push(connect(&config, name, identity(cli)).await);
        }
        Ok(Self {
            cli,
            config,
            names,
            connected,
        })
    }

    /// Connects again what an outcome says is no longer logged in. Its token has expired.
    pub(super) async fn renew<T>(&mut self, outcomes: &[Outcome<T>]) {
        let contexts = self.names.iter().zip(&mut self.connected).zip(outcomes);
        for ((name, connected), outcome) in contexts {
            if matches!(outcome.result, Err(Failure::Unauthorized)) {
                *connected = connect(&self.config, name, identity(self.cli)).await;
            }
        }
    }

    /// Returns each context by name, with its client or with why there is none.
    pub(super) fn by_name(&self) -> impl Iterator<Item = (&str, Result<&Connected, &Failure>)> {
        let names = self.names.iter().map(String::as_str);
        names.zip(self.connected.iter().map(Result::as_ref))
    }

    /// Calls `work` for each context, for a few at a time. The order of the outcomes is that of the names.
    pub(super) async fn each<T>(
        &self,
        shows_progress: bool,
        work: impl AsyncFn(&Connected, &Bar) -> Result<T, Failure>,
    ) -> Vec<Outcome<T>> {
        self.each_of(CONTEXTS_AT_ONCE, shows_progress, work).await
    }

    /// As [`each`](Self::each), for so many at a time.
    pub(super) async fn each_of<T>(
        &self,
        at_once: usize,
        shows_progress: bool,
        work: impl AsyncFn(&Connected, &Bar) -> Result<T, Failure>,
    ) -> Vec<Outcome<T>> {
        let bars = Bars::new(shows_progress && !self.cli.quiet, &self.names);
        let (bars, work) = (&bars, &work);
        let contexts = stream::iter(self.names.iter().zip(&self.connected));
        let outcomes = contexts.map(|(context, connected)| async move {
            let result = match connected {
                Err(failure) => Err(failure.clone()),
                Ok(connected) => work(connected, &bars.add(context)).await,
            };
            Outcome {
                context: context.clone(),
                result,
            }
        });
        let outcomes = outcomes.buffered(at_once).collect().await;
        bars.clear();
        outcomes
    }
}

fn identity(cli: &Cli) -> Identity<'_> {
    Identity {
        user: cli.connection.as_user.as_deref(),
        groups: &cli.connection.as_groups,
        terminal: asks(),
    }
}

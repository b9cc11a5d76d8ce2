//! Each verb, from the command line to the exit code.

mod adopt;
mod audit;
mod command;
mod contexts;
mod dump;
mod exit;
mod explain;
mod log;
mod render;
mod rollout;
mod status;
mod trials;
mod version;

use std::panic::PanicHookInfo;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::args::{Cli, Verb, redacted};
use crate::completion;
use crate::output::{note, print};
use exit::{Exit, Stop};

/// Runs the tool with the arguments of the process.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(panicked));
    // Before any TLS: a second provider, brought in by a dependency, would make the choice ambiguous.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let command = Cli::command().bin_name(called_as(std::env::args().next().as_deref()));
    let cli = match command
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches))
    {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints usage and help where they belong, and knows the exit code.
            let error = redacted(error);
            let _ = error.print();
            return Exit::of_code(error.exit_code()).code();
        }
    };
    log::start();
    // A panic is a bug; what was said until then stays, and the answer is incomplete.
    let ended = std::panic::catch_unwind(|| run(&cli)).unwrap_or(Ok(Exit::Incomplete));
    let exit = ended.unwrap_or_else(|Stop(why)| {
        note(&format!("error: {why}"));
        Exit::Incomplete
    });
    exit.code()
}

/// Without its message, which may quote a value.
fn panicked(panic: &PanicHookInfo<'_>) {
    let place = panic
        .location()
        .map(|place| format!(" at {}:{}", place.file(), place.line()));
    note(&format!(
        "internal error{}: please report it",
        place.unwrap_or_default()
    ));
}

/// How usage names the tool. kubectl runs `kubectl-pullsecrets` for `kubectl pullsecrets`.
fn called_as(path: Option<&str>) -> String {
    let file = path
        .and_then(|path| path.rsplit(['/', '\\']).next())
        .unwrap_or("kubectl-pullsecrets");
    let file = file.strip_suffix(".exe").unwrap_or(file);
    match file.strip_prefix("kubectl-") {
        Some(plugin) => format!("kubectl {}", plugin.replace('_', "-")),
        None => file.to_owned(),
    }
}

fn run(cli: &Cli) -> Result<Exit, Stop> {
    match &cli.verb {
        Verb::Completion(args) => printed(&completion::script(args.shell, Cli::command())),
        Verb::Version(args) => printed(&version::text(args)?),
        Verb::Render(args) => render::run(args, cli.quiet),
        Verb::Man(args) => {
            let written = completion::write_man_pages(Cli::command(), &args.folder);
            written.map_err(|error| Stop(format!("cannot write man pages: {}", error.kind())))?;
            Ok(Exit::Clean)
        }
        _ => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| Stop(format!("cannot start: {}", error.kind())))?;
            let exit = runtime.block_on(until_interrupted(cli));
            // A plugin or a question may still wait for a person.
            runtime.shutdown_background();
            exit
        }
    }
}

async fn until_interrupted(cli: &Cli) -> Result<Exit, Stop> {
    // What writes says what is already written.
    match &cli.verb {
        Verb::Rollout(args) => return rollout::run(cli, args).await,
        Verb::Adopt(args) if args.writes() => return adopt::run(cli, args).await,
        _ => {}
    }
    tokio::select! {
        exit = asking(cli) => exit,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

/// The verbs that ask servers and write nothing there.
async fn asking(cli: &Cli) -> Result<Exit, Stop> {
    match &cli.verb {
        Verb::Audit(args) => audit::run(cli, args).await,
        Verb::Adopt(args) => adopt::run(cli, args).await,
        Verb::Explain(args) => explain::run(cli, args).await,
        Verb::Status(args) => status::run(cli, args).await,
        Verb::Complete(args) => complete(&args.words).await,
        Verb::Render(_) | Verb::Rollout(_) | Verb::Completion(_) | Verb::Version(_) | Verb::Man(_) => Ok(Exit::Clean),
    }
}

/// Silent on each error, and within its deadline.
async fn complete(words: &[String]) -> Result<Exit, Stop> {
    let wanted = completion::wanted(&mut Cli::command(), words);
    let mut candidates = wanted.fixed.clone();
    let values = tokio::time::timeout(completion::WITHIN, completion::values(&wanted)).await;
    candidates.extend(values.unwrap_or_default());
    printed(&completion::protocol(&candidates))
}

/// Prints the result.
fn printed(text: &str) -> Result<Exit, Stop> {
    print(text).map_err(|error| Stop(format!("cannot write the result: {}", error.kind())))?;
    Ok(Exit::Clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_names_the_tool_as_it_was_called() {
        assert_eq!(called_as(Some("/usr/bin/kubectl-pullsecrets")), "kubectl pullsecrets");
        assert_eq!(
            called_as(Some("C:\\bin\\kubectl-pullsecrets.exe")),
            "kubectl pullsecrets"
        );
        assert_eq!(called_as(Some("./pullsecrets-cli")), "pullsecrets-cli");
    }
}

//! `cargo demo`: the product on a real control plane, step by step, through kubectl.
//!
//! The demo runs every command that it prints, and checks every claim beside it. It ends with code 1 at the first
//! broken promise.
//!
//! # Rooms
//!
//! Each line uses only lines below it; `.ci/checks walls` reads this.
//!
//! ```text
//! story       what is shown, step by step
//! env         the cluster, the node, the registry and the operator
//! terminal    how it is shown
//! ```

mod env;
mod story;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use env::Env;
use terminal::{Terminal, note, say};

/// Shows one `ClusterPullSecret` from its creation to its deletion on a control plane of its own.
#[derive(Parser)]
#[command(name = "cargo demo")]
struct Arguments {
    /// Keep everything running afterwards, to explore; Ctrl-C ends it.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let terminal = Terminal::new();
    match run(&terminal, arguments.keep).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal.failure(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(terminal: &Terminal, keep: bool) -> anyhow::Result<()> {
    let mut env = Env::start().await?;
    let told = story::run(&mut env, terminal).await;
    if told.is_err() {
        note(&env.operator.tail());
    }
    if keep {
        stay(&env).await?;
    }
    told?;
    note("all as promised");
    env.end().await
}

/// Prints how to connect, and waits for Ctrl-C.
async fn stay(env: &Env) -> anyhow::Result<()> {
    let kubectl = env.cluster.kubectl();
    let folder = kubectl.binary().parent().map(|path| path.display().to_string());
    say("\nEverything is still running. In another terminal:\n");
    say(&format!(
        "export KUBECONFIG={}",
        env.cluster.kubeconfig_path().display()
    ));
    say(&format!("export PATH={}:$PATH", folder.unwrap_or_default()));
    say(&format!(
        "kubectl get namespaces    # the registry is {}",
        env.registry.address()
    ));
    say("\nCtrl-C ends it.");
    tokio::signal::ctrl_c().await?;
    note("ending");
    Ok(())
}

//! `cargo demo`: the product on a real control plane, step by step, through kubectl.
//!
//! Every command that is shown is the one that was run, and every claim beside it was checked: the demo ends with code 1
//! at the first thing that is not as promised.
//!
//! # Rooms
//!
//! Each line uses only lines below it; `.ci/checks walls` reads this.
//!
//! ```text
//! story       what is shown, step by step
//! stage       the cluster, the registry and the operator
//! terminal    how it is shown
//! ```

mod stage;
mod story;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use stage::Stage;
use terminal::{Terminal, note, say};

/// Plays one `ClusterPullSecret` from its creation to its end on a control plane of its own.
#[derive(Parser)]
#[command(name = "cargo demo")]
struct Arguments {
    /// Leave everything running afterwards, to look around; Ctrl-C ends it.
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
    note("starting etcd, kube-apiserver, kube-controller-manager, a registry and the operator");
    let mut stage = Stage::start().await?;
    let told = story::play(&mut stage, terminal).await;
    if told.is_err() {
        note(&stage.operator.tail());
    }
    if keep {
        stay(&stage).await?;
    }
    told?;
    note("all as promised");
    stage.end()
}

/// Says how to get in, and waits for Ctrl-C.
async fn stay(stage: &Stage) -> anyhow::Result<()> {
    let kubectl = stage.cluster.kubectl();
    let folder = kubectl.binary().parent().map(|path| path.display().to_string());
    say("\nEverything is still running. In another terminal:\n");
    say(&format!(
        "export KUBECONFIG={}",
        stage.cluster.kubeconfig_path().display()
    ));
    say(&format!("export PATH={}:$PATH", folder.unwrap_or_default()));
    say(&format!(
        "kubectl get namespaces    # the registry is {}",
        stage.registry.address()
    ));
    say("\nCtrl-C ends it.");
    tokio::signal::ctrl_c().await?;
    note("ending");
    Ok(())
}

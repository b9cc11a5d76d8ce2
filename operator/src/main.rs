//! The operator's binary: `pullsecrets --help`.

use clap::Parser as _;
use operator::args::Args;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before any TLS: a second provider, brought in by a dependency, would make the choice ambiguous.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // One thread is enough: the largest fill uses a fifth of a core. A single thread needs no wake-ups and no shared
    // allocator. Blocking work runs on threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(operator::runtime::run(Args::parse())));
    ended.unwrap_or_else(|error| {
        // The log has not started yet.
        eprintln!("pullsecrets: {error:#}");
        ExitCode::FAILURE
    })
}

//! The operator's binary: `pullsecrets --help`.

use clap::Parser as _;
use operator::args::Args;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before any TLS: a dependency that brought another provider in would make the choice ambiguous.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // One thread has a fifth of a core to do in the largest fill, and nobody to wake or to share an allocator with. What
    // blocks is on threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(operator::runtime::run(Args::parse())));
    ended.unwrap_or_else(|error| {
        // There is no log yet.
        eprintln!("pullsecrets: {error:#}");
        ExitCode::FAILURE
    })
}

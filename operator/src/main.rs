//! The operator's binary: `pullsecrets --help`.

use clap::Parser as _;
use operator::args::Args;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before any TLS: a dependency that brought another provider in would make the choice ambiguous.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let ended = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(operator::runtime::run(Args::parse())));
    ended.unwrap_or_else(|error| {
        // There is no log yet.
        eprintln!("pullsecrets: {error:#}");
        ExitCode::FAILURE
    })
}

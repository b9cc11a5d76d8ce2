//! Log lines on standard error, if `RUST_LOG` is set.

use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// The only crate whose events are logged. Those of others quote answers of servers and what plugins printed.
const OWN: &str = "cli";

/// Starts logging.
pub(super) fn start() {
    let Ok(filter) = EnvFilter::try_from_default_env() else {
        return;
    };
    let own = filter_fn(|metadata| metadata.target().split("::").next() == Some(OWN));
    let lines = fmt::layer().with_writer(std::io::stderr).with_filter(own);
    // Fails only if logging has started already.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}

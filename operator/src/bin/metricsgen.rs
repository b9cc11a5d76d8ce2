//! Prints the table of metrics: `cargo metricsgen > config/monitoring/metrics.md`.

use std::io::{Write as _, stdout};

fn main() -> std::io::Result<()> {
    stdout().write_all(operator::observability::metrics::table().as_bytes())
}

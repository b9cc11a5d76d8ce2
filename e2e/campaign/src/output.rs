//! Output for people, on standard output.

use std::io::Write as _;

use anyhow::Context;

/// Prints a line.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("standard output")
}

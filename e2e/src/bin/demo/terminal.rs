//! Output for people. It is plain text when standard output is not a terminal.
#![expect(clippy::print_stdout, reason = "the demo is what it prints")]

use std::io::IsTerminal;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// Prints text as it is, and no blank line for empty text.
pub(crate) fn say(text: &str) {
    if !text.is_empty() {
        println!("{}", text.trim_end_matches('\n'));
    }
}

/// Prints a side note, to standard error.
pub(crate) fn note(line: &str) {
    eprintln!("{line}");
}

/// Prints headings, commands and verdicts, in colours if the terminal has them.
pub(crate) struct Terminal {
    colour: bool,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colour }
    }

    /// Prints the heading of a step.
    pub(crate) fn step(&self, heading: &str) {
        println!("\n{}", self.paint(BOLD, heading));
    }

    /// Prints a command as a person would type it.
    pub(crate) fn command(&self, command: &str) {
        println!("{}", self.paint(DIM, &format!("$ {command}")));
    }

    /// Prints a claim that was checked and holds.
    pub(crate) fn holds(&self, claim: &str) {
        println!("{} {claim}", self.paint(GREEN, "✓"));
    }

    /// Prints why the demo ends early.
    pub(crate) fn failure(&self, error: &anyhow::Error) {
        eprintln!("{} {error:#}", self.paint(RED, "✗ not as promised:"));
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour {
            format!("{colour}{text}{PLAIN}")
        } else {
            text.to_owned()
        }
    }
}

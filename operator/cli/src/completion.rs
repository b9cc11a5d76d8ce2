//! Completion: scripts for shells, and candidates in kubectl's protocol.
//!
//! kubectl runs `kubectl_complete-pullsecrets` from `PATH` with the words after the plugin's name. It takes a candidate
//! from each line, with a description after a tab, and a last line `:4`, "complete no file names". Every
//! error is silent, because any other output would become a candidate.

mod candidates;
mod man;
mod values;

use std::time::Duration;

use clap::Command;
use clap_complete::{Shell as Generator, generate};

use crate::args::Shell;

pub use candidates::{Candidate, Wanted, wanted};
pub use man::write_man_pages;
pub use values::values;

/// How long a person waits for candidates.
pub const WITHIN: Duration = Duration::from_secs(2);

/// No file names: Cobra's directive for kubectl.
const NO_FILES: &str = ":4";

/// The file that kubectl looks for.
const KUBECTL_SCRIPT: &str = "\
#!/bin/sh
# Save it as kubectl_complete-pullsecrets, executable and on PATH.
exec kubectl pullsecrets __complete \"$@\"
";

/// Returns the script that makes a shell complete, or kubectl.
pub fn script(shell: Shell, mut command: Command) -> String {
    let generator = match shell {
        Shell::Kubectl => return KUBECTL_SCRIPT.to_owned(),
        Shell::Bash => Generator::Bash,
        Shell::Zsh => Generator::Zsh,
        Shell::Fish => Generator::Fish,
        Shell::Powershell => Generator::PowerShell,
    };
    let mut script = Vec::new();
    generate(generator, &mut command, "kubectl-pullsecrets", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Returns candidates in kubectl's protocol.
pub fn protocol(candidates: &[Candidate]) -> String {
    let mut text = String::new();
    for Candidate { word, description } in candidates {
        // A line break would begin another candidate.
        let is_one_line = !word.contains(['\n', '\r', '\t']);
        if is_one_line {
            text.push_str(word);
            if let Some(description) = description
                .as_deref()
                .and_then(|description| description.lines().next())
            {
                text.push('\t');
                text.push_str(description);
            }
            text.push('\n');
        }
    }
    text + NO_FILES + "\n"
}

#[cfg(test)]
mod tests;

//! The recordings in the README are what the tool prints.
//!
//! `PULLSECRETS_RECORD=1 cargo test -p kubectl-pullsecrets --test recordings` writes them again. A person reads the change.
#![allow(clippy::unwrap_used, reason = "also in what the test shares")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Begins a recording in the README. Its columns and its command follow.
const MARK: &str = "<!-- recording: ";

const FENCE: &str = "```";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Runs a command of a recording in the folder of the crate, in a terminal of so many columns.
fn run(columns: &str, command: &str) -> String {
    let words = command.split_whitespace().skip(2);
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-pullsecrets"))
        .args(words)
        .current_dir(folder())
        .env("COLUMNS", columns)
        .env("LC_ALL", "C.UTF-8")
        .env_remove("RUST_LOG")
        .env_remove("CLICOLOR_FORCE")
        .output()
        .unwrap();
    assert!(
        output.stderr.is_empty(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let code = output.status.code().unwrap();
    format!(
        "$ {command}\n{}$ echo $?\n{code}\n",
        String::from_utf8(output.stdout).unwrap()
    )
}

/// The page with each recording made again, and their number.
fn recorded(page: &str) -> (String, usize) {
    let (mut out, mut count) = (String::new(), 0);
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(recording) = line.strip_prefix(MARK) else {
            continue;
        };
        let (columns, command) = recording
            .strip_suffix(" -->")
            .and_then(|rest| rest.split_once(' '))
            .unwrap();
        let text = run(columns, command);
        if columns != "0" {
            let width: usize = columns.parse().unwrap();
            // Commands are never broken.
            let longest = text.lines().filter(|line| {
                ["$ ", "next:", "     kubectl"]
                    .iter()
                    .all(|begin| !line.starts_with(begin))
            });
            let longest = longest.map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= width, "{command}: a line has {longest} columns");
        }
        assert!(
            lines.next().is_some_and(|fence| fence.starts_with(FENCE)),
            "{command}: no block follows"
        );
        let _ = write!(out, "{FENCE}text\n{text}{FENCE}\n");
        assert!(lines.any(|line| line == FENCE), "{command}: the block has no end");
        count += 1;
    }
    (out, count)
}

#[test]
fn recordings_of_the_readme_are_true() {
    let path = folder().join("README.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (expected, count) = recorded(&page);
    if std::env::var_os("PULLSECRETS_RECORD").is_some() {
        std::fs::write(&path, &expected).unwrap();
    } else {
        assert!(
            page == expected,
            "stale: PULLSECRETS_RECORD=1 writes them again. Now they are:\n{expected}"
        );
    }
    assert!(count >= 4, "{count} recordings");
}

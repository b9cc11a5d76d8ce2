//! The fenced blocks of the READMEs that a reader is meant to use, and the tests that run them.
//!
//! Each block of commands or manifests follows a comment that readers do not see. With `<!-- run: NAME -->` a test takes
//! the block by that name; with `<!-- not run: REASON -->` no test does.

use std::path::Path;
use std::time::Duration;

use e2e::kubectl::Kubectl;

/// The pages: the README of the project, one for each room, and that of the chart.
const PAGES: [&str; 7] = [
    "README.md",
    "crd/README.md",
    "config/README.md",
    "config/helm/README.md",
    "operator/README.md",
    "operator/cli/README.md",
    "e2e/README.md",
];

/// The languages of blocks that a reader runs or applies.
const USED: [&str; 3] = ["sh", "console", "yaml"];

/// Longer than any command of a README takes. Commands that wait have a timeout of their own.
const PATIENCE: Duration = Duration::from_mins(3);

/// One block.
struct Block {
    line: usize,
    language: String,
    comment: String,
    text: String,
}

impl Block {
    fn name(&self) -> Option<&str> {
        inner(&self.comment)?.strip_prefix("run: ")
    }

    fn reason(&self) -> Option<&str> {
        inner(&self.comment)?.strip_prefix("not run: ")
    }
}

fn inner(comment: &str) -> Option<&str> {
    comment.strip_prefix("<!-- ")?.strip_suffix(" -->")
}

/// All pages, with their paths in the workspace.
pub(crate) fn pages() -> Vec<(&'static str, String)> {
    let read = |path| (path, std::fs::read_to_string(e2e::workspace().join(path)).unwrap());
    PAGES.map(read).into()
}

/// All blocks of all pages, with the path of their page.
fn all_blocks() -> Vec<(&'static str, Block)> {
    let of = |(path, text): (&'static str, String)| blocks(&text).into_iter().map(move |block| (path, block));
    pages().into_iter().flat_map(of).collect()
}

fn blocks(page: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    // Within a list a block is indented, and so is all of its text.
    let (mut before, mut open) = ("", None);
    for (at, line) in page.lines().enumerate() {
        let (start, rest) = line.split_at(line.len() - line.trim_start().len());
        match (rest.strip_prefix("```"), open) {
            (Some(_), Some(_)) => open = None,
            (Some(language), None) => {
                open = Some(start);
                found.push(Block {
                    line: at + 1,
                    language: language.to_owned(),
                    comment: before.to_owned(),
                    text: String::new(),
                });
            }
            (None, Some(indent)) => {
                let text = &mut found.last_mut().unwrap().text;
                text.push_str(line.strip_prefix(indent).unwrap_or(line));
                text.push('\n');
            }
            (None, None) => {}
        }
        before = rest;
    }
    found
}

/// The text of the block with this name.
pub(crate) fn block(name: &str) -> String {
    let mut all = all_blocks().into_iter().filter(|(_, block)| block.name() == Some(name));
    let (_, block) = all.next().unwrap_or_else(|| panic!("no README has a block {name}"));
    assert!(all.next().is_none(), "two blocks have the name {name}");
    block.text
}

/// Runs the commands of a block in `folder`. Returns their output, or standard error if one of them fails.
pub(crate) async fn attempt(kubectl: &Kubectl, folder: &Path, name: &str) -> Result<String, String> {
    let script = block(name);
    let output = kubectl.script(&script, folder, PATIENCE).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(format!("{script}\n{}", text(output.stderr)))
    }
}

/// As [`attempt`], for commands that must succeed.
pub(crate) async fn run(kubectl: &Kubectl, folder: &Path, name: &str) {
    attempt(kubectl, folder, name).await.unwrap();
}

/// Runs the commands of a `console` block, each a line after `$ `. Compares their output with the lines below, word by
/// word. Any age equals any other.
pub(crate) async fn replay(kubectl: &Kubectl, folder: &Path, name: &str) -> Result<(), String> {
    for exchange in block(name).split("$ ").skip(1) {
        let (command, expected) = exchange.split_once('\n').unwrap();
        let output = kubectl.script(command, folder, PATIENCE).await.unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        if words(&printed) != words(expected) {
            return Err(format!("{command}\n{printed}"));
        }
    }
    Ok(())
}

fn words(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .map(|line| line.split_whitespace().map(ageless).collect())
        .collect()
}

fn ageless(word: &str) -> &str {
    let is_age = word.strip_suffix('s').is_some_and(|count| count.parse::<u32>().is_ok());
    if is_age { "AGE" } else { word }
}

/// Every block that a reader uses is run by a test or says why not.
#[test]
fn every_readme_block_is_run_or_excused() {
    let sources: String = [
        "readme/newcomer.rs",
        "readme/overlays.rs",
        "readme/security.rs",
        "readme/uninstall.rs",
        "helm/lifecycle.rs",
    ]
    .map(|file| std::fs::read_to_string(e2e::workspace().join("e2e/tests").join(file)).unwrap())
    .concat();
    let (mut run, mut left) = (0, 0);
    for (page, block) in all_blocks() {
        let place = format!("{page} line {}", block.line);
        if !USED.contains(&block.language.as_str()) {
            assert_eq!(block.language, "text", "{place}: of which language?");
            continue;
        }
        match (block.name(), block.reason()) {
            (Some(name), None) => {
                let quoted = format!("\"{name}\"");
                assert!(sources.contains(&quoted), "{place}: no test takes {name}");
                run += 1;
            }
            (None, Some(reason)) => {
                assert!(reason.len() > 10, "{place}: why not?");
                left += 1;
            }
            _ => panic!("{place}: neither `run: NAME` nor `not run: REASON`"),
        }
    }
    println!("{run} blocks are run, {left} are not");
    assert!(run > left, "{run} blocks are run, {left} are not");
}

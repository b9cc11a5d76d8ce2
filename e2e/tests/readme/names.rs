//! Tests, files, test targets and flags that the READMEs name exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::readme::blocks::pages;

/// All code spans, outside of fenced blocks.
fn quoted(page: &str) -> Vec<String> {
    let mut prose = String::new();
    for (at, part) in page.split("```").enumerate() {
        if at % 2 == 0 {
            prose.push_str(part);
        }
    }
    let parts = prose.split('`').enumerate();
    parts
        .filter(|(at, _)| at % 2 == 1)
        .map(|(_, part)| part.to_owned())
        .collect()
}

/// Every name of a test function in the tree.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in ["crd", "operator", "e2e"] {
        collect(&e2e::workspace().join(folder), &mut found);
    }
    found
}

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            tests_in(&std::fs::read_to_string(path).unwrap(), found);
        }
    }
}

/// The functions with an attribute `test` of any kind, and the rows of the table of events.
fn tests_in(source: &str, found: &mut BTreeSet<String>) {
    let mut is_test = false;
    for line in source.lines().map(str::trim_start) {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        if let Some((_, rest)) = line.split_once("fn ")
            && std::mem::take(&mut is_test)
        {
            found.extend(rest.split_once('(').map(|(name, _)| name.to_owned()));
        }
        found.extend(
            line.strip_suffix(" {")
                .filter(|name| is_sentence(name))
                .map(str::to_owned),
        );
    }
}

/// A name of several words is that of a test: the READMEs name only tests in this way.
fn is_sentence(name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.matches('_').count() > 2 && name.bytes().all(letters)
}

#[test]
fn every_test_that_the_readme_names_exists() {
    let tests = tests();
    let quoted: Vec<String> = pages().iter().flat_map(|(_, page)| quoted(page)).collect();
    let named: Vec<&String> = quoted.iter().filter(|name| is_sentence(name)).collect();
    assert!(named.len() > 20, "{} tests are named", named.len());
    let missing: Vec<_> = named.into_iter().filter(|name| !tests.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Every file and every test target that README names exists.
#[test]
fn every_file_that_the_readme_names_exists() {
    let workspace = e2e::workspace();
    for (page, text) in pages() {
        let folder = workspace.join(page).parent().unwrap().to_owned();
        for name in quoted(&text) {
            let path = name.trim_end_matches('/');
            let is_path = !path.contains(|letter: char| letter.is_whitespace() || letter.is_uppercase());
            if let Some((first, _)) = path.split_once('/').filter(|(first, _)| is_path && !first.is_empty()) {
                // Of the workspace, or of the page's own folder.
                let mut places = [&workspace, &folder]
                    .into_iter()
                    .filter(|place| place.join(first).is_dir());
                let is_there = places.next().is_none_or(|place| place.join(path).exists());
                assert!(is_there, "{page} names {path}, which is not there");
            }
            for target in targets(&name) {
                let is_there = workspace.join(&target).exists();
                assert!(is_there, "{page} says {name}, there is no {}", target.display());
            }
        }
    }
}

/// The files or folders of `cargo test -p CRATE --test TARGET`.
fn targets(command: &str) -> Vec<PathBuf> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let after = |flag: &str| -> Vec<&str> {
        let pairs = words.windows(2).filter(|pair| pair[0] == flag);
        pairs.map(|pair| pair[1]).collect()
    };
    let Some(folder) = after("-p").first().map(|&name| match name {
        "plan" => "operator/plan",
        "kubectl-pullsecrets" => "operator/cli",
        name => name,
    }) else {
        return Vec::new();
    };
    let of = |target: &str| {
        let tests = Path::new(folder).join("tests");
        let file = tests.join(format!("{target}.rs"));
        if e2e::workspace().join(&file).exists() {
            file
        } else {
            tests.join(target)
        }
    };
    after("--test").into_iter().map(of).collect()
}

/// Each row of a table whose last column is about tests names a test, or a folder of tests.
#[test]
fn every_claim_names_its_test() {
    let mut claims = 0;
    let mut in_table = false;
    for line in pages().iter().flat_map(|(_, page)| page.lines()) {
        if !line.starts_with('|') {
            in_table = false;
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let last = *cells.last().unwrap();
        if last == "test" || last == "shown by" {
            in_table = true;
        } else if in_table && !line.starts_with("|--") {
            let named = quoted(last);
            let shows =
                |name: &String| is_sentence(name) || e2e::workspace().join(name).exists() || name.contains("cargo");
            assert!(named.iter().any(shows), "no test: {line}");
            claims += 1;
        }
    }
    assert!(claims > 20, "{claims} claims");
}

/// The words of a text that are flags.
fn flags(text: &str) -> BTreeSet<&str> {
    let of_flags = |letter: char| letter.is_ascii_lowercase() || letter == '-';
    let words = text.split(|letter: char| !of_flags(letter));
    words.filter(|word| word.starts_with("--") && word.len() > 2).collect()
}

#[test]
fn every_flag_of_the_operator_has_a_row() {
    let program = e2e::binaries::operator().unwrap();
    let help = std::process::Command::new(program).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, page) = pages()
        .into_iter()
        .find(|(path, _)| *path == "operator/README.md")
        .unwrap();
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `--")?.split_once('`'));
    let rows: BTreeSet<String> = rows.map(|(name, _)| format!("--{name}")).collect();
    let mut known = flags(&help);
    // Every program has these.
    known.retain(|flag| !["--help", "--version"].contains(flag));
    assert_eq!(rows.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
}

/// The lines of all fenced blocks of plain text, less the marks of a doc comment.
fn pictures(text: &str) -> Vec<&str> {
    let lines = text.lines().map(|line| line.strip_prefix("//! ").unwrap_or(line));
    let mut open = false;
    let within = lines.filter(|line| {
        open = if open { *line != "```" } else { *line == "```text" };
        open
    });
    within.map(str::trim_end).collect()
}

#[test]
fn operators_pictures_are_those_of_its_crate() {
    let read = |path: &str| std::fs::read_to_string(e2e::workspace().join(path)).unwrap();
    let (page, crate_doc) = (read("operator/README.md"), read("operator/src/lib.rs"));
    assert!(pictures(&page).len() > 6, "operator/README.md has no picture");
    assert_eq!(
        pictures(&page),
        pictures(&crate_doc),
        "operator/README.md and operator/src/lib.rs"
    );
}

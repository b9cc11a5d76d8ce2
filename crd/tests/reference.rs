//! `crd/README.md` says what the schema says: the tables of fields are those of the types, and every reason has a row.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

const PAGE: &str = include_str!("../README.md");

#[test]
fn the_tables_of_fields_are_current() {
    let made = Command::new(env!("CARGO_BIN_EXE_apigen"))
        .arg("--print")
        .output()
        .expect("it can be run");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(
        String::from_utf8_lossy(&made.stdout) == PAGE,
        "crd/README.md is stale, run: cargo run --package crd --bin apigen"
    );
}

/// The first cells of the table under this heading, without their backticks.
fn rows(heading: &str) -> BTreeSet<String> {
    let (_, section) = PAGE
        .split_once(&format!("\n{heading}\n"))
        .expect("the page has this heading");
    let section = section.split("\n#").next().unwrap_or_default();
    let cells = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    cells.map(|(reason, _)| reason.to_owned()).collect()
}

#[test]
fn every_reason_of_a_condition_has_a_row() {
    let (_, source) = include_str!("../src/status/condition.rs")
        .split_once("impl Reason {")
        .expect("it is there");
    let (source, _) = source.split_once("\n}\n").expect("it ends");
    let words = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Self::")?.split_once(" => "));
    let reasons: BTreeSet<String> = words
        .map(|(_, word)| word.trim_matches(['"', ',']).to_owned())
        .collect();
    assert!(reasons.len() > 10, "{reasons:?}");
    assert_eq!(rows("### Reasons of conditions"), reasons);
}

#[test]
fn every_reason_of_a_failure_has_a_row() {
    let crd = serde_json::to_value(crd::manifest::crd()).expect("a definition is JSON");
    let status = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"];
    let reasons = status["failures"]["items"]["properties"]["reason"]["enum"].as_array();
    let reasons: BTreeSet<String> = reasons
        .expect("it is an enum")
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    assert_eq!(rows("### Reasons of failures"), reasons);
}

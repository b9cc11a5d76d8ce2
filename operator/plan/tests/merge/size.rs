//! What does not fit into a Secret.

use std::collections::BTreeMap;

use super::{gave, login, origin, said};
use plan::docker_config::rendered_len;
use plan::registries::{LastGood, Remembered, Resolution, SourceContent, merge};

/// A registry that declares a server, with a password of that length.
fn long(server: &str, length: usize) -> Resolution {
    let mut resolution = gave(server, Some(server), &[]);
    resolution.origin = origin(&format!("pullsecrets-system/{server}#username,password"));
    let entries = BTreeMap::from([(server.to_owned(), login(&"p".repeat(length)))]);
    resolution.result = Ok(SourceContent {
        entries,
        ..SourceContent::default()
    });
    resolution
}

#[test]
fn oversized_configs_are_rejected_with_sources() {
    let merged = merge(&[long("a.io", 250_000), long("b.io", 250_000)], &LastGood::new());
    assert_eq!(said(&merged), [("Resolved", true), ("SourceInvalid", false)]);
    assert_eq!(merged.entries.keys().collect::<Vec<_>>(), ["a.io"]);
    assert!(merged.incomplete);
    let both = BTreeMap::from(["a.io", "b.io"].map(|key| (key.to_owned(), login(&"p".repeat(250_000)))));
    let excess = rendered_len(&both) - (1 << 20);
    let one = rendered_len(&merged.entries);
    assert_eq!(
        merged.problem.expect("a problem").message,
        format!(
            "all registries of this object together are {excess} bytes too large for a Secret (1 MiB), which holds each \
             login twice: secret \"pullsecrets-system/b.io\" needs {one}, secret \"pullsecrets-system/a.io\" needs {one}"
        )
    );
}

#[test]
fn an_oversized_login_is_rejected_alone() {
    let merged = merge(&[long("a.io", 500_000)], &LastGood::new());
    assert_eq!(said(&merged), [("SourceInvalid", false)]);
    assert!(merged.entries.is_empty() && merged.last_good.is_empty());
    let all = merge(&[long("a.io", 400_000)], &LastGood::new());
    assert_eq!(said(&all), [("Resolved", true)]);
}

/// The other sources are updated.
#[test]
fn an_oversized_source_keeps_its_last_entries() {
    let small = merge(
        &[long("a.io", 100), long("b.io", 100), long("c.io", 300_000)],
        &LastGood::new(),
    );
    let grown = [long("a.io", 200_000), long("b.io", 200_000), long("c.io", 50_000)];
    let merged = merge(&grown, &small.last_good);
    assert_eq!(
        said(&merged),
        [("Resolved", true), ("SourceInvalid", false), ("Resolved", true)],
        "what became smaller makes room first"
    );
    let lengths: Vec<usize> = merged.entries.values().map(|login| login.password().len()).collect();
    assert_eq!(lengths, [200_000, 100, 50_000]);
    assert!(!merged.incomplete);
    let message = merged.registries[1].message.as_deref().unwrap_or_default();
    assert!(message.ends_with("; copies keep the last good login"), "{message}");
    let again = merge(&grown, &merged.last_good);
    assert_eq!(again, merged, "and it stays so");
}

#[test]
fn saved_entries_are_never_too_large() {
    let at_most = 16;
    let each = (1 << 20) / at_most * 3 / 7;
    let many: Vec<Resolution> = (0..at_most).map(|at| long(&format!("r{at:02}.io"), each)).collect();
    let last_good: LastGood = many
        .iter()
        .filter_map(|one| {
            let (origin, entries) = (one.origin.clone(), one.result.clone().ok()?.entries);
            Some((one.key.clone(), Remembered { origin, entries }))
        })
        .collect();
    let merged = merge(&many, &last_good);
    assert!(merged.problem.is_none(), "{:?}", merged.problem);
}

//! The links of the READMEs lead to files and headings that exist.

use std::collections::BTreeSet;
use std::path::Path;

use crate::readme::blocks::pages;

/// The lines of a page outside of fenced blocks.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut open = false;
    page.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        open ^= is_fence;
        !open && !is_fence
    })
}

/// The targets of all links.
fn links(page: &str) -> Vec<&str> {
    let targets = prose(page).flat_map(|line| line.split("](").skip(1));
    targets
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .collect()
}

/// The anchors that GitHub gives to the headings of a page.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = prose(page).filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect()
}

fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter);
    heading
        .to_lowercase()
        .chars()
        .filter(kept)
        .collect::<String>()
        .replace(' ', "-")
}

fn broken(folder: &Path, page: &str, link: &str) -> Option<String> {
    let (file, heading) = link
        .split_once('#')
        .map_or((link, None), |(file, heading)| (file, Some(heading)));
    let path = folder.join(file);
    if !path.exists() {
        return Some(format!("there is no {file}"));
    }
    let heading = heading?;
    let text = match file {
        "" => page.to_owned(),
        _ => std::fs::read_to_string(path).unwrap(),
    };
    (!anchors(&text).contains(heading)).then(|| format!("{link}: there is no such heading"))
}

/// Every link leads to a file and a heading.
#[test]
fn every_link_has_its_target() {
    let workspace = e2e::workspace();
    let (mut count, mut all) = (0, Vec::new());
    for (path, page) in pages() {
        let place = workspace.join(path);
        let inner = links(&page).into_iter().filter(|link| !link.contains("://"));
        for link in inner {
            count += 1;
            all.extend(broken(place.parent().unwrap(), &page, link).map(|why| format!("{path}: {why}")));
        }
    }
    assert_eq!(all, Vec::<String>::new());
    assert!(count > 20, "{count} links");
}

/// An anchor is the heading in small letters, with hyphens.
#[test]
fn anchors_follow_from_the_headings() {
    for (heading, expected) in [
        ("Quick start", "quick-start"),
        (
            "Two installations, and how to move",
            "two-installations-and-how-to-move",
        ),
        (
            "What the operator's token can write",
            "what-the-operators-token-can-write",
        ),
        ("Retain, Adopt and `suspend`", "retain-adopt-and-suspend"),
    ] {
        assert_eq!(anchor(heading), expected);
    }
}

/// A reader takes five minutes for it.
#[test]
fn the_first_page_has_fewer_than_200_lines() {
    let (path, page) = &pages()[0];
    let lines = page.lines().count();
    assert!(
        lines < 200,
        "{path} has {lines} lines: move what is no first step to the README of its room"
    );
}

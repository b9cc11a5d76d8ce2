//! Logins that came by a reference which is no longer declared: they stay where they are, and go nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crd::names::LABEL_OBJECT;
use plan::credential::Credential;
use plan::credential::Entries;
use plan::docker_config::render;
use plan::object::Object;
use plan::payload::{DigestKey, Payload, Tied};
use serde_json::json;

use crate::common::{Stored, World, copy_of, foreign, object};
use crate::{check, content, fresh, with_copy};

fn key() -> DigestKey {
    DigestKey::new([7; 16])
}

/// `server=password server=password`.
fn entries(text: &str) -> Entries {
    let entry = |word: &str| {
        let (server, password) = word.split_once('=').expect("server=password");
        let login = Credential::new("robot", password).expect("a login");
        (server.to_owned(), login)
    };
    text.split_whitespace().map(entry).collect()
}

fn payload(text: &str) -> Payload {
    Payload::new(&render(&entries(text)), &key())
}

fn holding(text: &str, stored: Stored) -> Stored {
    Stored {
        digest: Some(Arc::clone(payload(text).digest())),
        ..stored
    }
}

fn copy(text: &str) -> Stored {
    holding(text, copy_of("company"))
}

/// With these logins, of which those of `servers` are tied.
fn company(text: &str, servers: &[&str]) -> Object {
    let all = entries(text);
    let tied: BTreeSet<String> = servers.iter().map(|&server| server.to_owned()).collect();
    Object {
        payload: Some(Arc::new(payload(text))),
        tied: Tied::new(&all, &tied, &key()).map(Arc::new),
        ..object("company", &json!({"secret": {"conflictPolicy": "Adopt"}}))
    }
}

/// What the next write puts into the copy.
fn written(world: &World) -> String {
    let written = content(world, "company").payload;
    let all = ["a=1", "b=1", "b=2", "c=1"];
    let once = |set: &usize| set & 0b110 != 0b110;
    let subsets = (0..1_usize << all.len()).filter(once).map(|set| {
        let words: Vec<&str> = (0..all.len())
            .filter(|at| set >> at & 1 == 1)
            .map(|at| all[at])
            .collect();
        words.join(" ")
    });
    let known: BTreeMap<_, _> = subsets.map(|text| (payload(&text).base64().to_owned(), text)).collect();
    known[written.base64()].clone()
}

#[test]
fn a_new_namespace_gets_the_other_logins_only() {
    let world = fresh(company("a=1 b=1", &["a"]));
    assert_eq!(written(&world), "b=1");
    check([(
        "without any other login no copy is made",
        fresh(company("a=1", &["a"])),
        &[
            "secret n/company: company Pending",
            "account n/default: [company] recording [company], company Pending",
        ],
    )]);
}

#[test]
fn only_logins_in_the_secret_count() {
    let rotated = || company("a=1 b=2", &["a"]);
    let over = |stored: Stored| written(&with_copy(rotated(), stored));
    for (says, stored, expected) in [
        ("the other login is rotated beside it", copy("a=1 b=1"), "a=1 b=2"),
        ("a copy that came later does not get it", copy("b=1"), "b=2"),
        ("nor one that was edited", copy("c=1"), "b=2"),
        ("nor one with another login for that server", copy("a=2 b=2"), "b=2"),
        ("what others add stays no login of ours", copy("a=1 b=1 c=1"), "a=1 b=2"),
        (
            "nor one that only carries our label",
            holding("b=1", foreign().label(LABEL_OBJECT, "company")),
            "b=2",
        ),
        ("nor one that is adopted", foreign(), "b=2"),
        (
            "one that lost our label and has it",
            copy("a=1 b=1").without_label(LABEL_OBJECT).applied_by_us(),
            "a=1 b=2",
        ),
    ] {
        assert_eq!(over(stored), expected, "{says}");
    }
}

#[test]
fn each_tied_login_is_looked_for_by_itself() {
    let world = |held: &str| with_copy(company("a=1 b=2 c=1", &["a", "c"]), copy(held));
    for (held, expected) in [
        ("a=1 b=1", "a=1 b=2"),
        ("b=1 c=1", "b=2 c=1"),
        ("a=1 b=1 c=1", "a=1 b=2 c=1"),
    ] {
        assert_eq!(written(&world(held)), expected, "{held}");
    }
}

#[test]
fn logins_in_place_stay_unchanged() {
    let in_place: &[&str] = &["secret n/company: company Ready", "account n/default: company Ready"];
    let waits: &[&str] = &["secret n/company: company Pending", "account n/default: company Ready"];
    let tied = || company("a=1 b=1", &["a"]);
    check([
        ("with all of them", with_copy(tied(), copy("a=1 b=1")), in_place),
        ("with the others", with_copy(tied(), copy("b=1")), in_place),
        (
            "one that no update can mend is not deleted: the next would lack the login",
            with_copy(tied(), copy("a=1 b=1").immutable()),
            waits,
        ),
        (
            "one without the login is made again",
            with_copy(tied(), copy("b=1").immutable()),
            &[
                "secret n/company: delete, company Pending",
                "account n/default: company Ready",
            ],
        ),
    ]);
}

#[test]
fn copies_with_the_same_logins_share_a_payload() {
    let tied = company("a=1 b=1", &["a"]).tied.unwrap();
    let for_holder = |held: &str| tied.payload(Some(payload(held).digest())).unwrap();
    let once = for_holder("a=1");
    assert!(Arc::ptr_eq(&once, &for_holder("a=1 b=2")), "both hold a=1");
    assert!(!Arc::ptr_eq(&once, &for_holder("b=1")));
}

#[test]
fn earlier_requests_change_no_payload() {
    let (all, servers) = ("a=1 b=1 c=1 d=1 e=1", ["a", "b", "c", "d"]);
    let one = company(all, &servers).tied.unwrap();
    let words: Vec<&str> = all.split(' ').collect();
    for set in (0..32_usize).chain((0..32).rev()) {
        let held = words.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1);
        let held = payload(&held.map(|(_, word)| *word).collect::<Vec<_>>().join(" "));
        let another = company(all, &servers).tied.unwrap();
        assert_eq!(
            one.payload(Some(held.digest())),
            another.payload(Some(held.digest())),
            "{set}"
        );
    }
}

#[test]
fn tied_logins_among_thousands_stay() {
    let mut words: Vec<String> = (0..5_000).map(|number| format!("a{number}.example.com=1")).collect();
    words.push("z=1".to_owned());
    let all = words.join(" ");
    let tied = company(&all, &["z"]).tied.unwrap();
    let kept = tied.payload(Some(payload(&all).digest())).unwrap();
    assert_eq!(kept.base64(), payload(&all).base64());
}

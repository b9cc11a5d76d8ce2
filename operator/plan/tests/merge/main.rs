//! The merge of an object's registries: which of several logins for one server stays, what is left out, and which status
//! it causes.

mod size;
mod status;

use std::collections::{BTreeMap, BTreeSet};

use crd::{Reason, Registry, RegistryState};
use plan::credential::Credential;
use plan::labels::Labels;
use plan::registries::{
    LastGood, Lookup, Merged, Origin, Problem, Remembered, Resolution, ShownKeys, Source, SourceContent, merge, resolve,
};

/// What a registry gave: for each key a login of that user name.
fn gave(key: &str, server: Option<&str>, entries: &[(&str, &str)]) -> Resolution {
    let login = |username: &str| Credential::new(username, "p").expect("a login");
    let entries = entries
        .iter()
        .map(|(key, username)| ((*key).to_owned(), login(username)));
    Resolution {
        key: key.to_owned(),
        server: server.map(str::to_owned),
        origin: None,
        result: Ok(SourceContent {
            entries: entries.collect(),
            ..SourceContent::default()
        }),
    }
}

fn kept(resolutions: &[Resolution]) -> BTreeMap<String, String> {
    let merged = merge(resolutions, &LastGood::new());
    let entries = merged.entries.into_iter();
    entries.map(|(key, login)| (key, login.username().to_owned())).collect()
}

#[test]
fn the_earlier_config_wins_in_any_spelling() {
    for (first, second) in [
        ("ghcr.io", "ghcr.io"),
        ("https://ghcr.io", "ghcr.io"),
        ("ghcr.io", "http://ghcr.io/v2/"),
        ("ghcr.io/acme", "https://ghcr.io/v1/acme"),
        ("ghcr.io/acme", "ghcr.io/ac%6de"),
    ] {
        let merged = kept(&[
            gave("secret:a", None, &[(first, "a")]),
            gave("secret:b", None, &[(second, "b"), ("quay.io", "c")]),
        ]);
        let expected = BTreeMap::from([(first.into(), "a".into()), ("quay.io".into(), "c".into())]);
        assert_eq!(merged, expected, "{first} and {second}");
    }
}

/// It wins over every key that a kubelet reads as that server.
#[test]
fn a_declared_server_wins_over_all_spellings() {
    for key in ["ghcr.io/acme", "https://ghcr.io/v1/acme", "ghcr.io/ac%6de"] {
        let merged = kept(&[
            gave("secret:a", None, &[(key, "a")]),
            gave("ghcr.io/acme", Some("ghcr.io/acme"), &[("ghcr.io/acme", "b")]),
        ]);
        assert_eq!(merged, BTreeMap::from([("ghcr.io/acme".into(), "b".into())]), "{key}");
    }
}

#[test]
fn spellings_within_one_config_stay_as_they_are() {
    let entries = [("ghcr.io", "a"), ("ghcr.io/acme", "c"), ("https://ghcr.io", "b")];
    assert_eq!(kept(&[gave("secret:a", None, &entries)]).len(), 3);
}

fn origin(path: &str) -> Option<Origin> {
    let (reference, keys) = path.split_once('#')?;
    let (namespace, name) = reference.split_once('/')?;
    Some(Origin {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        keys: keys.split(',').map(str::to_owned).collect(),
    })
}

fn remembered(key: &str, from: &str, server: &str) -> (String, Remembered) {
    let login = Credential::new("old", "p").expect("a login");
    let held = Remembered {
        origin: origin(from),
        entries: BTreeMap::from([(server.to_owned(), login)]),
    };
    (key.to_owned(), held)
}

/// A registry that reads this and gets no login from it.
fn broken(key: &str, server: Option<&str>, from: &str) -> Resolution {
    let problem = Problem {
        reason: Reason::SourceNotFound,
        message: "not found".to_owned(),
    };
    Resolution {
        origin: origin(from),
        result: Err(problem),
        ..gave(key, server, &[])
    }
}

#[test]
fn a_remembered_login_belongs_to_its_reference() {
    let robot = "s/robot#username,password";
    for (says, was, is, tied) in [
        ("the same", robot, robot, false),
        ("another name", robot, "s/own#username,password", true),
        ("another namespace", robot, "t/robot#username,password", true),
        ("another key", robot, "s/robot#username,token", true),
        (
            "the same key of a config",
            "s/robot#config.json",
            "s/robot#config.json",
            false,
        ),
        (
            "another key of a config",
            "s/robot#config.json",
            "s/robot#auth.json",
            true,
        ),
        ("another kind", robot, "s/robot#.dockerconfigjson", true),
        ("a reference that cannot be read", robot, "", true),
        ("what an earlier version remembered", "", robot, true),
    ] {
        let last_good = LastGood::from([remembered("r.io", was, "r.io")]);
        let merged = merge(&[broken("r.io", Some("r.io"), is)], &last_good);
        assert!(merged.entries.contains_key("r.io"), "{says}: what is in place stays");
        assert_eq!(merged.tied.contains("r.io"), tied, "{says}");
        assert!(!merged.incomplete, "{says}");
        let expected = if tied { was } else { is };
        assert_eq!(merged.last_good["r.io"].origin, origin(expected), "{says}");
    }
}

#[test]
fn a_reference_that_resolves_takes_its_server_over() {
    let last_good = LastGood::from([remembered("r.io", "s/robot#.dockerconfigjson", "r.io")]);
    let resolution = Resolution {
        origin: origin("s/own#.dockerconfigjson"),
        ..gave("r.io", Some("r.io"), &[("r.io", "new")])
    };
    let merged = merge(&[resolution], &last_good);
    assert_eq!(merged.entries["r.io"].username(), "new");
    assert_eq!(merged.tied, BTreeSet::new());
    assert_eq!(merged.last_good["r.io"].origin, origin("s/own#.dockerconfigjson"));
}

#[test]
fn whole_configs_are_saved_by_reference() {
    let (robot, own) = ("s/robot#.dockerconfigjson", "s/own#.dockerconfigjson");
    for (says, held, declared, tied, kept) in [
        (
            "the same",
            ("secret:robot", robot),
            ("secret:robot", robot),
            false,
            "secret:robot",
        ),
        (
            "of an earlier version",
            ("secret:robot", ""),
            ("secret:robot", robot),
            false,
            "secret:robot",
        ),
        (
            "spelled otherwise",
            ("secret:robot", robot),
            ("secret:s/robot", robot),
            false,
            "secret:s/robot",
        ),
        (
            "another",
            ("secret:robot", robot),
            ("secret:own", own),
            true,
            "secret:robot",
        ),
        (
            "another than an earlier version had",
            ("secret:robot", ""),
            ("secret:own", own),
            true,
            "secret:robot",
        ),
    ] {
        let last_good = LastGood::from([remembered(held.0, held.1, "r.io")]);
        let merged = merge(&[broken(declared.0, None, declared.1)], &last_good);
        assert!(merged.entries.contains_key("r.io"), "{says}: what is in place stays");
        assert_eq!(merged.tied.contains("r.io"), tied, "{says}");
        assert_eq!(merged.last_good.keys().collect::<Vec<_>>(), [kept], "{says}");
    }
}

#[test]
fn a_removed_registry_is_no_longer_saved() {
    let (robot, own) = ("s/robot#.dockerconfigjson", "s/own#.dockerconfigjson");
    let last_good = LastGood::from([
        remembered("secret:robot", robot, "a.io"),
        remembered("secret:own", own, "b.io"),
        remembered("r.io", robot, "r.io"),
    ]);
    let merged = merge(&[broken("secret:own", None, own)], &last_good);
    assert_eq!(merged.entries.into_keys().collect::<Vec<_>>(), ["b.io"]);
    assert_eq!(merged.last_good.into_keys().collect::<Vec<_>>(), ["secret:own"]);
}

/// What each registry says, cut to its reason and whether it has a login.
fn said(merged: &Merged) -> Vec<(&str, bool)> {
    let registries = merged.registries.iter();
    registries
        .map(|registry| (registry.reason.as_str(), registry.state == RegistryState::Ready))
        .collect()
}

fn login(password: &str) -> Credential {
    Credential::new("robot", password).expect("a login")
}

/// A source Secret whose docker config is taken whole.
fn whole(auths: &str) -> Resolution {
    let registry = serde_json::json!({"credentials": {"dockerConfig": {"secretRef": {"name": "all"}}}});
    let registry: Registry = serde_json::from_value(registry).expect("a registry");
    let source = Source {
        type_: "example.com/logins".to_owned(),
        labels: Labels::default(),
        data: BTreeMap::from([(
            ".dockerconfigjson".to_owned(),
            format!(r#"{{"auths":{auths}}}"#).into_bytes(),
        )]),
        keys: ShownKeys::default(),
    };
    resolve(&registry, "pullsecrets-system", |_| Lookup::Found(&source))
}

/// The other entries of the source are updated.
#[test]
fn a_broken_entry_keeps_its_last_login() {
    let good = r#"{"a.io":{"auth":"dTpw"},"b.io":{"auth":"dTpw"},"c.io":{"auth":"dTpw"}}"#;
    let before = merge(&[whole(good)], &LastGood::new());
    assert_eq!(said(&before), [("Resolved", true)]);
    let broken = [whole(r#"{"a.io":{"auth":"%"},"b.io":{"auth":"dTpx"},"d.io":{}}"#)];
    let after = merge(&broken, &before.last_good);
    let passwords: Vec<(&str, &str)> = after
        .entries
        .iter()
        .map(|(key, login)| (key.as_str(), login.password()))
        .collect();
    assert_eq!(passwords, [("a.io", "p"), ("b.io", "q")]);
    assert_eq!(said(&after), [("SourceInvalid", false)]);
    assert_eq!(
        after.registries[0].message.as_deref(),
        Some(
            "copies keep the last good login for a.io: secret \"pullsecrets-system/all\": entry \"a.io\" is left out: its `auth` \
             is not base64; entry \"d.io\" is left out: it is empty, as docker leaves it when a credential store has the \
             login; write the login into it"
        )
    );
    assert_eq!(merge(&broken, &after.last_good), after, "and it stays so");
    let others = before.last_good.values().cloned().map(|mut held| {
        held.origin = origin("s/robot#.dockerconfigjson");
        held
    });
    let others: LastGood = others.map(|held| ("secret:all".to_owned(), held)).collect();
    let of_another = merge(&broken, &others);
    assert_eq!(
        of_another.entries.keys().collect::<Vec<_>>(),
        ["b.io"],
        "what another reference gave is not its own"
    );
    let fresh = merge(&broken, &LastGood::new());
    assert_eq!(said(&fresh), [("Resolved", true)], "what never was good is no problem");
    assert!(fresh.registries[0].message.is_some(), "and is named all the same");
}

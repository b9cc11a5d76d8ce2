//! Which login stays where several registries of an object are one server to a kubelet.

use std::collections::BTreeMap;

use plan::credential::Credential;
use plan::registries::{LastGood, Resolution, merge};

/// What a registry gave: for each key a login of that user name.
fn gave(key: &str, server: Option<&str>, entries: &[(&str, &str)]) -> Resolution {
    let login = |username: &str| Credential::new(username, "p").expect("a login");
    let entries = entries
        .iter()
        .map(|(key, username)| ((*key).to_owned(), login(username)));
    Resolution {
        key: key.to_owned(),
        server: server.map(str::to_owned),
        result: Ok(entries.collect()),
    }
}

fn kept(resolutions: &[Resolution]) -> BTreeMap<String, String> {
    let merged = merge(resolutions, &LastGood::new());
    let entries = merged.entries.into_iter();
    entries.map(|(key, login)| (key, login.username().to_owned())).collect()
}

#[test]
fn the_earlier_of_two_configs_wins_however_it_spells_the_server() {
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

#[test]
fn a_declared_server_wins_over_every_spelling_that_a_kubelet_reads_as_it() {
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

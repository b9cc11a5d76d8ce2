//! Docker configs: what is read, what is refused and why, and the one form that is written.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use plan::credential::{Credential, CredentialError, Part};
use plan::docker_config::{
    DockerConfig, DockerConfigError, EntryError, EntryName, Whole, render, rendered_len, whole_key,
};
use plan::server::Server;
use proptest::prelude::*;

fn login(username: &str, password: &str) -> Credential {
    Credential::new(username, password).expect("a valid login")
}

fn parse(json: &str) -> Result<DockerConfig, DockerConfigError> {
    DockerConfig::parse(json.as_bytes())
}

/// The one entry of a config with this text as the entry of `r.example.com`.
fn entry(json: &str) -> Result<Credential, EntryError> {
    let config = parse(&format!(r#"{{"auths":{{"r.example.com":{json}}}}}"#)).expect("a config with one entry");
    match config.unusable().get("r.example.com") {
        Some(&reason) => Err(reason),
        None => Ok(config.entries()["r.example.com"].clone()),
    }
}

/// What a config with these entries gives when it is taken whole.
fn whole(auths: &str) -> Result<Whole, DockerConfigError> {
    parse(&format!(r#"{{"auths":{auths}}}"#)).expect("a config").whole()
}

#[test]
fn entries_are_read_as_kubelets_do() {
    let expected = login("user", "pa:ss");
    for json in [
        r#"{"username":"user","password":"pa:ss"}"#,
        r#"{"auth":"dXNlcjpwYTpzcw=="}"#,
        r#"{"auth":"dXNlcjpwYTpzcw"}"#,
        r#"{"auth":"dXNl\ncjpw\r\nYTpzcw=\n=\n"}"#,
        r#"{"auth":"dXNlcjpwYTpzcx=="}"#,
        r#"{"auth":"dXNlcjpwYTpzcw==","username":"other","password":"other"}"#,
        r#"{"auth":"","username":"user","password":"pa:ss"}"#,
        r#"{"auth":null,"USERNAME":"user","Password":"pa:ss"}"#,
        r#"{"username":"first","password":"pa:ss","Username":"user","username":null}"#,
        r#"{"username":"user","password":"pa:ss","email":7,"identitytoken":"","more":[1e999]}"#,
        r#"{"username":"user","password":"pa:ss","identitytoken":"t","RegistryToken":{}}"#,
        r#"{"auth":"dXNlcjpwYTpzcw==","identitytoken":"t"}"#,
    ] {
        assert_eq!(entry(json), Ok(expected.clone()), "{json}");
    }
}

/// An entry that a kubelet would not use is rejected, with the reason.
#[test]
fn unusable_entries_are_rejected_with_reason() {
    use EntryError::{AuthNotBase64, AuthNotUtf8, AuthWithoutColon, Empty, NotAString, NotAnObject, TokenIgnored};
    let unusable = |reason| EntryError::Credential(reason);
    for (json, expected) in [
        ("null", NotAnObject),
        (r#""dXNlcjpwYTpzcw==""#, NotAnObject),
        ("[]", NotAnObject),
        ("{}", Empty),
        (r#"{"auth":""}"#, Empty),
        (r#"{"auth":7}"#, NotAString("auth")),
        (r#"{"username":{},"password":"p"}"#, NotAString("username")),
        (r#"{"username":"u","password":true}"#, NotAString("password")),
        (r#"{"auth":"%%%"}"#, AuthNotBase64),
        (r#"{"auth":" dXNlcjpwYTpzcw=="}"#, AuthNotBase64),
        (r#"{"auth":"dXNlcjpwYTpzcw="}"#, AuthNotBase64),
        (r#"{"auth":"dXNlcg=="}"#, AuthWithoutColon),
        (r#"{"auth":"\n"}"#, AuthWithoutColon),
        (r#"{"auth":"dTr/"}"#, AuthNotUtf8),
        (
            r#"{"auth":"dTpwCg=="}"#,
            unusable(CredentialError::LineBreak(Part::Password)),
        ),
        (r#"{"auth":"OnA="}"#, unusable(CredentialError::Empty(Part::Username))),
        (r#"{"username":"u"}"#, unusable(CredentialError::Empty(Part::Password))),
        (r#"{"password":"p"}"#, unusable(CredentialError::Empty(Part::Username))),
        (
            r#"{"username":"a:b","password":"p"}"#,
            unusable(CredentialError::ColonInUsername),
        ),
        (r#"{"auth":"dTo=","identitytoken":"t"}"#, TokenIgnored("identitytoken")),
        (r#"{"username":"u","RegistryToken":"t"}"#, TokenIgnored("registrytoken")),
        (r#"{"identitytoken":"t"}"#, TokenIgnored("identitytoken")),
    ] {
        assert_eq!(entry(json), Err(expected), "{json}");
    }
}

#[test]
fn a_config_without_auths_is_rejected() {
    use DockerConfigError::{AuthsNotAnObject, NoAuths, NoEntries, NotAnObject, StoredElsewhere, Syntax};
    for (json, expected) in [
        ("", Syntax { line: 1, column: 0 }),
        ("{\n  x}", Syntax { line: 2, column: 3 }),
        ("{} {}", Syntax { line: 1, column: 4 }),
        ("null", NotAnObject),
        ("[]", NotAnObject),
        ("{}", NoAuths),
        (r#"{"r.io":{"auth":"dTpw"}}"#, NoAuths),
        (r#"{"auths":null}"#, NoAuths),
        (r#"{"auths":[]}"#, AuthsNotAnObject),
        (r#"{"auths":"x"}"#, AuthsNotAnObject),
        (r#"{"auths":{}}"#, NoEntries),
        (r#"{"auths":{},"Auths":[]}"#, AuthsNotAnObject),
        (r#"{"auths":{"r.io":{"auth":"dTpw"}},"Auths":null}"#, NoAuths),
        (r#"{"credsStore":"desktop"}"#, StoredElsewhere),
        (r#"{"auths":{},"credHelpers":{"r.io":"pass"}}"#, StoredElsewhere),
        (r#"{"auths":{},"credHelpers":{},"credsStore":""}"#, NoEntries),
        ("\u{feff}{\"auths\":{}}", DockerConfigError::ByteOrderMark),
    ] {
        assert_eq!(parse(json), Err(expected), "{json}");
    }
}

#[test]
fn credential_stores_matter_only_without_entries() {
    let config = parse(r#"{"Auths":{"r.io":{"auth":"dTpw"}},"credsStore":"desktop"}"#);
    assert_eq!(
        config.map(|config| config.entries().clone()),
        Ok(BTreeMap::from([("r.io".to_owned(), login("u", "p"))]))
    );
}

/// As in Go.
#[test]
fn the_last_of_repeated_names_counts() {
    let config = parse(r#"{"auths":{"r.io":{"auth":"%"},"r.io":{"auth":"dTpx"}},"AUTHS":{"s.io":{"auth":"dTpw"}}}"#);
    let config = config.expect("a config");
    let expected = BTreeMap::from([
        ("r.io".to_owned(), login("u", "q")),
        ("s.io".to_owned(), login("u", "p")),
    ]);
    assert_eq!(config.entries(), &expected);
    let whole = config.whole().expect("both can be used");
    assert_eq!(
        whole.warnings.to_string(),
        r#"entry "r.io" stands there more than once; kubelets read the last"#
    );
    let config = parse(r#"{"auths":{"r.io":{"auth":"dTpx"},"r.io":{}}}"#).expect("a config");
    assert_eq!(config.unusable()["r.io"], EntryError::Empty);
    assert!(config.entries().is_empty());
}

#[test]
fn a_bad_entry_affects_no_other() {
    for bad in [
        "{}",
        "null",
        "1e999",
        r#"{"email":"a@example.com"}"#,
        r#"{"auth":"%"}"#,
        r#"{"auth":"dTo=","identitytoken":"t"}"#,
        r#"{"auth":"\ud800"}"#,
        r#"{"username":"u","password":["p"]}"#,
        &format!("{}1{}", "[".repeat(300), "]".repeat(300)),
    ] {
        let config = parse(&format!(r#"{{"auths":{{"bad.io":{bad},"r.io":{{"auth":"dTpw"}}}}}}"#)).expect(bad);
        let own = config.entry_for(&Server::parse("r.io").expect("a server"));
        assert_eq!(own, Ok(&login("u", "p")), "{bad}");
        let whole = config.whole().expect("one can be used");
        assert_eq!(whole.entries.keys().collect::<Vec<_>>(), ["r.io"], "{bad}");
        assert_eq!(whole.left_out.keys().collect::<Vec<_>>(), ["bad.io"], "{bad}");
        let remarks = whole.warnings.to_string();
        assert!(
            remarks.starts_with(r#"entry "bad.io" is left out: "#),
            "{bad}: {remarks}"
        );
        let own = config.entry_for(&Server::parse("bad.io").expect("a server"));
        assert!(matches!(own, Err(DockerConfigError::Entry { .. })), "{bad}");
    }
}

#[test]
fn invalid_utf8_affects_its_own_entry_only() {
    let bytes = b"{\"auths\":{\"bad\xff.io\":{\"auth\":\"\xfe\"},\"r.io\":{\"auth\":\"dTpw\"}}}";
    let config = DockerConfig::parse(bytes).expect("a config");
    assert_eq!(config.entries().keys().collect::<Vec<_>>(), ["r.io"]);
}

#[test]
fn a_config_without_usable_entry_is_rejected() {
    for (auths, expected) in [
        (
            r#"{"r.io":{}}"#,
            r#"the entry "r.io" cannot be used: it is empty, as docker leaves it when a credential store holds the login"#,
        ),
        (
            r#"{"b.io":{"auth":"%"},"R io":{"auth":7}}"#,
            r#"no entry can be used: entry "b.io" is left out: its `auth` is not base64; entry 2 is left out: kubelets skip this key, since they cannot parse it as host[:port][/path]"#,
        ),
    ] {
        let told = whole(auths).expect_err(auths).to_string();
        assert_eq!(told, expected);
    }
}

#[test]
fn stores_and_helpers_cause_warnings() {
    let config = parse(
        r#"{"auths":{"r.io":{"auth":"dTpw"}},"credsStore":"desktop",
            "credHelpers":{"ghcr.io":"x","user:hunter2@quay.io":"x"}}"#,
    );
    let config = config.expect("a config");
    let remarks = config.whole().expect("one entry").warnings.to_string();
    assert_eq!(
        remarks,
        "logins in `credsStore` are left out: kubelets cannot ask a credential store; logins in `credHelpers` are left out: \
         kubelets cannot ask credential helpers (ghcr.io and 1 more)"
    );
    let told = config.entry_for(&Server::parse("quay.io").expect("a server"));
    let told = told.expect_err("it is not there").to_string();
    assert!(
        told.ends_with("in a credential store or helper, which kubelets cannot ask"),
        "{told}"
    );
}

#[test]
fn keys_that_kubelets_skip_are_left_out() {
    for key in [
        "",
        "https://",
        "r.example.com ",
        "r.example.com:*",
        "r.example.com:x",
        "u@https://r.example.com",
        "u er@r.example.com",
    ] {
        let config = parse(&format!(r#"{{"auths":{{"{key}":{{"auth":"dTpw"}}}}}}"#)).expect(key);
        assert!(config.unusable().contains_key(key), "{key}");
        let told = config.whole().expect_err(key).to_string();
        assert!(
            told.starts_with("the entry 1 cannot be used: kubelets "),
            "{key}: {told}"
        );
    }
}

/// What kubelets drop of a key is neither copied nor shown.
#[test]
fn dropped_parts_of_keys_are_never_shown() {
    for (key, copied) in [
        ("user:hunter2@r.example.com", "r.example.com"),
        ("https://user:hunter2@r.example.com/acme", "https://r.example.com/acme"),
        ("r.example.com?token=hunter2", "r.example.com"),
        ("r.example.com/acme#hunter2", "r.example.com/acme"),
        ("https://hunter2@index.docker.io/v1/", "https://index.docker.io/v1/"),
    ] {
        let config = parse(&format!(r#"{{"auths":{{"{key}":{{"auth":"dTpw"}}}}}}"#)).expect(key);
        let server = Server::parse(copied).expect(copied);
        assert_eq!(config.entry_for(&server), Ok(&login("u", "p")), "{key}");
        let whole = config.whole().expect(key);
        assert_eq!(whole.entries.keys().collect::<Vec<_>>(), [copied]);
        let listed: Vec<String> = whole.names.values().map(EntryName::listed).collect();
        assert_eq!(listed, ["entry 1: not a server name"]);
        let shown = format!("{} {:?} {listed:?}", whole.warnings, whole.warnings);
        assert!(
            shown.contains("entry 1 is used as kubelets read it") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
    let both = whole(r#"{"u:hunter2@r.io":{"auth":"dTpw"},"r.io":{"auth":"dTpx"}}"#).expect("a config");
    assert_eq!(both.entries["r.io"], login("u", "q"));
    assert_eq!(
        both.warnings.to_string(),
        "entry 1 is left out: another entry means the same to kubelets"
    );
}

/// A key that no image matches is named, with the spelling that would match.
#[test]
fn an_unmatched_key_gets_a_suggestion() {
    for (key, expected) in [
        ("https://index.docker.io/v1", Some("https://index.docker.io/v1/")),
        ("index.docker.io/acme", Some("docker.io/acme")),
        ("oci://ghcr.io/acme", Some("ghcr.io/acme")),
        ("HTTPS://ghcr.io", Some("ghcr.io")),
        ("ghcr.io/Acme", Some("ghcr.io/acme")),
        ("ghcr.io/acme/*", Some("ghcr.io/acme/")),
        ("ghcr.io/acme/app:latest", Some("ghcr.io/acme/app")),
        ("ghcr.io//acme", Some("ghcr.io/acme")),
        ("r.example.com.", Some("r.example.com")),
        ("gh\u{200b}cr.io", Some("ghcr.io")),
        ("ghcr.io/acme\u{a0}", Some("ghcr.io/acme")),
        ("gh\u{441}r.io", None),
        ("ghcr", None),
        ("[fd00::1]", None),
        ("ghcr.io/a..b", None),
    ] {
        let auths = serde_json::json!({"r.io": {"auth": "dTpx"}, key: {"auth": "dTpw"}}).to_string();
        let whole = whole(&auths).expect(key);
        assert!(whole.entries.contains_key(&whole_key(key)), "{key} is copied as it is");
        let place = auths.find("\"r.io\"") > auths.find(&serde_json::json!(key).to_string());
        let name = match Server::parse(key) {
            Ok(_) => format!("{key:?}"),
            Err(_) => (if place { "1" } else { "2" }).to_owned(),
        };
        let told = whole.warnings.to_string();
        assert!(
            told.starts_with(&format!("no image can match entry {name}")),
            "{key}: {told}"
        );
        let spelled = expected.map(|server| format!("; write \"{server}\""));
        assert_eq!(
            told.ends_with(spelled.as_deref().unwrap_or("; write \"\"")),
            spelled.is_some(),
            "{key}: {told}"
        );
    }
}

#[test]
fn a_misleading_key_gets_a_suggestion() {
    for (key, expected) in [
        ("R.example.com", "r.example.com"),
        ("r.example.com:0443", "r.example.com:443"),
        ("registry-1.docker.io", "https://index.docker.io/v1/"),
        ("r.example.com/v2", "r.example.com"),
    ] {
        let told = whole(&format!(r#"{{"{key}":{{"auth":"dTpw"}}}}"#))
            .expect(key)
            .warnings
            .to_string();
        assert!(
            told.contains("is used as kubelets read it") && told.ends_with(&format!("; write \"{expected}\"")),
            "{key}: {told}"
        );
    }
    let right = r#"{"ghcr.io":{"auth":"dTpw"},"https://index.docker.io/v1/":{"auth":"dTpw"},"docker.io/acme/":{"auth":"dTpw"},"https://r.io/v2/":{"auth":"dTpw"}}"#;
    assert!(whole(right).expect("a config").warnings.is_empty());
}

#[test]
fn further_warnings_are_counted_not_shown() {
    let auths: serde_json::Map<String, serde_json::Value> = (0..100)
        .map(|at| (format!("r{at:02}.io"), serde_json::json!({})))
        .chain([("s.io".to_owned(), serde_json::json!({"auth": "dTpw"}))])
        .collect();
    let told = whole(&serde_json::Value::from(auths).to_string())
        .expect("one entry")
        .warnings
        .to_string();
    assert!(told.ends_with("; and 92 more") && told.len() < 1024, "{told}");
}

#[test]
fn long_or_invalid_keys_show_their_place() {
    for key in [
        format!("r.example.com/{}", "a".repeat(400)),
        "r.example.com/é\u{7f}".to_owned(),
    ] {
        let auths = serde_json::json!({"a.io": {"auth": "dTpw"}, key.clone(): {}}).to_string();
        let whole = whole(&auths).expect("one entry");
        assert_eq!(whole.left_out[&key].shown(), "entry 2");
        assert!(!whole.warnings.to_string().contains("r.example.com"));
    }
}

#[test]
fn oversized_configs_are_rejected_unread() {
    let padding = |length: usize| format!(r#"{{"auths":{{"r.io":{{"auth":"dTpw"}}}}{}}}"#, " ".repeat(length));
    let around = padding(0).len();
    assert!(parse(&padding((1 << 20) - around)).is_ok());
    assert_eq!(
        parse(&padding((1 << 20) - around + 1)),
        Err(DockerConfigError::TooLarge)
    );
}

#[test]
fn a_server_finds_entries_in_any_spelling() {
    let config = parse(
        r#"{"auths":{
            "https://index.docker.io/v1/":{"auth":"aHViOnA="},
            "https://ghcr.io/v2/":{"auth":"Z2hjcjpw"},
            "ghcr.io/acme":{"auth":"YWNtZTpw"},
            "R.example.com":{"auth":"dTpw"}
        }}"#,
    )
    .expect("a valid config");
    for (declared, username) in [
        ("docker.io", Some("hub")),
        ("registry-1.docker.io/v2/", Some("hub")),
        ("ghcr.io", Some("ghcr")),
        ("https://ghcr.io/acme", Some("acme")),
        ("ghcr.io/acme/", None),
        ("docker.io/acme", None),
        ("r.example.com", None),
    ] {
        let server = Server::parse(declared).expect(declared);
        let found = config.entry_for(&server).map(Credential::username);
        assert_eq!(found.ok(), username, "{declared}");
    }
    let told = |declared| {
        let server = Server::parse(declared).expect(declared);
        config.entry_for(&server).expect_err(declared).to_string()
    };
    assert_eq!(told("quay.io"), "no entry for server quay.io");
    assert_eq!(
        told("r.example.com"),
        "no entry for server r.example.com; the entry 4 looks like it: write the server as its key"
    );
}

#[test]
fn a_usable_spelling_wins_over_a_broken_one() {
    for auths in [
        r#"{"ghcr.io":{},"https://ghcr.io":{"auth":"dTpw"}}"#,
        r#"{"ghcr.io":{"auth":"dTpw"},"https://ghcr.io":{}}"#,
    ] {
        let config = parse(&format!(r#"{{"auths":{auths}}}"#)).expect(auths);
        let server = Server::parse("ghcr.io").expect("a server");
        assert_eq!(config.entry_for(&server), Ok(&login("u", "p")), "{auths}");
    }
}

#[test]
fn the_own_key_wins_over_other_spellings() {
    let config = parse(r#"{"auths":{"docker.io":{"auth":"YTpw"},"https://index.docker.io/v1/":{"auth":"Yjpw"}}}"#)
        .expect("a valid config");
    let hub = Server::parse("docker.io").expect("Docker Hub");
    assert_eq!(config.entry_for(&hub).map(Credential::username), Ok("b"));
}

#[test]
fn only_known_docker_hub_spellings_are_rewritten() {
    let hub = "https://index.docker.io/v1/";
    for (key, expected) in [
        (hub, hub),
        ("docker.io", hub),
        ("http://docker.io/v2/", hub),
        ("index.docker.io/", hub),
        ("https://index.docker.io/v1", "https://index.docker.io/v1"),
        ("registry-1.docker.io", "registry-1.docker.io"),
        ("docker.io/acme", "docker.io/acme"),
        ("docker.io:443", "docker.io:443"),
        ("https://ghcr.io/", "https://ghcr.io/"),
        ("https://user:word@ghcr.io/?x", "https://ghcr.io/"),
    ] {
        assert_eq!(whole_key(key), expected, "{key}");
    }
}

/// Of several spellings of Docker Hub the login stays that a kubelet would try.
#[test]
fn the_docker_hub_login_of_kubelets_stays() {
    let hub = "https://index.docker.io/v1/";
    for (keys, expected) in [
        (&["docker.io", hub][..], "docker.io"),
        (&["docker.io", "index.docker.io"], "docker.io"),
        (&["http://docker.io/v2/", "index.docker.io"], "http://docker.io/v2/"),
        (&["docker.io", "https://docker.io"], "https://docker.io"),
        (&["index.docker.io", hub], "index.docker.io"),
        (&[hub, "registry-1.docker.io", "docker.io/acme"], hub),
    ] {
        let entry = |key: &&str| {
            (
                (*key).to_owned(),
                serde_json::json!({"username": key.replace(':', ""), "password": "p"}),
            )
        };
        let auths: serde_json::Map<String, serde_json::Value> = keys.iter().map(entry).collect();
        let whole = parse(&serde_json::json!({"auths": auths}).to_string())
            .expect("a valid config")
            .whole()
            .expect("usable entries");
        assert_eq!(whole.entries[hub].username(), expected.replace(':', ""), "{keys:?}");
    }
}

#[test]
fn a_rendered_config_is_small_and_sorted() {
    let entries = BTreeMap::from([
        ("ghcr.io".to_owned(), login("user", "pa\"ss")),
        ("a.example.com".to_owned(), login("ü", "p")),
    ]);
    assert_eq!(
        String::from_utf8(render(&entries)).expect("UTF-8"),
        concat!(
            r#"{"auths":{"#,
            r#""a.example.com":{"auth":"w7w6cA==","password":"p","username":"ü"},"#,
            r#""ghcr.io":{"auth":"dXNlcjpwYSJzcw==","password":"pa\"ss","username":"user"}"#,
            r#"}}"#
        )
    );
}

fn entries() -> impl Strategy<Value = BTreeMap<String, Credential>> {
    let key = "(https://|)[a-zA-Z0-9*-]{1,5}\\.(io|example\\.com)(:[0-9]{1,4}|)(/[a-z \"\\\\é]{0,5}|)";
    let login = ("[^:\n\r]{1,10}", "[^\n\r]{1,9}[\\x00-\\x7f]{0,10}[^\n\r]{1,9}")
        .prop_map(|(username, password)| login(&username, &password));
    prop::collection::btree_map(key, login, 1..5)
}

const CANARY: &str = "canary-hunter2";

/// JSON in which every string that is not a name holds the canary, plain or encoded.
fn baited() -> impl Strategy<Value = serde_json::Value> {
    let pair = format!("{CANARY}:{CANARY}");
    let leaf = prop::sample::select(vec![
        serde_json::json!(CANARY),
        serde_json::json!(STANDARD.encode(CANARY)),
        serde_json::json!(STANDARD.encode(&pair)),
        serde_json::json!(STANDARD_NO_PAD.encode(&pair)),
        serde_json::json!(format!("{pair}\n")),
        serde_json::json!([CANARY]),
        serde_json::json!(null),
        serde_json::json!(1.5),
    ]);
    let names = vec![
        "auths",
        "auth",
        "username",
        "password",
        "identitytoken",
        "registrytoken",
        "credsStore",
        "r.example.com",
        "canary-hunter2@r.example.com",
        "r.example.com#canary-hunter2",
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop::collection::btree_map(prop::sample::select(names.clone()), inner, 0..4)
            .prop_map(|fields| fields.into_iter().collect())
    })
}

fn assert_hides_the_canary(error: &DockerConfigError) -> Result<(), TestCaseError> {
    let shown = format!("{error} {error:?}");
    for secret in [CANARY.to_owned(), STANDARD_NO_PAD.encode(CANARY)] {
        prop_assert!(!shown.contains(&secret), "{}", shown);
    }
    Ok(())
}

proptest! {
    /// Parsing a rendered config returns the same entries, and rendering those gives the same bytes.
    #[test]
    fn a_rendered_config_round_trips(entries in entries()) {
        let written = render(&entries);
        let config = DockerConfig::parse(&written).expect("our own form");
        prop_assert_eq!(config.entries(), &entries);
        prop_assert_eq!(rendered_len(&entries), written.len());
        prop_assert_eq!(render(config.entries()), written);
    }

    #[test]
    fn any_bytes_get_a_result(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = DockerConfig::parse(&bytes);
    }

    #[test]
    fn no_error_shows_a_value(config in baited(), wrap in any::<bool>(), cut in 0..400usize) {
        let config = if wrap { serde_json::json!({"auths": config}) } else { config };
        let mut bytes = config.to_string().into_bytes();
        match DockerConfig::parse(&bytes).and_then(|config| config.whole()) {
            Err(error) => assert_hides_the_canary(&error)?,
            Ok(whole) => {
                let listed: Vec<String> = whole.names.values().map(EntryName::listed).collect();
                let shown = format!("{} {:?} {listed:?} {:?}", whole.warnings, whole.warnings, whole.left_out.values());
                prop_assert!(!shown.contains(CANARY), "{}", shown);
            }
        }
        bytes.truncate(cut);
        if let Err(error) = DockerConfig::parse(&bytes) {
            assert_hides_the_canary(&error)?;
        }
    }

    #[test]
    fn debug_of_a_config_shows_no_value(username in "[^:\0\n\r]{1,10}") {
        let entries = BTreeMap::from([("r.io".to_owned(), login(&format!("{CANARY}{username}"), CANARY))]);
        let config = DockerConfig::parse(&render(&entries)).expect("our own form");
        let shown = format!("{config:?}");
        prop_assert!(!shown.contains(CANARY));
    }
}

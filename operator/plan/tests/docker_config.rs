//! Docker configs: what is read, what is refused and why, and the one form that is written.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use plan::credential::{Credential, CredentialError, Part};
use plan::docker_config::{DockerConfig, DockerConfigError, EntryError, render, whole_key};
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
    match parse(&format!(r#"{{"auths":{{"r.example.com":{json}}}}}"#)) {
        Ok(config) => Ok(config.entries()["r.example.com"].clone()),
        Err(DockerConfigError::Entry { key, reason }) => {
            assert_eq!(key.as_str(), "r.example.com");
            Err(reason)
        }
        Err(other) => unreachable!("{other}"),
    }
}

#[test]
fn an_entry_is_read_as_a_kubelet_reads_it() {
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
        r#"{"username":"user","password":"pa:ss","email":7,"identitytoken":"","more":[1]}"#,
    ] {
        assert_eq!(entry(json), Ok(expected.clone()), "{json}");
    }
}

#[test]
fn an_entry_that_a_kubelet_would_not_use_is_refused_with_the_reason() {
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
            unusable(CredentialError::ControlCharacter(Part::Password)),
        ),
        (r#"{"auth":"OnA="}"#, unusable(CredentialError::Empty(Part::Username))),
        (r#"{"username":"u"}"#, unusable(CredentialError::Empty(Part::Password))),
        (r#"{"password":"p"}"#, unusable(CredentialError::Empty(Part::Username))),
        (
            r#"{"username":"a:b","password":"p"}"#,
            unusable(CredentialError::ColonInUsername),
        ),
        (r#"{"auth":"dTo=","identitytoken":"t"}"#, TokenIgnored("identitytoken")),
        (
            r#"{"username":"u","password":"p","RegistryToken":"t"}"#,
            TokenIgnored("registrytoken"),
        ),
    ] {
        assert_eq!(entry(json), Err(expected), "{json}");
    }
}

#[test]
fn a_config_without_usable_auths_is_refused() {
    use DockerConfigError::{
        AuthsNotAnObject, NoAuths, NoEntries, NotAnObject, RepeatedAuths, StoredElsewhere, Syntax,
    };
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
        (r#"{"auths":{},"Auths":{}}"#, RepeatedAuths),
        (r#"{"credsStore":"desktop"}"#, StoredElsewhere),
        (r#"{"auths":{},"credHelpers":{}}"#, StoredElsewhere),
    ] {
        assert_eq!(parse(json), Err(expected), "{json}");
    }
}

#[test]
fn a_credential_store_is_no_matter_while_there_are_entries() {
    let config = parse(r#"{"Auths":{"r.io":{"auth":"dTpw"}},"credsStore":"desktop"}"#);
    assert_eq!(
        config.map(|config| config.entries().clone()),
        Ok(BTreeMap::from([("r.io".to_owned(), login("u", "p"))]))
    );
}

#[test]
fn a_key_that_stands_there_twice_is_refused_by_name() {
    let error = parse(r#"{"auths":{"r.io":{"auth":"dTpw"},"r.io":{"auth":"dTpx"}}}"#);
    assert_eq!(
        error.map_err(|e| e.to_string()),
        Err(r#"the entry "r.io" stands in `auths` more than once"#.to_owned())
    );
}

#[test]
fn a_key_that_a_kubelet_would_skip_or_cut_is_refused() {
    for (key, expected) in [
        ("", EntryError::KeyUnparsable),
        ("https://", EntryError::KeyUnparsable),
        ("r.example.com ", EntryError::KeyUnparsable),
        ("r.example.com:*", EntryError::KeyUnparsable),
        ("r.example.com:x", EntryError::KeyUnparsable),
        ("user:hunter2@r.example.com", EntryError::KeyCut),
        ("r.example.com?token=hunter2", EntryError::KeyCut),
        ("r-?.example.com", EntryError::KeyCut),
        ("r.example.com#x", EntryError::KeyCut),
    ] {
        let json = format!(r#"{{"auths":{{"{key}":{{"auth":"dTpw"}}}}}}"#);
        let error = parse(&json).expect_err(key);
        assert!(
            matches!(&error, DockerConfigError::Entry { reason, .. } if *reason == expected),
            "{key}: {error}"
        );
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn keys_that_match_nothing_are_no_reason_to_refuse_the_rest() {
    for key in ["R.example.com", "oci://r.io", "r.io/v2", "https://r.io/*"] {
        let json = format!(r#"{{"auths":{{"{key}":{{"auth":"dTpw"}}}}}}"#);
        assert!(parse(&json).is_ok(), "{key}");
    }
}

#[test]
fn a_long_or_strange_key_is_shown_cut_and_in_ascii() {
    let key = format!("r.example.com/é\u{7f}{}", "a".repeat(400));
    let json = serde_json::json!({"auths": {key: {}}}).to_string();
    let Err(DockerConfigError::Entry { key, .. }) = parse(&json) else {
        unreachable!("an empty entry is refused")
    };
    assert!(key.as_str().len() <= 253, "{key}");
    assert!(key.as_str().bytes().all(|b| b.is_ascii_graphic()), "{key}");
}

#[test]
fn more_than_a_secret_can_hold_is_refused_unread() {
    let padding = |length: usize| format!(r#"{{"auths":{{"r.io":{{"auth":"dTpw"}}}}{}}}"#, " ".repeat(length));
    let around = padding(0).len();
    assert!(parse(&padding((1 << 20) - around)).is_ok());
    assert_eq!(
        parse(&padding((1 << 20) - around + 1)),
        Err(DockerConfigError::TooLarge)
    );
}

#[test]
fn what_a_secret_can_hold_but_no_copy_of_it_is_refused() {
    let config = |length: usize| {
        format!(
            r#"{{"auths":{{"r.io":{{"auth":"","password":"{}","username":"u"}}}}}}"#,
            "p".repeat(length)
        )
    };
    let lengths: Vec<usize> = (1..1 << 20).collect();
    let too_long = lengths.partition_point(|&length| {
        let entries = BTreeMap::from([("r.io".to_owned(), login("u", &"p".repeat(length)))]);
        render(&entries).len() <= 1 << 20
    });
    let too_long = lengths[too_long];
    let largest = parse(&config(too_long - 1)).expect("it fits");
    let again = DockerConfig::parse(&render(largest.entries()));
    assert_eq!(again, Ok(largest));
    assert_eq!(parse(&config(too_long)), Err(DockerConfigError::TooLargeToWrite));
    let escaped = STANDARD.encode(format!("u:{}", "\u{1}".repeat(150_000)));
    let json = format!(r#"{{"auths":{{"r.io":{{"auth":"{escaped}"}}}}}}"#);
    assert_eq!(parse(&json), Err(DockerConfigError::TooLargeToWrite));
}

#[test]
fn a_declared_server_finds_its_entry_in_any_spelling() {
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
        assert_eq!(found, username, "{declared}");
    }
}

#[test]
fn the_own_key_of_a_server_wins_over_other_spellings() {
    let config = parse(r#"{"auths":{"docker.io":{"auth":"YTpw"},"https://index.docker.io/v1/":{"auth":"Yjpw"}}}"#)
        .expect("a valid config");
    let hub = Server::parse("docker.io").expect("Docker Hub");
    assert_eq!(config.entry_for(&hub).map(Credential::username), Some("b"));
}

#[test]
fn only_spellings_of_docker_hub_that_kubelets_know_are_rewritten() {
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
    ] {
        assert_eq!(whole_key(key), expected, "{key}");
    }
}

#[test]
fn of_several_names_of_docker_hub_the_login_stays_that_a_kubelet_would_try() {
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
            .whole();
        assert_eq!(whole[hub].username(), expected.replace(':', ""), "{keys:?}");
    }
}

#[test]
fn what_is_written_is_small_and_sorted() {
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
    let login = ("[^:\0\n\r]{1,10}", "[^\0\n\r]{1,20}").prop_map(|(username, password)| login(&username, &password));
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
    #[test]
    fn reading_what_was_written_gives_the_same_and_writes_the_same(entries in entries()) {
        let written = render(&entries);
        let config = DockerConfig::parse(&written).expect("our own form");
        prop_assert_eq!(config.entries(), &entries);
        prop_assert_eq!(render(config.entries()), written);
    }

    #[test]
    fn bytes_of_any_kind_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = DockerConfig::parse(&bytes);
    }

    #[test]
    fn no_error_shows_a_value(config in baited(), wrap in any::<bool>(), cut in 0..400usize) {
        let config = if wrap { serde_json::json!({"auths": config}) } else { config };
        let mut bytes = config.to_string().into_bytes();
        if let Err(error) = DockerConfig::parse(&bytes) {
            assert_hides_the_canary(&error)?;
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

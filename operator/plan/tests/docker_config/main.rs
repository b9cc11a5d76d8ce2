//! Docker configs: what is read, what is refused and why, and the one form that is written.

mod whole;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use plan::credential::{Credential, CredentialError, Part};
use plan::docker_config::{DockerConfig, DockerConfigError, EntryError, EntryName, Whole, render, rendered_len};
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
        r#"entry "r.io" occurs more than once; kubelets use the last one"#
    );
    let config = parse(r#"{"auths":{"r.io":{"auth":"dTpx"},"r.io":{}}}"#).expect("a config");
    assert_eq!(config.unusable()["r.io"], EntryError::Empty);
    assert!(config.entries().is_empty());
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
    let message = |declared| {
        let server = Server::parse(declared).expect(declared);
        config.entry_for(&server).expect_err(declared).to_string()
    };
    assert_eq!(message("quay.io"), "no entry for server quay.io");
    assert_eq!(
        message("r.example.com"),
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

//! Pull secrets as people and tools write them.

use super::*;

fn read(text: &str) -> PullSecret {
    PullSecret::read(DOCKER_CONFIG_TYPE, |key| {
        (key == DOCKER_CONFIG_KEY).then_some(text.as_bytes())
    })
}

fn keys(secret: &PullSecret) -> Vec<&str> {
    secret.entries().iter().map(|entry| entry.key.as_str()).collect()
}

#[test]
fn one_wrong_value_makes_all_unreadable() {
    for text in [
        "x",
        "[]",
        "5",
        r#"{"auths":[]}"#,
        r#"{"auths":{"r.io":5}}"#,
        r#"{"auths":{"r.io":[]}}"#,
        r#"{"auths":{"r.io":{"auth":"%%%"}}}"#,
        r#"{"auths":{"r.io":{"auth":"bm8gY29sb24="}}}"#,
        r#"{"auths":{"r.io":{"auth":5}}}"#,
        r#"{"auths":{"r.io":{"email":5}}}"#,
        r#"{"auths":{"r.io":{"auth":5}},"auths":null}"#,
        r#"{"auths":{"r.io":{"username":"u"}},"HttpHeaders":[1]}"#,
        r#"{"auths":{"r.io":{"username":"u"}},"httpheaders":{"a":1}}"#,
        r#"{"auths":{"q.io":{"username":"u"},"r.io":{"auth":"YQ"}}}"#,
        "\u{feff}{}",
    ] {
        let secret = read(text);
        assert!(matches!(secret, PullSecret::Unreadable(_)), "{text} {secret:?}");
    }
}

#[test]
fn what_go_accepts_is_read() {
    for (text, expected) in [
        ("null", vec![]),
        ("{}", vec![]),
        (r#"{"auths":null}"#, vec![]),
        (r#"{"auths":{"r.io":null}}"#, vec!["r.io"]),
        (r#"{"AUTHS":{"r.io":{"Auth":"dTpw"}}}"#, vec!["r.io"]),
        (r#"{"auths":{"r.io":{}},"auths":{"q.io":{}}}"#, vec!["r.io", "q.io"]),
        (
            r#"{"auths":{"r.io":{}},"auths":null,"auths":{"q.io":{}}}"#,
            vec!["q.io"],
        ),
        (
            r#"{"auths":{"r.io":{}},"HttpHeaders":{"a":null},"x":[5]}"#,
            vec!["r.io"],
        ),
    ] {
        assert_eq!(keys(&read(text)), expected, "{text}");
    }
}

#[test]
fn the_login_is_the_one_that_is_sent() {
    for (entry, username, password) in [
        ("null", "", ""),
        (r#"{"identitytoken":"t"}"#, "", ""),
        (r#"{"username":"u","password":"p"}"#, "u", "p"),
        (r#"{"username":"x","password":"y","auth":"dTpwOnE="}"#, "u", "p:q"),
        (r#"{"auth":"OnA="}"#, "", "p"),
        (r#"{"username":"u","username":null,"password":"p\n"}"#, "u", "p\n"),
    ] {
        let secret = read(&format!(r#"{{"auths":{{"r.io":{entry}}}}}"#));
        let [PullEntry { login, .. }] = secret.entries() else {
            panic!("{entry}");
        };
        assert_eq!((login.username(), login.password()), (username, password), "{entry}");
        assert_eq!(login.is_blank(), username.is_empty());
        assert_eq!(format!("{login:?}"), "SentLogin(redacted)");
    }
}

#[test]
fn other_types_and_missing_keys_are_ignored() {
    let opaque = PullSecret::read("Opaque", |_| Some(b"{}"));
    assert_eq!(opaque, PullSecret::Ignored(Ignored::Type));
    let without = PullSecret::read(LEGACY_CONFIG_TYPE, |key| (key == DOCKER_CONFIG_KEY).then_some(b"{}"));
    assert_eq!(without, PullSecret::Ignored(Ignored::NoValue(LEGACY_CONFIG_KEY)));
    let legacy = PullSecret::read(LEGACY_CONFIG_TYPE, |_| Some(br#"{"r.io":{"auth":"dTpw"}}"#));
    assert_eq!(keys(&legacy), ["r.io"]);
}

#[test]
fn deep_nesting_is_an_error_as_in_go() {
    let nested = |depth: usize| format!(r#"{{"x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert_eq!(read(&nested(9_999)), PullSecret::Entries(vec![]));
    assert_eq!(read(&nested(10_000)), PullSecret::Unreadable(Unreadable::Depth));
    assert_eq!(depth(r#"{"[[[\"[[":"]"}"#), 1);
}

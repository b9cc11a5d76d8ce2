//! Docker configs that are taken whole: their keys, and the warnings that they cause.

use super::{login, parse, whole};
use plan::docker_config::{DockerConfig, DockerConfigError, EntryName, whole_key};
use plan::server::Server;

#[test]
fn a_config_without_usable_entry_is_rejected() {
    for (auths, expected) in [
        (
            r#"{"r.io":{}}"#,
            r#"the entry "r.io" cannot be used: it is empty, as docker leaves it when a credential store has the login; write the login into it"#,
        ),
        (
            r#"{"b.io":{"auth":"%"},"R io":{"auth":7}}"#,
            r#"no entry can be used: entry "b.io" is left out: its `auth` is not base64; entry 2 is left out: kubelets skip this key, because they cannot parse it; write host[:port][/path]"#,
        ),
    ] {
        let message = whole(auths).expect_err(auths).to_string();
        assert_eq!(message, expected);
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
    let message = config.entry_for(&Server::parse("quay.io").expect("a server"));
    let message = message.expect_err("it is not there").to_string();
    assert!(
        message.ends_with("in a credential store or helper, which kubelets cannot ask"),
        "{message}"
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
        let message = config.whole().expect_err(key).to_string();
        assert!(
            message.starts_with("the entry 1 cannot be used: kubelets "),
            "{key}: {message}"
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
            shown.contains("kubelets read entry 1 in another way than it looks") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
    let both = whole(r#"{"u:hunter2@r.io":{"auth":"dTpw"},"r.io":{"auth":"dTpx"}}"#).expect("a config");
    assert_eq!(both.entries["r.io"], login("u", "q"));
    assert_eq!(
        both.warnings.to_string(),
        "entry 1 is left out: kubelets read another entry as the same server"
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
        let message = whole.warnings.to_string();
        assert!(
            message.starts_with(&format!("no image can match entry {name}")),
            "{key}: {message}"
        );
        let spelled = expected.map(|server| format!("; write \"{server}\""));
        assert_eq!(
            message.ends_with(spelled.as_deref().unwrap_or("; write \"\"")),
            spelled.is_some(),
            "{key}: {message}"
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
        let message = whole(&format!(r#"{{"{key}":{{"auth":"dTpw"}}}}"#))
            .expect(key)
            .warnings
            .to_string();
        assert!(
            message.contains("in another way than it looks") && message.ends_with(&format!("; write \"{expected}\"")),
            "{key}: {message}"
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
    let message = whole(&serde_json::Value::from(auths).to_string())
        .expect("one entry")
        .warnings
        .to_string();
    assert!(message.ends_with("; and 92 more") && message.len() < 1024, "{message}");
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
fn invalid_utf8_affects_its_own_entry_only() {
    let bytes = b"{\"auths\":{\"bad\xff.io\":{\"auth\":\"\xfe\"},\"r.io\":{\"auth\":\"dTpw\"}}}";
    let config = DockerConfig::parse(bytes).expect("a config");
    assert_eq!(config.entries().keys().collect::<Vec<_>>(), ["r.io"]);
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

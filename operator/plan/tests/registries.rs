//! What is said of a source that is of no use: which Secret, which key, what is wrong there, and never a value.

use crd::names::LABEL_OBJECT;
use crd::{Reason, Registry};
use plan::labels::Labels;
use plan::registries::{LastGood, Lookup, Problem, ShownKeys, Source, merge, resolve};
use serde_json::{Value, json};

const OWN: &str = "pullsecrets-system";

fn source(type_: &str, data: &[(&str, &[u8])]) -> Source {
    let keys = ShownKeys::of(data.iter().map(|(key, _)| *key));
    let data = data.iter().map(|(key, value)| ((*key).to_owned(), value.to_vec()));
    Source {
        type_: type_.to_owned(),
        labels: Labels::default(),
        data: data.collect(),
        keys,
    }
}

/// The problem of one registry whose source is `lookup`.
fn problem(credentials: &Value, lookup: Lookup<'_>) -> (Reason, String) {
    let registry = json!({"server": "r.example.com", "credentials": credentials});
    let registry: Registry = serde_json::from_value(registry).expect("a registry");
    let result = resolve(&registry, OWN, |_| lookup).result;
    let Err(Problem { reason, message }) = result else {
        unreachable!("the source is of no use")
    };
    (reason, message)
}

#[test]
fn unusable_logins_name_secret_and_key() {
    let basic = || json!({"basicAuth": {"secretRef": {"name": "robot"}, "passwordKey": "token"}});
    let kind = "kubernetes.io/basic-auth";
    for (source, says) in [
        (
            source("kubernetes.io/tls", &[]),
            "type is \"kubernetes.io/tls\": TLS keys must not leave their namespace, and kubelets log in to a registry without \
             a certificate; name a Secret with the login of the registry instead, made by `kubectl create secret \
             docker-registry` for dockerConfig, or of type kubernetes.io/basic-auth for basicAuth",
        ),
        (
            source(kind, &[("token", b"CANARY")]),
            r#"key "username" is missing; the secret has "token": add that key, or set basicAuth.usernameKey to another one"#,
        ),
        (
            source(kind, &[("username", b"u"), ("password", b"CANARY")]),
            "key \"token\" is missing; the secret has \"username\", \"password\": add that key, or set basicAuth.passwordKey to \
             another one",
        ),
        (
            source("kubernetes.io/dockerconfigjson", &[(".dockerconfigjson", b"CANARY")]),
            "key \"username\" is missing; type is \"kubernetes.io/dockerconfigjson\", which holds a docker config: name it \
             under dockerConfig instead of basicAuth",
        ),
    ] {
        let found = problem(&basic(), Lookup::Found(&source));
        assert_eq!(
            found,
            (
                Reason::SourceInvalid,
                format!(r#"secret "pullsecrets-system/robot": {says}"#)
            )
        );
    }
    for (username, token, key, says) in [
        (&b""[..], &b"CANARY"[..], "username", "the username is empty"),
        (
            b"CANARY:x",
            b"CANARY",
            "username",
            "the username contains a `:`, where kubelets would cut it",
        ),
        (b"CANARY", b"\n", "token", "the password is empty"),
        (b"CANARY", b"CANARY\xff", "token", "the password is not UTF-8"),
        (
            b"CANARY",
            b"CANARY\n\n",
            "token",
            "the password begins or ends with a line break, often left by `echo`; use `printf %s`",
        ),
    ] {
        let source = source("Opaque", &[("username", username), ("token", token)]);
        let found = problem(&basic(), Lookup::Found(&source));
        let expected = format!(r#"secret "pullsecrets-system/robot", key "{key}": {says}"#);
        assert_eq!(found, (Reason::SourceInvalid, expected));
    }
}

/// Secrets of any other type may be sources.
#[test]
fn secrets_of_confined_types_are_no_sources() {
    let basic = json!({"server": "r.io", "credentials": {"basicAuth": {"secretRef": {"name": "robot"}}}});
    let docker = json!({"server": "r.io", "credentials": {"dockerConfig": {"secretRef": {"name": "robot"}}}});
    let data: [(&str, &[u8]); 3] = [
        ("username", b"u"),
        ("password", b"CANARY"),
        (".dockerconfigjson", br#"{"auths":{"r.io":{"auth":"dTpDQU5BUlk="}}}"#),
    ];
    for registry in [basic, docker] {
        let registry: Registry = serde_json::from_value(registry).expect("a registry");
        for type_ in [
            "Opaque",
            "kubernetes.io/basic-auth",
            "kubernetes.io/dockerconfigjson",
            "kubernetes.io/dockercfg",
            "connection.crossplane.io/v1alpha1",
            "servicebinding.io/mysql",
            "kubernetes.io/tls2",
        ] {
            let source = source(type_, &data);
            let given = resolve(&registry, OWN, |_| Lookup::Found(&source)).result.expect(type_);
            assert_eq!(given.entries["r.io"].password(), "CANARY", "{type_}");
        }
        for (type_, content) in [
            ("kubernetes.io/service-account-token", "tokens of service accounts"),
            ("bootstrap.kubernetes.io/token", "bootstrap tokens"),
            ("kubernetes.io/tls", "TLS keys"),
            ("kubernetes.io/ssh-auth", "SSH keys"),
            ("helm.sh/release.v1", "Helm releases"),
        ] {
            let source = source(type_, &data);
            let problem = resolve(&registry, OWN, |_| Lookup::Found(&source))
                .result
                .expect_err(type_);
            let expected = format!(
                r#"secret "pullsecrets-system/robot": type is "{type_}": {content} must not leave their namespace, and "#
            );
            let message = problem.message;
            assert!(message.starts_with(&expected), "{message}");
            assert!(
                message.contains("; name a Secret with the login of the registry instead, made by "),
                "{message}"
            );
            assert_eq!(problem.reason, Reason::SourceInvalid);
            assert!(!message.contains("CANARY"), "{message}");
        }
    }
}

#[test]
fn legacy_configs_are_read_as_kubelets_do() {
    let registry = json!({"credentials": {"dockerConfig": {"secretRef": {"name": "robot"}}}});
    let registry: Registry = serde_json::from_value(registry).expect("a registry");
    let config = br#"{"r.io":{"auth":"dTpw"},"auths":{},"credsStore":{"username":"u"}}"#;
    let source = source("kubernetes.io/dockercfg", &[(".dockercfg", config)]);
    let given = resolve(&registry, OWN, |_| Lookup::Found(&source))
        .result
        .expect("it is of use");
    assert_eq!(given.entries.keys().collect::<Vec<_>>(), ["r.io"]);
    assert_eq!(given.left_out.len(), 2, "nothing but entries stands there");
}

/// The declaration of a docker config, and the password that it gives for `r.io`.
#[test]
fn a_named_key_decides_what_is_read() {
    let modern = |password: &str| format!(r#"{{"auths":{{"r.io":{{"username":"u","password":"{password}"}}}}}}"#);
    let legacy = |password: &str| format!(r#"{{"r.io":{{"username":"u","password":"{password}"}}}}"#);
    let texts = [modern("default"), modern("named"), legacy("older"), legacy("stray")];
    let keys = [".dockerconfigjson", "config.json", ".dockercfg", "stray"];
    let data: Vec<(&str, &[u8])> = keys.into_iter().zip(texts.iter().map(String::as_bytes)).collect();
    let without_default = &data[1..];
    for (type_, data, key, gives) in [
        ("Opaque", &data[..], None, Ok("default")),
        ("Opaque", &data, Some(".dockerconfigjson"), Ok("default")),
        ("Opaque", &data, Some("config.json"), Ok("named")),
        ("Opaque", &data, Some(".dockercfg"), Ok("older")),
        (
            "kubernetes.io/dockerconfigjson",
            &data,
            Some("config.json"),
            Ok("named"),
        ),
        ("kubernetes.io/dockercfg", without_default, None, Ok("older")),
        (
            "kubernetes.io/dockercfg",
            without_default,
            Some("config.json"),
            Ok("named"),
        ),
        ("kubernetes.io/dockercfg", &data, None, Ok("default")),
        (
            "Opaque",
            without_default,
            None,
            Err(r#"key ".dockerconfigjson" is missing"#),
        ),
        ("Opaque", &data, Some("other"), Err(r#"key "other" is missing"#)),
        (
            "Opaque",
            &data,
            Some("stray"),
            Err(r#"key "stray": the docker config has no `auths`"#),
        ),
        (
            "kubernetes.io/tls",
            &data,
            Some("config.json"),
            Err("TLS keys must not leave their namespace"),
        ),
    ] {
        for server in [Some("r.io"), None] {
            let credentials = json!({"dockerConfig": {"secretRef": {"name": "robot"}, "key": key}});
            let registry = json!({"server": server, "credentials": credentials});
            let registry: Registry = serde_json::from_value(registry).expect("a registry");
            let source = source(type_, data);
            let given = resolve(&registry, OWN, |_| Lookup::Found(&source)).result;
            let what = format!("{type_} with key {key:?}");
            match (given, gives) {
                (Ok(given), Ok(password)) => assert_eq!(given.entries["r.io"].password(), password, "{what}"),
                (Err(problem), Err(says)) => assert!(problem.message.contains(says), "{what}: {}", problem.message),
                (given, _) => unreachable!("{what}: {given:?}"),
            }
        }
    }
}

/// A person may have put a value in the place of a key.
#[test]
fn only_plain_words_are_shown_as_keys() {
    let shown = |keys: &[&str]| ShownKeys::of(keys.iter().copied()).to_string();
    for (keys, says) in [
        (&[][..], "the secret is empty"),
        (&["CANARY0"][..], "the secret has other keys"),
        (
            &["config.json", ".docker_config-x"],
            r#"the secret has "config.json", ".docker_config-x""#,
        ),
        (
            &["CANARY-", "a..b", "auth", &"x".repeat(33)],
            r#"the secret has "auth" and other keys"#,
        ),
        (
            &["a", "b", "c", "d", "e", "f"],
            r#"the secret has "a", "b", "c", "d", "e" and other keys"#,
        ),
    ] {
        assert_eq!(shown(keys), says);
    }
}

#[test]
fn suspicious_logins_are_served_with_warning() {
    let basic = json!({"server": "r.io", "credentials": {"basicAuth": {"secretRef": {"name": "robot"}}}});
    let docker = json!({"server": "r.io", "credentials": {"dockerConfig": {"secretRef": {"name": "robot"}}}});
    let config = br#"{"auths":{"r.io":{"username":"u","password":"CANARY\u0000"}}}"#;
    let data: [(&str, &[u8]); 3] = [
        ("username", b"u"),
        ("password", b"CANARY\0"),
        (".dockerconfigjson", config),
    ];
    for registry in [basic, docker] {
        let registry: Registry = serde_json::from_value(registry).expect("a registry");
        let source = source("Opaque", &data);
        let merged = merge(&[resolve(&registry, OWN, |_| Lookup::Found(&source))], &LastGood::new());
        assert_eq!(merged.entries["r.io"].password(), "CANARY\0");
        assert_eq!(
            merged.registries[0].message.as_deref(),
            Some(
                "secret \"pullsecrets-system/robot\": the password contains an invisible character, such as a NUL or a byte \
                 order mark"
            )
        );
        assert_eq!(merged.registries[0].reason, "Resolved");
    }
}

#[test]
fn unusable_configs_name_secret_and_key() {
    let docker = || json!({"dockerConfig": {"secretRef": {"name": "logins", "namespace": "vault"}}});
    let (kind, key) = ("kubernetes.io/dockerconfigjson", ".dockerconfigjson");
    for (source, says) in [
        (
            source("kubernetes.io/dockercfg", &[(".dockercfg", b"CANARY")]),
            r#", key ".dockercfg": the docker config is not JSON: error at line 1, column 1"#,
        ),
        (
            source("kubernetes.io/dockercfg", &[(".dockercfg", b"{}")]),
            r#", key ".dockercfg": `auths` of the docker config is empty"#,
        ),
        (
            source("Opaque", &[(".dockercfg", b"{}")]),
            "; the secret has \".dockercfg\": add that key, or set dockerConfig.key to another one",
        ),
        (
            source(kind, &[]),
            "; the secret is empty: add that key, or set dockerConfig.key to another one",
        ),
        (
            source("kubernetes.io/basic-auth", &[("username", b"CANARY")]),
            "; type is \"kubernetes.io/basic-auth\", which holds one login: name it under basicAuth instead of dockerConfig",
        ),
        (
            source(kind, &[(key, b"{\n  \"auths\": CANARY")]),
            r#", key ".dockerconfigjson": the docker config is not JSON: error at line 2, column 12"#,
        ),
        (
            source(kind, &[(key, br#"{"auths":{"r.example.com":{"auth":"CANARY-"}}}"#)]),
            r#", key ".dockerconfigjson": the entry "r.example.com" cannot be used: its `auth` is not base64"#,
        ),
        (
            source(kind, &[(key, br#"{"auths":{"other.example.com":{"auth":"dTpw"}}}"#)]),
            r#", key ".dockerconfigjson": no entry for server r.example.com"#,
        ),
    ] {
        let found = problem(&docker(), Lookup::Found(&source));
        let missing = if says.starts_with(';') {
            r#": key ".dockerconfigjson" is missing"#
        } else {
            ""
        };
        assert_eq!(
            found,
            (
                Reason::SourceInvalid,
                format!(r#"secret "vault/logins"{missing}{says}"#)
            )
        );
    }
}

#[test]
fn unavailable_sources_are_named_with_namespace() {
    let mut copy = source("Opaque", &[("username", b"u"), ("password", b"CANARY")]);
    copy.labels = [(LABEL_OBJECT, "company")].into_iter().collect();
    let state = source("pullsecrets.dev/state", &[("registries.json", b"CANARY")]);
    let managed = "it is managed by pullsecrets and cannot be a source";
    let instead = "it holds the last good logins of an object; name a Secret with the login of the registry instead, made \
                   by `kubectl create secret docker-registry` for dockerConfig, or of type kubernetes.io/basic-auth for \
                   basicAuth";
    let elsewhere = r#"the operator reads sources only in its own namespace "pullsecrets-system" and in those of --source-namespaces: move the secret, or add its namespace to that flag"#;
    for (lookup, reason, says) in [
        (
            Lookup::Missing,
            Reason::SourceNotFound,
            "not found: create it, or correct secretRef",
        ),
        (Lookup::NotAllowed, Reason::SourceNamespaceNotAllowed, elsewhere),
        (
            Lookup::Forbidden,
            Reason::SourceNamespaceNotAllowed,
            "the operator cannot list secrets in that namespace: give it a Role there to list and watch secrets, as in \
             config/README.md",
        ),
        (
            Lookup::Unread,
            Reason::SourceNamespaceNotAllowed,
            "the API server has not listed the secrets of that namespace yet: the operator keeps asking, and its log has \
             the error, if there is one",
        ),
        (
            Lookup::Found(&copy),
            Reason::SourceInvalid,
            &format!(
                r#"{managed}: it is a copy that ClusterPullSecret "company" keeps; name the source of that object instead"#
            ),
        ),
        (
            Lookup::Found(&state),
            Reason::SourceInvalid,
            &format!("{managed}: {instead}"),
        ),
    ] {
        for (reference, shown) in [
            (json!({"name": "robot"}), "pullsecrets-system/robot"),
            (json!({"name": "robot", "namespace": "vault"}), "vault/robot"),
        ] {
            let found = problem(&json!({"basicAuth": {"secretRef": reference}}), lookup);
            assert_eq!(found, (reason, format!(r#"secret "{shown}": {says}"#)));
        }
    }
}

/// Earlier versions saved them under the same keys.
#[test]
fn saved_keys_of_whole_configs_are_stable() {
    let config = source(
        "kubernetes.io/dockerconfigjson",
        &[(".dockerconfigjson", br#"{"auths":{"r.io":{"auth":"dTpw"}}}"#)],
    );
    for (reference, data_key, key) in [
        (json!({"name": "logins"}), None, "secret:logins"),
        (
            json!({"name": "logins", "namespace": OWN}),
            None,
            "secret:pullsecrets-system/logins",
        ),
        (
            json!({"name": "logins"}),
            Some(".dockerconfigjson"),
            "secret:logins:.dockerconfigjson",
        ),
    ] {
        let registry = json!({"credentials": {"dockerConfig": {"secretRef": reference, "key": data_key}}});
        let registry: Registry = serde_json::from_value(registry).expect("a registry");
        let resolution = resolve(&registry, OWN, |_| Lookup::Found(&config));
        assert_eq!(resolution.key, key);
        let origin = resolution.origin.expect("it names a source");
        assert_eq!(
            (origin.name.as_str(), origin.keys),
            ("logins", vec![".dockerconfigjson".to_owned()])
        );
        let given = resolution.result.expect("it is of use");
        assert!(given.entries.contains_key("r.io"));
    }
}

/// An older schema let them through.
#[test]
fn invalid_registries_are_named_by_place() {
    let long = format!("R.{}", "a".repeat(4000));
    let basic = || json!({"secretRef": {"name": "robot"}});
    for (registry, says) in [
        (
            json!({"server": "r.io", "credentials": {}}),
            "credentials: exactly one of basicAuth and dockerConfig must be given",
        ),
        (
            json!({"server": "r.io", "credentials": {"basicAuth": basic(), "dockerConfig": basic()}}),
            "credentials: exactly one of basicAuth and dockerConfig must be given",
        ),
        (
            json!({"credentials": {"basicAuth": basic()}}),
            "server: required, because basicAuth does not name a registry",
        ),
        (
            json!({"server": "oci://r.io", "credentials": {"basicAuth": basic()}}),
            "server: \"oci://r.io\": ",
        ),
        (
            json!({"server": long, "credentials": {"basicAuth": basic()}}),
            "server: \"R.aaa",
        ),
    ] {
        let good = json!({"server": "good.io", "credentials": {"basicAuth": basic()}});
        let login = source("Opaque", &[("username", b"u"), ("password", b"p")]);
        let resolutions = [good, registry].map(|registry| {
            let registry: Registry = serde_json::from_value(registry).expect("a registry");
            resolve(&registry, OWN, |_| Lookup::Found(&login))
        });
        let merged = merge(&resolutions, &LastGood::new());
        let problem = merged.problem.expect("a problem");
        assert_eq!(problem.reason, Reason::InvalidSpec);
        let expected = format!("spec.registries[1].{says}");
        assert!(problem.message.starts_with(&expected), "{}", problem.message);
        assert!(problem.message.len() < 500, "{}", problem.message);
        assert_eq!(merged.registries[1].message.as_deref(), Some(problem.message.as_str()));
        assert_eq!(merged.entries.len(), 1, "the good one is served");
    }
}

//! Unusual sources that kubelets accept. The operator takes them, with the login that a kubelet would use.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use e2e::oracle::Login;
use serde_json::{Value, json};

use super::{BASIC, CONFIG_KEY, DOCKER, Kind, NAMED_KEY, Source};

/// A name, its declaration, and the Secret.
pub(super) type Odd = (&'static str, Kind, Source);

/// Returns the sources, which all mean `login`.
pub(super) fn sources(login: &Login) -> Vec<Odd> {
    let Login { username, password } = login;
    let plain = json!({"username": username, "password": password});
    [entries(login, &plain), configs(&plain), other_types(login, &plain)].concat()
}

/// Returns docker configs whose only entry is unusual.
fn entries(login: &Login, plain: &Value) -> Vec<Odd> {
    let Login { username, password } = login;
    let pair = format!("{username}:{password}");
    let auth = STANDARD.encode(&pair);
    let (head, tail) = auth.split_at(20);
    let with = |more: Value| {
        let mut entry = plain.clone();
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    };
    let entries = [
        ("auth-only", json!({"auth": auth})),
        ("auth-unpadded", json!({"auth": STANDARD_NO_PAD.encode(&pair)})),
        ("auth-in-lines", json!({"auth": format!("{head}\n{tail}\r\n")})),
        (
            "auth-contradicts",
            json!({"auth": auth, "username": "another", "password": "another"}),
        ),
        ("auth-empty", with(json!({"auth": ""}))),
        ("names-in-capitals", json!({"USERNAME": username, "Password": password})),
        ("email-is-a-number", with(json!({"email": 7}))),
        (
            "tokens-are-empty",
            with(json!({"identitytoken": "", "registrytoken": null})),
        ),
        (
            "tokens-beside-a-login",
            with(json!({"identitytoken": "any", "registrytoken": "any"})),
        ),
        ("more-fields", with(json!({"future": {"a": [1, null, 1.5]}}))),
    ];
    entries
        .into_iter()
        .map(|(name, entry)| (name, json!({"auths": {"registry.example.com": entry}}).to_string()))
        .map(|(name, config)| (name, Kind::Config, Source::config(config)))
        .collect()
}

/// Returns docker configs whose keys, other entries or size are unusual.
fn configs(plain: &Value) -> Vec<Odd> {
    let spelled =
        |key: &str| json!({"auths": {key: plain}, "credsStore": "desktop", "HttpHeaders": {"a": "b"}}).to_string();
    let text = plain.to_string();
    let beside = |bad: &str| format!(r#"{{"auths":{{"registry.example.com":{text},"z.io":{bad}}}}}"#);
    let in_two = format!(r#"{{"auths":{{}},"AUTHS":{{"registry.example.com":{text}}}}}"#);
    let twice = format!(r#"{{"auths":{{"registry.example.com":{{}},"registry.example.com":{text}}}}}"#);
    let good = json!({"auths": {"registry.example.com": plain}}).to_string();
    let blanks = " ".repeat((1 << 20) - good.len());
    [
        ("with-a-store-too", Kind::Config, spelled("registry.example.com")),
        (
            "key-with-scheme",
            Kind::Config,
            spelled("https://registry.example.com/v2/"),
        ),
        ("whole", Kind::Whole, spelled("registry.example.com")),
        (
            "key-with-a-user",
            Kind::Config,
            spelled("https://any:word@registry.example.com"),
        ),
        ("key-with-a-query", Kind::Config, spelled("registry.example.com?a=b")),
        ("beside-an-empty-one", Kind::Config, beside("{}")),
        ("beside-a-broken-one", Kind::Config, beside(r#"{"auth":"%%%"}"#)),
        ("beside-half-a-character", Kind::Config, beside(r#"{"auth":"\ud800"}"#)),
        ("whole-with-a-broken-one", Kind::Whole, beside(r#"{"auth":7}"#)),
        ("auths-in-two", Kind::Config, in_two),
        ("entry-twice", Kind::Config, twice),
        ("as-large-as-can-be-and-good", Kind::Config, format!("{good}{blanks}")),
    ]
    .into_iter()
    .map(|(name, kind, config)| (name, kind, Source::config(config)))
    .collect()
}

/// Returns logins of other forms and types of Secrets.
fn other_types(login: &Login, plain: &Value) -> Vec<Odd> {
    let Login { username, password } = login;
    let of_type = |name, type_, end: &str| {
        let [username, password] = [username, password].map(|text| format!("{text}{end}"));
        let data = [("username", username.as_str()), ("password", &password), ("more", "\0")];
        (name, Kind::Basic, Source::of(type_, data))
    };
    let legacy = json!({"registry.example.com": plain}).to_string();
    let legacy = Source::of("kubernetes.io/dockercfg", [(".dockercfg", legacy.as_str())]);
    let good = json!({"auths": {"registry.example.com": plain}}).to_string();
    let beside = [(NAMED_KEY, good.as_str()), (CONFIG_KEY, r#"{"auths":{}}"#)];
    let named = Source::of("Opaque", beside);
    let beside_default = Source::of(DOCKER, beside);
    let good = Source::of("example.com/logins", [(CONFIG_KEY, good.as_str())]);
    vec![
        of_type("line-break-at-the-end", BASIC, "\n"),
        of_type("line-break-of-windows", BASIC, "\r\n"),
        of_type("opaque", "Opaque", ""),
        of_type("of-a-type-of-its-own", "connection.example.com/v1", ""),
        ("config-of-the-older-form", Kind::Whole, legacy),
        ("config-of-a-type-of-its-own", Kind::Config, good),
        ("config-under-a-named-key", Kind::Keyed, named),
        ("named-key-beside-the-default", Kind::Keyed, beside_default),
    ]
}

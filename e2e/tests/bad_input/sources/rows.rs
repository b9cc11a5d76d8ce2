//! The bad sources: those of `bad.yaml`, and those that the file cannot express.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::{Bad, CONFIG_KEY, DOCKER, Kind, Row, Source};

/// A row of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    says: String,
    #[serde(rename = "as")]
    kind: Option<Kind>,
    key: Option<String>,
    #[serde(rename = "type")]
    type_: Option<String>,
    entry: Option<String>,
    auths: Option<String>,
    config: Option<String>,
    data: Option<BTreeMap<String, String>>,
}

impl Written {
    fn row(self, core: &str) -> Row {
        let entry = self
            .entry
            .map(|entry| format!(r#"{{"registry.example.com": {entry}}}"#));
        let auths = self.auths.or(entry).map(|auths| format!(r#"{{"auths": {auths}}}"#));
        let config = self.config.or(auths);
        let kind = if config.is_some() { Kind::Config } else { Kind::Basic };
        let (type_, key) = match config {
            Some(_) => (DOCKER, CONFIG_KEY),
            None => ("Opaque", ""),
        };
        let config = config.map(|config| BTreeMap::from([(CONFIG_KEY.to_owned(), config)]));
        let data = self.data.or(config).expect("a source has data");
        Row {
            name: self.name,
            kind: self.kind.unwrap_or(kind),
            bad: Bad::Secret(Source {
                type_: self.type_.unwrap_or_else(|| type_.to_owned()),
                data: data
                    .into_iter()
                    .map(|(key, value)| (key, bytes(&value, core)))
                    .collect(),
            }),
            reason: "SourceInvalid",
            key: self.key.unwrap_or_else(|| key.to_owned()),
            says: self.says,
        }
    }
}

/// Returns all rows, with `core` in their values.
pub(super) fn all(core: &str) -> Vec<Row> {
    let written: Vec<Written> = serde_saphyr::from_str(include_str!("bad.yaml")).expect("the rows can be read");
    let mut rows: Vec<Row> = written.into_iter().map(|row| row.row(core)).collect();
    rows.extend(extreme(core));
    rows.extend(not_to_be_had());
    rows
}

fn row(name: &str, kind: Kind, bad: Bad, key: &str, says: &str) -> Row {
    Row {
        name: name.to_owned(),
        kind,
        bad,
        reason: "SourceInvalid",
        key: key.to_owned(),
        says: says.to_owned(),
    }
}

fn extreme(core: &str) -> [Row; 2] {
    let nested = format!("{}{}{}", r#"{"a":"#.repeat(400), json!(core), "}".repeat(400));
    let auth = STANDARD.encode(core.repeat(46_000));
    let large = json!({"auths": {"registry.example.com": {"auth": auth}}}).to_string();
    let row = |name, text: String, says| row(name, Kind::Config, Bad::Secret(Source::config(text)), CONFIG_KEY, says);
    [
        row("nested-deeply", nested, "has no `auths`"),
        row(
            "as-large-as-can-be",
            large,
            "its `auth` does not decode to username:password",
        ),
    ]
}

/// Returns sources that do not exist, or are not allowed.
fn not_to_be_had() -> [Row; 6] {
    let elsewhere = Bad::Refers(json!({"name": "any", "namespace": "default"}));
    let copy = Bad::Refers(json!({"name": super::COPIER}));
    let managed = "it is managed by pullsecrets and cannot be a source";
    let because = |reason, row| Row { reason, ..row };
    [
        because("SourceNotFound", row("gone", Kind::Basic, Bad::Gone, "", "not found")),
        because(
            "SourceNotFound",
            row("config-gone", Kind::Config, Bad::Gone, "", "not found"),
        ),
        because(
            "SourceNotFound",
            row("whole-gone", Kind::Whole, Bad::Gone, "", "not found"),
        ),
        because(
            "SourceNamespaceNotAllowed",
            row(
                "elsewhere",
                Kind::Basic,
                elsewhere,
                "",
                "and in those of --source-namespaces: move the secret",
            ),
        ),
        row("a-copy", Kind::Config, copy, "", managed),
        row("state-itself", Kind::Basic, Bad::RefersToState, "", managed),
    ]
}

/// Returns docker configs that the API server itself refuses under that type.
pub(super) fn never_stored(core: &str) -> Vec<(&'static str, Vec<u8>)> {
    let good = json!({"auths": {"registry.example.com": {"username": core, "password": core}}}).to_string();
    vec![
        ("nothing", Vec::new()),
        ("no JSON", core.as_bytes().to_vec()),
        ("cut off", good.as_bytes()[..good.len() - 10].to_vec()),
        ("a list", json!([core]).to_string().into_bytes()),
        ("a text", json!(core).to_string().into_bytes()),
        ("after a byte order mark", [b"\xef\xbb\xbf", good.as_bytes()].concat()),
        ("followed by more", format!("{good}{good}").into_bytes()),
        ("with a comma too many", good.replace("}}}", "}},}").into_bytes()),
        ("too large", vec![b' '; (1 << 20) + 1]),
    ]
}

/// See the head of `bad.yaml`.
fn bytes(template: &str, core: &str) -> Vec<u8> {
    let mut rest = template;
    let mut bytes = Vec::new();
    while let Some(letter) = rest.chars().next() {
        let escapes: [(&str, &[u8]); 5] = [
            ("CANARY", core.as_bytes()),
            ("\\n", b"\n"),
            ("\\r", b"\r"),
            ("\\0", b"\0"),
            ("\\xff", b"\xff"),
        ];
        if let Some((escape, meant)) = escapes.iter().find(|(escape, _)| rest.starts_with(escape)) {
            bytes.extend_from_slice(meant);
            rest = &rest[escape.len()..];
        } else if letter == '<' {
            let end = matching(rest);
            bytes.extend_from_slice(STANDARD.encode(self::bytes(&rest[1..end], core)).as_bytes());
            rest = &rest[end + 1..];
        } else {
            bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            rest = &rest[letter.len_utf8()..];
        }
    }
    bytes
}

/// Returns the position that closes the `<` at the start of the text.
fn matching(text: &str) -> usize {
    let mut depth = 0;
    let closes = |(_, byte): &(usize, u8)| {
        depth += i32::from(*byte == b'<') - i32::from(*byte == b'>');
        depth == 0
    };
    let end = text.bytes().enumerate().find(closes);
    end.expect("what is opened is closed").0
}

//! Docker configs as people, tools and mistakes write them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use rand::Rng as _;
use rand::rngs::StdRng;

use crate::names::{Names, one};
use e2e::keyring::Answer;

/// One entry of `auths`: its fields as written, or a value that is not an object.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Fields(Vec<(String, String)>),
    Other(&'static str),
}

impl Entry {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Fields(fields) => {
                let fields = fields.iter().map(|(name, value)| format!("{}:{value}", quoted(name)));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }
            Self::Other(text) => (*text).to_owned(),
        }
    }

    /// Whether we may use the login that a kubelet reads in this entry alone. It needs both halves, and they must
    /// survive the way to the registry.
    pub(crate) fn is_usable(&self, alone: &Answer) -> bool {
        let [(key, username, password)] = alone.logins.as_slice() else {
            return false;
        };
        let breaks = ['\n', '\r'];
        let fits = |text: &str| !text.is_empty() && !text.starts_with(breaks) && !text.ends_with(breaks);
        // Invalid text reads as U+FFFD, and so does half of a surrogate pair, which is valid.
        let is_text = !password.contains('\u{fffd}') || self.text().contains("\\ud800");
        // The kubelet files an address with a zone, but never matches it.
        let is_zoned = key.starts_with('[') && key.contains('%');
        !key.is_empty() && !is_zoned && fits(username) && fits(password) && !username.contains(':') && is_text
    }

    /// The entry without fields that are never copied.
    pub(crate) fn less_what_is_not_copied(&self) -> Self {
        match self {
            Self::Fields(fields) => {
                let copied =
                    |name: &str| ["auth", "username", "password"].contains(&name.to_ascii_lowercase().as_str());
                Self::Fields(fields.iter().filter(|(name, _)| copied(name)).cloned().collect())
            }
            Self::Other(_) => self.clone(),
        }
    }
}

/// A docker config: its entries, and the text that should hold them.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) entries: Vec<(String, Entry)>,
    pub(crate) text: Vec<u8>,
}

/// A docker config with only these entries.
pub(crate) fn text_of<'a>(entries: impl Iterator<Item = (&'a str, String)>) -> Vec<u8> {
    let entries = entries.map(|(key, entry)| format!("{}:{entry}", quoted(key)));
    format!(r#"{{"auths":{{{}}}}}"#, entries.collect::<Vec<_>>().join(",")).into_bytes()
}

/// Draws configs whose logins all differ.
#[derive(Default)]
pub(crate) struct Logins {
    count: usize,
}

impl Logins {
    pub(crate) fn config(&mut self, names: &Names, random: &mut StdRng) -> Config {
        let garbage = if random.random_bool(0.2) { 0.3 } else { 0.0 };
        let mut entries: Vec<(String, Entry)> = Vec::new();
        for _ in 0..random.random_range(1..6) {
            let key = names.key(random);
            let again = entries.iter().any(|(other, _)| *other == key);
            if again && random.random_bool(0.97) {
                continue;
            }
            let entry = if random.random_bool(garbage) {
                self.garbage(random)
            } else {
                Entry::Fields(self.fields(random))
            };
            entries.push((key, entry));
        }
        let text = wrapped(&entries, random);
        Config { entries, text }
    }

    /// A user name and a password that no other login of the case has.
    pub(crate) fn next(&mut self, random: &mut StdRng) -> (String, String) {
        self.count += 1;
        let user = one(&["u", "robot$ci+", "ü ", "0000-", "<&>\u{2028}", "\"\\", "😀"], random);
        let password = one(
            &[
                "p",
                "a:b:",
                "pä ß",
                " sp ace ",
                "\"\\/<&>",
                "\t",
                "😀",
                "{\r\n\"key\":\n\n1}",
                "n\0",
            ],
            random,
        );
        (format!("{user}{}", self.count), format!("{password}{}", self.count))
    }

    /// An entry that a kubelet can use.
    fn fields(&mut self, random: &mut StdRng) -> Vec<(String, String)> {
        let (user, password) = self.next(random);
        let pair = format!("{user}:{password}");
        let auth = match random.random_range(0..6) {
            0 => STANDARD_NO_PAD.encode(pair),
            1 => broken_into_lines(&STANDARD.encode(pair)),
            2 => with_bits_left_over(&STANDARD.encode(pair)),
            _ => STANDARD.encode(pair),
        };
        let (auth, user, password) = (
            json_text(&auth, random),
            json_text(&user, random),
            json_text(&password, random),
        );
        let mut fields: Vec<(&str, String)> = match random.random_range(0..8) {
            0 | 1 => vec![("auth", auth)],
            2 | 3 => vec![("username", user), ("password", password)],
            4 => vec![
                ("username", r#""other""#.into()),
                ("password", r#""x""#.into()),
                ("auth", auth),
            ],
            5 => vec![("username", user), ("auth", r#""""#.into()), ("Password", password)],
            6 => vec![("auth", r#""%%%""#.into()), ("AUTH", auth), ("Auth", "null".into())],
            _ => vec![("username", user), ("password", password), ("auth", auth)],
        };
        match random.random_range(0..12) {
            0..3 => fields.push(("email", r#""a@example.com""#.into())),
            3 => fields.push(("httpHeaders", r#"{"auth":[1]}"#.into())),
            4 => fields.insert(0, ("identitytoken", r#""""#.into())),
            // No kubelet reads this, and it is never copied.
            5 if random.random_bool(0.3) => fields.push(("email", "5".into())),
            _ => {}
        }
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// An entry that we leave out. Most stop every pull of the pod; some log in without a user.
    fn garbage(&mut self, random: &mut StdRng) -> Entry {
        let (user, password) = self.next(random);
        let encoded = STANDARD.encode(format!("{user}:{password}"));
        let auth = |value: &str| vec![("auth", quoted(value))];
        let both = |user: &str, password: &str| vec![("username", quoted(user)), ("password", quoted(password))];
        let fields = match random.random_range(0..20) {
            0 => return Entry::Other(one(&["null", "5", "[]", r#""auth""#, "true"], random)),
            1 => auth(&format!("{encoded}=")),
            2 => auth(&format!(" {encoded}")),
            3 => auth(&format!("{encoded} ")),
            4 => auth(&URL_SAFE.encode([0xfb, 0xff, b':', 0xfe])),
            5 => auth(&STANDARD.encode("no colon")),
            6 => auth("===="),
            7 => auth(&encoded[..encoded.len() / 4 * 4 - 3]),
            8 => vec![("auth", one(&["5", "{}", "[]", "true"], random).to_owned())],
            9 => auth(&STANDARD.encode([b'u', b':', 0xff, 0xfe])),
            10 => auth(&STANDARD.encode(":p")),
            11 => auth(&STANDARD.encode("u:")),
            12 => auth(&STANDARD.encode("u:line\n")),
            13 => vec![],
            14 => both("a:b", &password),
            15 => both(&user, ""),
            16 => both(&user, "\nbegins with a line break"),
            17 => vec![("identitytoken", quoted(&password)), ("auth", quoted(&encoded))],
            18 => vec![("username", "7".into()), ("auth", quoted(&encoded))],
            _ => vec![("password", r#""\ud800""#.into()), ("username", quoted(&user))],
        };
        Entry::Fields(
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }
}

/// The whole text, mostly valid.
fn wrapped(entries: &[(String, Entry)], random: &mut StdRng) -> Vec<u8> {
    let plain = text_of(entries.iter().map(|(key, entry)| (key.as_str(), entry.text())));
    let inner = String::from_utf8(plain.clone()).expect("written as text");
    let auths = &inner[r#"{"auths":"#.len()..inner.len() - 1];
    let text = match random.random_range(0..100) {
        0 => format!(r#"{{"Auths":{auths}}}"#),
        1 => format!(r#"{{"credsStore":"desktop","auths":{auths},"HttpHeaders":{{"User-Agent":"x"}}}}"#),
        2 => format!(r#"{{"auths":{auths},"HttpHeaders":[1]}}"#),
        3 => format!("\n{{ \"auths\" :\t{auths} , \"x\": [1e9,-0.5,null]}}\r\n"),
        4 => format!(r#"{{"auths":{auths},"auths":{{}}}}"#),
        5 => format!(r#"{{"auths":{auths},"AUTHS":null}}"#),
        6 => format!("{inner},"),
        7 => format!("\u{feff}{inner}"),
        8 => inner[..inner.len() - 1].to_owned(),
        9 => auths.to_owned(),
        10 => one(
            &[
                r#"{"auths":null}"#,
                r#"{"auths":{}}"#,
                r#"{"auths":[]}"#,
                "{}",
                "[]",
                "null",
                "",
                "5",
            ],
            random,
        )
        .to_owned(),
        11 => inner.replace(',', ",,"),
        12 => {
            return [
                &plain[..plain.len() - 2],
                &[b',', b'"', 0xff, b'"', b':', b'{', b'}', b'}', b'}'],
            ]
            .concat();
        }
        _ => return plain,
    };
    text.into_bytes()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A JSON string, sometimes with every character escaped.
fn json_text(text: &str, random: &mut StdRng) -> String {
    if random.random_bool(0.9) {
        return quoted(text);
    }
    let mut escaped = String::from('"');
    for unit in text.encode_utf16() {
        let _ = write!(escaped, "\\u{unit:04X}");
    }
    escaped + "\""
}

/// Broken into lines, as `base64` does without `-w0`.
fn broken_into_lines(encoded: &str) -> String {
    let (first, second) = encoded.split_at(encoded.len() / 2);
    format!("{first}\r\n{second}\n")
}

/// The same bytes to Go, which ignores the spare bits of the last character.
fn with_bits_left_over(encoded: &str) -> String {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = encoded.trim_end_matches('=');
    let padding = &encoded[digits.len()..];
    let (kept, last) = digits.split_at(digits.len() - 1);
    let at = alphabet.find(last).expect("a character of base64");
    let last = if padding.is_empty() { at } else { at + 1 };
    format!("{kept}{}{padding}", &alphabet[last..=last])
}

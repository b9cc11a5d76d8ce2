//! JSON as Go reads it, as far as a docker config needs it.
//!
//! A value is parsed only where it is looked at. What is never copied is skipped, however deep or large it is: it
//! must be JSON and need not be anything more.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON value that is known to be one. It holds credentials, so it has no `Debug`.
#[derive(Clone, Copy)]
pub(super) struct Value<'a>(&'a RawValue);

/// The fields of an object, with their order and their repetitions.
pub(super) type Fields<'a> = Vec<(String, Value<'a>)>;

impl<'a> Value<'a> {
    /// Of an error only the position is safe: its text may quote a value.
    pub(super) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }

    pub(super) fn is_null(self) -> bool {
        self.0.get() == "null"
    }

    /// The text, if it is one.
    pub(super) fn text(self) -> Option<String> {
        serde_json::from_str(self.0.get()).ok()
    }

    /// The fields, if it is an object.
    pub(super) fn object(self) -> Option<Fields<'a>> {
        let Object(fields) = serde_json::from_str(self.0.get()).ok()?;
        Some(fields)
    }
}

/// The bytes as Go reads them: what is no UTF-8, and half of a surrogate pair, each become U+FFFD.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    let mut mended = String::new();
    let (mut kept, mut at) = (0, 0);
    // A backslash stands in strings only, so the strings need not be told from the rest.
    let backslash = |from: usize| text.as_bytes().get(from..)?.iter().position(|&byte| byte == b'\\');
    while let Some(found) = backslash(at) {
        let escape = at + found;
        at = escape + 2;
        match (unit(&text, escape), unit(&text, escape + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at = escape + 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.push_str(&text[kept..escape]);
                mended.push_str("\\ufffd");
                at = escape + 6;
                kept = at;
            }
            _ => {}
        }
    }
    if kept == 0 {
        return text;
    }
    mended.push_str(&text[kept..]);
    Cow::Owned(mended)
}

/// The UTF-16 unit that stands there as `\uXXXX`.
fn unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

/// Whether Go takes `name` for the field `field`: in any case, and case folding knows two
/// characters beyond ASCII that fold into it.
pub(super) fn is_field(name: &str, field: &str) -> bool {
    let folded = |c| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    name.chars().map(folded).eq(field.chars().map(folded))
}

/// A string as a JSON literal.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The length of [`quoted`].
pub(super) fn quoted_len(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\x08' | b'\x0c' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum::<usize>() + 2
}

/// The fields of an object, none of them parsed.
struct Object<'a>(Fields<'a>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry()? {
            fields.push((name, Value(value)));
        }
        Ok(Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_in_any_case_as_in_go() {
        for name in ["auths", "AUTHS", "aUthS", "auth\u{17f}"] {
            assert!(is_field(name, "auths"), "{name}");
        }
        assert!(is_field("identityto\u{212a}en", "identitytoken"));
        for name in ["auth", "authss", " auths", "äuths"] {
            assert!(!is_field(name, "auths"), "{name}");
        }
    }

    #[test]
    fn broken_characters_become_what_go_makes_of_them() {
        for (bytes, expected) in [
            (&br#""a\n\u0041""#[..], Some("a\nA")),
            (br#""\ud83d\ude00""#, Some("😀")),
            (br#""\ud83dx""#, Some("\u{fffd}x")),
            (br#""\ud83d\u0041""#, Some("\u{fffd}A")),
            (br#""\ude00\ud83d""#, Some("\u{fffd}\u{fffd}")),
            (br#""\\ud83d""#, Some("\\ud83d")),
            (br#""\\\ud83d""#, Some("\\\u{fffd}")),
            (b"\"\xff\"", Some("\u{fffd}")),
            ("\"\\é\"".as_bytes(), None),
            (br#""\u00""#, None),
            (br#""\"#, None),
            (b"\\", None),
        ] {
            let text = text(bytes);
            let read = Value::parse(&text).ok().and_then(Value::text);
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_length_is_that_of_the_literal() {
        let all: String = ('\0'..'\u{180}').chain(['\u{2028}', '😀']).collect();
        assert_eq!(quoted_len(&all), quoted(&all).len());
    }
}

//! JSON as Go reads it, for docker configs.
//!
//! A value is parsed only where it is used. A value that is never copied is skipped at any depth and size; it must only
//! be JSON.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A valid JSON value. It has no `Debug`, because it may hold credentials.
#[derive(Clone, Copy)]
pub(super) struct Value<'a>(&'a RawValue);

/// The fields of an object, in order and with repetitions.
pub(super) type Fields<'a> = Vec<(String, Value<'a>)>;

impl<'a> Value<'a> {
    /// Parses a value. Only the position of an error is safe, because its text may quote a value.
    pub(super) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }

    pub(super) fn is_null(self) -> bool {
        self.0.get() == "null"
    }

    /// Returns the text of a string.
    pub(super) fn text(self) -> Option<String> {
        serde_json::from_str(self.0.get()).ok()
    }

    /// Returns the fields of an object.
    pub(super) fn object(self) -> Option<Fields<'a>> {
        let Object(fields) = serde_json::from_str(self.0.get()).ok()?;
        Some(fields)
    }
}

/// Returns the bytes as Go reads them: invalid UTF-8 and lone surrogates become U+FFFD.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    let mut repaired = String::new();
    let (mut kept, mut at) = (0, 0);
    // JSON has backslashes in strings only, so it is not necessary to find the strings.
    let backslash = |from: usize| text.as_bytes().get(from..)?.iter().position(|&byte| byte == b'\\');
    while let Some(found) = backslash(at) {
        let escape = at + found;
        at = escape + 2;
        match (unit(&text, escape), unit(&text, escape + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at = escape + 12,
            (Some(0xd800..=0xdfff), _) => {
                repaired.push_str(&text[kept..escape]);
                repaired.push_str("\\ufffd");
                at = escape + 6;
                kept = at;
            }
            _ => {}
        }
    }
    if kept == 0 {
        return text;
    }
    repaired.push_str(&text[kept..]);
    Cow::Owned(repaired)
}

/// Returns the UTF-16 unit that is escaped at this place as `\uXXXX`.
fn unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

/// Returns whether Go reads `name` as the field `field`.
///
/// It ignores case, and folds two characters beyond ASCII to ASCII letters.
pub(super) fn is_field(name: &str, field: &str) -> bool {
    let folded = |c| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    name.chars().map(folded).eq(field.chars().map(folded))
}

/// Returns a string as a JSON literal.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns the length of [`quoted`].
pub(super) fn quoted_len(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\x08' | b'\x0c' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum::<usize>() + 2
}

/// The fields of an object, not parsed.
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
    fn broken_characters_are_replaced_as_in_go() {
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
    fn quoted_len_is_the_literal_length() {
        let all: String = ('\0'..'\u{180}').chain(['\u{2028}', '😀']).collect();
        assert_eq!(quoted_len(&all), quoted(&all).len());
    }
}

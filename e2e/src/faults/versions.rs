//! Versions of a store that appear much higher than they are, until the store appears to return to an older state.

use bytes::Bytes;
use http::Uri;

/// The amount.
pub(super) const HIGHER: u64 = 1_000_000_000;

const IN_JSON: &str = "\"resourceVersion\":\"";
const IN_QUERY: &str = "resourceVersion=";

/// Returns the server's text with all versions raised.
pub(super) fn raised(text: &[u8]) -> Bytes {
    let raise = |version: u64| version.checked_add(HIGHER);
    rewritten(&String::from_utf8_lossy(text), IN_JSON, raise).into()
}

/// Returns the client's text with all raised versions lowered. Other versions stay.
pub(super) fn lowered(text: &[u8]) -> Bytes {
    rewritten(&String::from_utf8_lossy(text), IN_JSON, lower).into()
}

/// As [`lowered`], for the URI of a request.
pub(super) fn lowered_in(uri: &Uri) -> Result<Uri, http::uri::InvalidUri> {
    rewritten(&uri.to_string(), IN_QUERY, lower).parse()
}

fn lower(version: u64) -> Option<u64> {
    version.checked_sub(HIGHER)
}

/// Replaces the number after each `before` if `change` returns another.
fn rewritten(text: &str, before: &str, change: impl Fn(u64) -> Option<u64>) -> String {
    let mut parts = text.split(before);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(part.len());
        let (digits, rest) = part.split_at(end);
        let changed = digits.parse().ok().and_then(&change);
        whole.push_str(before);
        whole.push_str(&changed.map_or_else(|| digits.to_owned(), |version| version.to_string()));
        whole.push_str(rest);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raised_versions_are_lowered_again_and_others_stay() {
        let said = br#"{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"resourceVersion":"9","uid":"7"}}]}"#;
        assert_eq!(lowered(&raised(said)), Bytes::from_static(said));
        let sent = br#"{"metadata":{"resourceVersion":"1"}}"#;
        assert_eq!(lowered(sent), Bytes::from_static(sent));
        for (asked, meant) in [(HIGHER + 3, 3), (0, 0)] {
            let uri = |version: u64| format!("/api/v1/secrets?watch=1&resourceVersion={version}&x=1").parse::<Uri>();
            assert_eq!(lowered_in(&uri(asked).unwrap()).unwrap(), uri(meant).unwrap());
        }
    }
}

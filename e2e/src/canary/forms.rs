//! Forms of a text after it was encoded together with the text around it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// One text to look for.
#[derive(Debug, Clone)]
pub(super) struct Needle {
    /// Name of the form, for people.
    pub(super) form: &'static str,
    pub(super) text: String,
}

/// Returns all forms of a text of lower case letters and digits. Escaping for JSON, a URL or a shell does not change
/// such a text.
pub(super) fn needles(plain: &str) -> Vec<Needle> {
    let once: Vec<String> = in_base64(plain).collect();
    let twice = once.iter().flat_map(|once| in_base64(once));
    let decimal = |separator: &str| joined(plain, separator, |byte| byte.to_string());
    let all = [
        ("as it is", vec![plain.to_owned()]),
        ("in base64, twice", twice.collect()),
        ("in base64", once),
        (
            "as a list of bytes",
            vec![
                decimal(", "),
                decimal(","),
                joined(plain, ", ", |byte| format!("{byte:x}")),
            ],
        ),
        ("in hexadecimal", vec![joined(plain, "", |byte| format!("{byte:02x}"))]),
    ];
    all.into_iter()
        .flat_map(|(form, texts)| texts.into_iter().map(move |text| Needle { form, text }))
        .collect()
}

/// Returns the base64 characters that `plain` always produces, independent of the text around it, for each of the three
/// alignments.
fn in_base64(plain: &str) -> impl Iterator<Item = String> {
    ["", "x", "xx"].into_iter().map(move |before| {
        let whole = STANDARD_NO_PAD.encode(format!("{before}{plain}"));
        // Skips characters with bits of the text before, and the last one if it has bits of the text after.
        let start = (before.len() * 8).div_ceil(6);
        let end = (before.len() + plain.len()) * 8 / 6;
        whole[start..end].to_owned()
    })
}

fn joined(text: &str, separator: &str, form: impl Fn(u8) -> String) -> String {
    text.bytes().map(form).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use serde_json::json;

    use crate::canary::Canary;

    /// The text is found in every form and at every alignment.
    #[test]
    fn canary_is_found_in_every_form() {
        use super::Engine;
        let canary = Canary::new();
        let login = canary.login("first");
        for before in ["", "1", "12", "123"] {
            let pair = format!("{before}{}:{}", login.username, login.password);
            let config = json!({"auths": {"r.io": {"auth": STANDARD.encode(&pair)}}}).to_string();
            let hexadecimal = super::joined(&pair, "", |byte| format!("{byte:02x}"));
            let url = format!("https://r.io/?q={}", pair.replace(['"', '\\', ' '], "%22"));
            for (text, form) in [
                (pair.clone(), "as it is"),
                (json!({"error": format!("{pair:?}")}).to_string(), "as it is"),
                (url, "as it is"),
                (STANDARD.encode(&pair), "in base64"),
                (URL_SAFE.encode(&pair), "in base64"),
                (config.clone(), "in base64"),
                (STANDARD.encode(format!("{before}{config}")), "in base64, twice"),
                (format!("{:?}", pair.as_bytes()), "as a list of bytes"),
                (format!("{:x?}", pair.as_bytes()), "as a list of bytes"),
                (json!(pair.as_bytes()).to_string(), "as a list of bytes"),
                (hexadecimal, "in hexadecimal"),
            ] {
                let found = canary.found_in(&text).map(|(form, _)| form);
                assert_eq!(found, Some(form), "{before} {text}");
            }
        }
    }

    #[test]
    fn it_is_not_found_where_it_is_not() {
        let (canary, other) = (Canary::new(), Canary::new());
        let login = other.login("first");
        let pair = format!("{}:{}", login.username, login.password);
        assert_eq!(canary.found_in(&pair), None);
        assert_eq!(canary.found_in("robot:first"), None);
    }
}

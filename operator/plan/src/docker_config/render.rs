//! Writing a docker config.

use std::collections::BTreeMap;

use super::{auth, json};
use crate::credential::Credential;

/// Writes a docker config. Equal entries give equal bytes, in every version of the operator.
///
/// Names are sorted at every level, without white space. An entry has `auth`, `password` and `username` only.
/// [`super::DockerConfig::parse`] returns the same entries, except for keys that kubelets skip.
pub fn render(entries: &BTreeMap<String, Credential>) -> Vec<u8> {
    // Formatted by hand, because any dependency may change the order of a JSON map by a feature.
    let entries: Vec<String> = entries
        .iter()
        .map(|(key, credential)| {
            format!(
                r#"{}:{{"auth":{},"password":{},"username":{}}}"#,
                json::quoted(key),
                json::quoted(&auth::encode(credential)),
                json::quoted(credential.password()),
                json::quoted(credential.username()),
            )
        })
        .collect();
    format!(r#"{{"auths":{{{}}}}}"#, entries.join(",")).into_bytes()
}

/// Returns the length of what [`render`] writes for these entries.
pub fn rendered_len(entries: &BTreeMap<String, Credential>) -> usize {
    let commas = entries.len().saturating_sub(1);
    let entries = entries.iter().map(|(key, credential)| {
        let (username, password) = (credential.username(), credential.password());
        let auth = (username.len() + 1 + password.len()).div_ceil(3) * 4;
        let fields = r#":{"auth":"","password":,"username":}"#.len() + auth;
        json::quoted_len(key) + fields + json::quoted_len(password) + json::quoted_len(username)
    });
    r#"{"auths":{}}"#.len() + commas + entries.sum::<usize>()
}

//! Files instead of a cluster: the output of `kubectl get -o json`, and manifests.

use plan::labels::Labels;
use serde::Deserialize;
use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::World;
use super::account::Account;
use super::kind::Kind;
use super::problem::{Problem, Unseen};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

/// Calls `take` with API version, kind and JSON of each object of a file: lists and single objects, one after another. The
/// error has no part of the file.
pub(crate) fn objects(file: &str, text: &str, mut take: impl FnMut(&str, &str, &str)) -> Result<(), String> {
    for document in Deserializer::from_str(text).into_iter::<&RawValue>() {
        let document = document.map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("{file} is not JSON: error at line {line}, column {column}")
        })?;
        each(document.get(), ("", ""), &mut take);
    }
    Ok(())
}

/// `listed` is what a list says of its items. Lists of the API leave the kind of their items out.
fn each(json: &str, listed: (&str, &str), take: &mut impl FnMut(&str, &str, &str)) {
    let Ok(document) = serde_json::from_str::<Document<'_>>(json) else {
        take(listed.0, listed.1, json);
        return;
    };
    let Some(items) = document.items else {
        let version = stated(&document.api_version, listed.0);
        take(version, stated(&document.kind, listed.1), json);
        return;
    };
    // `kubectl get` writes a `List` of whole objects.
    let kind = document.kind.strip_suffix("List").unwrap_or_default();
    for item in items {
        each(item.get(), (&document.api_version, kind), take);
    }
}

fn stated<'a>(own: &'a str, listed: &'a str) -> &'a str {
    if own.is_empty() { listed } else { own }
}

impl World {
    /// Adds all objects of known kinds in a file: lists and single objects, one after another.
    ///
    /// Objects of other kinds are left out. `file` names the file in problems.
    pub fn add_dump(&mut self, file: &str, text: &str) {
        let read = objects(file, text, |version, kind, json| self.add_known(version, kind, json));
        if let Err(why) = read {
            self.unreadable(why);
        }
    }

    /// Adds all objects of known kinds in a file of YAML documents, or of JSON.
    pub fn add_manifests(&mut self, file: &str, text: &str) {
        let documents: Vec<serde_json::Value> = match serde_saphyr::from_multiple(text) {
            Ok(documents) => documents,
            Err(error) => {
                // The text of the error may quote the file.
                let line = error
                    .location()
                    .map(|location| format!(": error at line {}", location.line()));
                self.unreadable(format!("{file} is not YAML{}", line.unwrap_or_default()));
                return;
            }
        };
        for document in documents {
            each(&document.to_string(), ("", ""), &mut |version, kind, json| {
                self.add_known(version, kind, json);
            });
        }
    }

    /// Adds a namespace and an account as the API server makes them, unless they are there.
    pub fn assume(&mut self, namespace: &str, account: &str) {
        let name = self.shared.text(account);
        let empty = || Account {
            labels: Labels::default(),
            secrets: Box::new([]),
            attached: Box::new([]),
        };
        let label = [("kubernetes.io/metadata.name", namespace)];
        let seen = self.namespace(namespace);
        if seen.labels.is_empty() {
            seen.labels = label.into_iter().collect();
        }
        seen.accounts.entry(name).or_insert_with(empty);
    }

    /// Records which kinds a dump lacks. To be called after its last file.
    ///
    /// Each namespace has an account, so a dump without any left them out.
    pub fn end_dump(&mut self) {
        let has_accounts = self.namespaces.values().any(|seen| !seen.accounts.is_empty());
        let has_secrets = self.namespaces.values().any(|seen| !seen.secrets.is_empty());
        let lacks_secrets = !has_secrets && !self.referenced_secrets().is_empty();
        for (kind, lacks) in [(Kind::ServiceAccount, !has_accounts), (Kind::Secret, lacks_secrets)] {
            if lacks {
                self.cannot_see(Unseen {
                    kind,
                    namespace: None,
                    name: None,
                    why: "the dump has none of them".to_owned(),
                });
            }
        }
    }

    fn add_known(&mut self, api_version: &str, kind: &str, json: &str) {
        if let Some(kind) = Kind::of(api_version, kind) {
            self.add(kind, json);
        }
    }

    fn unreadable(&mut self, why: String) {
        self.problems.push(Problem {
            kind: None,
            namespace: None,
            name: None,
            why,
        });
    }
}

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

impl World {
    /// Adds all objects of known kinds in a file: lists and single objects, one after another.
    ///
    /// Objects of other kinds are left out. `file` names the file in problems.
    pub fn add_dump(&mut self, file: &str, text: &str) {
        let mut documents = Deserializer::from_str(text).into_iter::<&RawValue>();
        for document in documents.by_ref() {
            match document {
                Ok(document) => self.add_document(document.get(), None),
                Err(error) => {
                    let (line, column) = (error.line(), error.column());
                    self.problems.push(Problem {
                        kind: None,
                        namespace: None,
                        name: None,
                        why: format!("{file} is not JSON: error at line {line}, column {column}"),
                    });
                    return;
                }
            }
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
                self.problems.push(Problem {
                    kind: None,
                    namespace: None,
                    name: None,
                    why: format!("{file} is not YAML{}", line.unwrap_or_default()),
                });
                return;
            }
        };
        for document in documents {
            self.add_document(&document.to_string(), None);
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

    /// `listed` is the kind of list that holds the object. Lists of the API leave the kind of their items out.
    fn add_document(&mut self, json: &str, listed: Option<Kind>) {
        let Ok(document) = serde_json::from_str::<Document<'_>>(json) else {
            if let Some(kind) = listed {
                self.add(kind, json);
            }
            return;
        };
        let kind = Kind::of(&document.api_version, &document.kind).or(listed);
        match (kind, document.items) {
            (_, Some(items)) => {
                let kind = document.kind.strip_suffix("List");
                let kind = kind.and_then(|kind| Kind::of(&document.api_version, kind));
                for item in items {
                    if listed.is_none() {
                        self.add_document(item.get(), kind);
                    }
                }
            }
            (Some(kind), None) => self.add(kind, json),
            (None, None) => {}
        }
    }
}

//! What is to be in each cluster.

use std::collections::BTreeSet;

use plan::registries::{Lookup, resolve};

use super::document::Document;
use super::object::{self, Object};
use super::source::{self, Source};

/// Objects and their sources. It has no `Debug`, because it holds logins.
pub struct Wanted {
    pub(super) objects: Vec<Object>,
    pub(super) sources: Vec<Source>,
    /// Sources were made of flags. A Secret of that name may be one of another tool.
    pub(super) made: bool,
}

/// Reads files, each as its name and its text. The errors name every document that is wrong, and no value.
pub fn of_files(files: &[(String, String)], operator_namespace: &str) -> Result<Wanted, Vec<String>> {
    let (mut documents, mut wrong) = (Vec::new(), Vec::new());
    for (name, text) in files {
        match Document::all(name, text) {
            Ok(found) => documents.extend(found),
            Err(error) => wrong.push(error),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    of_documents(&documents, operator_namespace)
}

pub(super) fn of_documents(documents: &[Document], operator_namespace: &str) -> Result<Wanted, Vec<String>> {
    let mut wanted = Wanted {
        objects: Vec::new(),
        sources: Vec::new(),
        made: false,
    };
    let mut wrong = Vec::new();
    for document in documents {
        let read = match document.kind() {
            "ClusterPullSecret" => object::read(document, operator_namespace).map(|object| wanted.objects.push(object)),
            "Secret" => source::read(document, operator_namespace).map(|source| wanted.sources.push(source)),
            _ => Err("rollout applies ClusterPullSecrets and their source Secrets alone: use kubectl apply".to_owned()),
        };
        if let Err(error) = read {
            wrong.push(format!("{}: {error}", document.called()));
        }
    }
    if wrong.is_empty() {
        wrong = wanted.problems(operator_namespace);
    }
    wanted.objects.sort_by(|a, b| a.name.cmp(&b.name));
    wanted.sources.sort_by_key(Source::called);
    if wrong.is_empty() { Ok(wanted) } else { Err(wrong) }
}

impl Wanted {
    /// What is wrong between objects and sources.
    fn problems(&self, operator_namespace: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.objects.is_empty() {
            wrong.push("there is no ClusterPullSecret".to_owned());
        }
        let mut seen = BTreeSet::new();
        for object in &self.objects {
            if !seen.insert(object.name.clone()) {
                wrong.push(format!("ClusterPullSecret {} is there twice", object.name));
            }
            for registry in &object.spec.registries {
                let resolution = resolve(registry, operator_namespace, |reference| {
                    let namespace = reference.namespace.as_deref().unwrap_or(operator_namespace);
                    match self.source(namespace, &reference.name) {
                        Some(source) => Lookup::Found(&source.read),
                        // It may be in each cluster already.
                        None => Lookup::Missing,
                    }
                });
                let problem = resolution.result.err();
                if let Some(problem) = problem.filter(|problem| problem.reason != crd::Reason::SourceNotFound) {
                    wrong.push(format!("ClusterPullSecret {}: {}", object.name, problem.message));
                }
            }
        }
        let mut seen = BTreeSet::new();
        for source in &self.sources {
            let place = (source.namespace.clone(), source.name.clone());
            if !self.objects.iter().any(|object| object.sources.contains(&place)) {
                wrong.push(format!(
                    "Secret {} is no source of a ClusterPullSecret that is given with it",
                    source.called()
                ));
            }
            if !seen.insert(place) {
                wrong.push(format!("Secret {} is there twice", source.called()));
            }
        }
        wrong
    }

    fn source(&self, namespace: &str, name: &str) -> Option<&Source> {
        let mut sources = self.sources.iter();
        sources.find(|source| source.namespace == namespace && source.name == name)
    }

    /// Returns the sources that the objects name and that are not given, as namespace and name.
    pub fn sources_elsewhere(&self) -> BTreeSet<(String, String)> {
        let all = self.objects.iter().flat_map(|object| object.sources.iter());
        all.filter(|(namespace, name)| self.source(namespace, name).is_none())
            .cloned()
            .collect()
    }

    /// Returns the names of the objects.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.objects.iter().map(|object| object.name.as_str())
    }

    /// Returns what is to be done with it, a line for each object and source. No line has a value of a Secret.
    pub fn lines(&self) -> Vec<String> {
        let sources = self
            .sources
            .iter()
            .map(|source| format!("Secret {}, {}", source.called(), source.type_));
        let objects = self.objects.iter().map(|object| {
            format!(
                "ClusterPullSecret {}: {}, for {}",
                object.name,
                object.registries(),
                object.selection()
            )
        });
        sources.chain(objects).collect()
    }
}

#[cfg(test)]
mod tests;

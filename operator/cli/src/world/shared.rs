//! Equal texts, templates and contents of Secrets are kept once, because most Pods and copies repeat their neighbours.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use super::secret::Content;
use super::text::Text;
use super::workload::{Template, WorkloadId};

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Shared {
    texts: HashSet<Text>,
    templates: HashSet<Arc<Template>>,
    contents: HashSet<Arc<Content>>,
}

impl Shared {
    /// Returns the one copy of this text. A control character becomes U+FFFD: no name has one, and a terminal would obey it.
    pub(super) fn text(&mut self, text: &str) -> Text {
        if text.contains(char::is_control) {
            return self.text(&text.replace(char::is_control, "\u{fffd}"));
        }
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new = Text::from(text);
        self.texts.insert(new.clone());
        new
    }

    /// Returns the one copy of this template.
    pub(super) fn template(&mut self, template: Template) -> Arc<Template> {
        if let Some(known) = self.templates.get(&template) {
            return Arc::clone(known);
        }
        one(&mut self.templates, Arc::new(template))
    }

    /// Returns the one copy of this content.
    pub(super) fn content(&mut self, content: Arc<Content>) -> Arc<Content> {
        if let Some(known) = self.contents.get(&content) {
            return Arc::clone(known);
        }
        one(&mut self.contents, content)
    }

    /// Returns an id of shared texts.
    pub(super) fn workload(&mut self, kind: &str, name: &str) -> WorkloadId {
        WorkloadId {
            kind: self.text(kind),
            name: self.text(name),
        }
    }
}

fn one<T: Eq + Hash>(all: &mut HashSet<Arc<T>>, new: Arc<T>) -> Arc<T> {
    all.insert(Arc::clone(&new));
    new
}

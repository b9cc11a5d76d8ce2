//! A command of this tool, for a person to copy.

use crate::args::{Connection, Namespaces};

/// A command. Its words are quoted for a shell.
pub(super) struct Command(String);

impl Command {
    /// The verb without arguments.
    pub(super) fn of(verb: &str) -> Self {
        Self(format!("kubectl pullsecrets {verb}"))
    }

    pub(super) fn word(&mut self, word: &str) {
        self.0.push(' ');
        self.0.push_str(&quoted(word));
    }

    pub(super) fn flag(&mut self, flag: &str, value: &str) {
        self.word(flag);
        self.word(value);
    }

    /// Names the contexts as this run does.
    pub(super) fn contexts(&mut self, connection: &Connection) {
        connection
            .contexts
            .iter()
            .for_each(|context| self.flag("--context", context));
        if connection.all_contexts {
            self.word("--all-contexts");
        }
    }

    /// Chooses the namespaces as this run does.
    pub(super) fn namespaces(&mut self, namespaces: &Namespaces) {
        namespaces.named.iter().for_each(|namespace| self.flag("-n", namespace));
        let excluded = namespaces.excluded.iter();
        excluded.for_each(|namespace| self.flag("--exclude-namespace", namespace));
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

/// Quotes a word for a shell, if it must be.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

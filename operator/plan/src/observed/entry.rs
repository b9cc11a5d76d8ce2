//! The elements of `imagePullSecrets`, and the record of those that the operator added.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// The most elements of one `imagePullSecrets` that are kept. Of a longer list none is kept.
pub const MAX_ENTRIES: usize = 256;
/// The most bytes that names and JSON of the elements have together. Of a larger list none is kept.
pub const MAX_ENTRIES_BYTES: usize = 16 * 1024;
/// The most recorded names without an element in the list that are kept. No Pod needs one of them.
pub const MAX_STALE_RECORDS: usize = 64;
/// The longest name that a Secret, or another object, can have.
pub const MAX_NAME_BYTES: usize = 253;

/// One element of `imagePullSecrets`. It is written back as it was read.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    name: Arc<str>,
    /// The JSON of an element that is more than `{"name": …}`.
    raw: Option<Box<str>>,
}

impl Entry {
    /// Makes `{"name": name}`.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            raw: None,
        }
    }

    /// Makes an element of another form from its name, which may be empty, and its JSON text.
    pub fn raw(name: &str, json: &str) -> Self {
        Self {
            name: name.into(),
            raw: Some(json.into()),
        }
    }

    /// Returns the name of the Secret that it refers to, or an empty name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the JSON of an element that is not simply a name.
    pub fn raw_json(&self) -> Option<&str> {
        self.raw.as_deref()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.raw.as_deref().unwrap_or(&self.name))
    }
}

/// Parses the annotation `pullsecrets.dev/attached`: names separated by commas.
///
/// Spaces around names, empty names and repetitions are dropped. A name that the list has is a recorded entry and is
/// always kept. Of the other names the first [`MAX_STALE_RECORDS`] are kept; the next write removes the remaining ones.
/// It takes n log n steps for any annotation.
pub fn parse_attached(annotation: &str, entries: &[Entry]) -> Vec<Arc<str>> {
    let listed: BTreeSet<&str> = entries.iter().map(Entry::name).collect();
    let mut seen = BTreeSet::new();
    let mut stale = 0;
    annotation
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty() && name.len() <= MAX_NAME_BYTES)
        .filter(|name| {
            let kept = seen.contains(name) || listed.contains(name) || stale < MAX_STALE_RECORDS;
            let new = kept && seen.insert(*name);
            stale += usize::from(new && !listed.contains(name));
            new
        })
        .map(Arc::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_record_is_still_read() {
        let parsed = |text: &str| parse_attached(text, &[]).join("|");
        assert_eq!(parsed(""), "");
        assert_eq!(parsed("a"), "a");
        assert_eq!(parsed(" b , a,,b,"), "b|a");
        assert_eq!(
            parsed(&format!("{},a", "x".repeat(254))),
            "a",
            "no Secret has such a name"
        );
    }

    /// An annotation may hold 256 KiB: 60,000 names. Comparing each with all others would take seconds.
    #[test]
    fn a_hostile_record_is_bounded() {
        let names: Vec<String> = (0..60_000).map(|number| number.to_string()).collect();
        let entries = [Entry::named("59999"), Entry::named("7"), Entry::named("theirs")];
        let kept = parse_attached(&names.join(","), &entries);
        assert_eq!(kept.len(), MAX_STALE_RECORDS + 2);
        let has = |name: &str| kept.iter().any(|kept| kept.as_ref() == name);
        assert!(has("7") && has("59999"), "a recorded entry is never lost");
        assert!(has("0") && !has("59998") && !has("theirs"));
    }
}

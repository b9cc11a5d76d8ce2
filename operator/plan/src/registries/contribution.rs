//! What one registry contributes: its entries now, or those that were last good.

use super::problem::{Problem, invalid};
use super::remembered::{LastGood, Remembered};
use super::resolution::{Resolution, SourceContent, WHOLE};
use crate::credential::Entries;
use crate::docker_config::EntryName;

/// The entries of a registry that the merge may use.
pub(super) enum Known<'a> {
    /// They come from the reference that is declared now, at this time or earlier.
    Own(&'a Entries),
    /// They came from other references. Each has the key under which it is remembered.
    Tied(Vec<(&'a String, &'a Remembered)>),
    /// No entries are known.
    Unknown,
}

/// What one registry contributes to the docker config of its object.
pub(super) struct Contribution<'a> {
    pub(super) resolution: &'a Resolution,
    /// Its entries now. Where an entry of the source is left out, the last good one is in its place.
    pub(super) now: Option<Entries>,
    pub(super) problem: Option<Problem>,
}

impl<'a> Contribution<'a> {
    pub(super) fn of(at: usize, resolution: &'a Resolution, last_good: &LastGood) -> Self {
        let mut contribution = Self {
            resolution,
            now: None,
            problem: None,
        };
        match &resolution.result {
            Ok(content) => contribution.take(content, last_of(resolution, last_good)),
            Err(problem) => contribution.problem = Some(problem.located(at)),
        }
        contribution
    }

    /// An entry that is left out now keeps its last good value.
    fn take(&mut self, content: &SourceContent, last: Option<&Remembered>) {
        let mut entries = content.entries.clone();
        let mut stale = Vec::new();
        for (key, name) in &content.left_out {
            let last = last.and_then(|last| last.entries.get(key));
            if let Some(last) = last.filter(|_| !entries.contains_key(key)) {
                entries.insert(key.clone(), last.clone());
                stale.push(name.shown());
            }
        }
        self.now = Some(entries);
        if !stale.is_empty() {
            let warning = content.warning.as_deref().unwrap_or_default();
            let stale = stale.join(", ");
            // First, because a long message is cut at its end.
            self.problem = Some(invalid(format!(
                "copies keep the last good login for {stale}: {warning}"
            )));
        }
    }

    /// How messages name the entry with this key. `place` is its place in what is remembered.
    pub(super) fn name(&self, key: &str, place: usize) -> EntryName {
        let content = self.resolution.result.as_ref().ok();
        let known = content.and_then(|content| content.names.get(key).or_else(|| content.left_out.get(key)));
        known.cloned().unwrap_or_else(|| EntryName::of(key, place))
    }

    /// What the author of the source should know.
    pub(super) fn warning(&self) -> Option<&str> {
        self.resolution.result.as_ref().ok()?.warning.as_deref()
    }

    /// The servers of a docker config that is taken whole, as far as messages may show them.
    pub(super) fn servers(&self, known: &Known<'_>) -> Vec<String> {
        match known {
            Known::Own(entries) if self.resolution.server.is_none() => {
                let keys = entries.keys().enumerate();
                keys.map(|(at, key)| self.name(key, at + 1).listed()).collect()
            }
            Known::Own(_) | Known::Tied(_) | Known::Unknown => Vec::new(),
        }
    }
}

/// Returns the last good entries of the same reference.
fn last_of<'a>(resolution: &Resolution, last_good: &'a LastGood) -> Option<&'a Remembered> {
    let same = |saved: &Remembered| saved.origin.is_some() && saved.origin == resolution.origin;
    let whole = resolution.server.is_none();
    let by_key = last_good.get(&resolution.key);
    let by_key = by_key.filter(|saved| same(saved) || whole && saved.origin.is_none());
    by_key.or_else(|| {
        let mut others = last_good.iter().filter(|(key, _)| whole && key.starts_with(WHOLE));
        Some(others.find(|(_, saved)| same(saved))?.1)
    })
}

/// Returns the entries of a registry that the merge may use. `taken` is what earlier registries use.
pub(super) fn known<'a>(
    contribution: &'a Contribution<'_>,
    all: &[Resolution],
    last_good: &'a LastGood,
    taken: &LastGood,
) -> Known<'a> {
    if let Some(entries) = &contribution.now {
        return Known::Own(entries);
    }
    let resolution = contribution.resolution;
    let whole = resolution.server.is_none();
    let same = |saved: &Remembered| saved.origin.is_some() && saved.origin == resolution.origin;
    if let Some(saved) = last_good.get_key_value(&resolution.key) {
        // The key of a config that is taken whole is its reference.
        return if same(saved.1) || whole && saved.1.origin.is_none() {
            Known::Own(&saved.1.entries)
        } else {
            Known::Tied(vec![saved])
        };
    }
    if !whole {
        return Known::Unknown;
    }
    // Another reference to a config taken whole is another key. The spec does not say which replaced which.
    let is_left = |key: &String| {
        key.starts_with(WHOLE) && !taken.contains_key(key) && all.iter().all(|declared| declared.key != *key)
    };
    let left = last_good.iter().filter(|(key, _)| is_left(key));
    if let Some((_, saved)) = left.clone().find(|(_, saved)| same(saved)) {
        return Known::Own(&saved.entries);
    }
    let of_another = |saved: &Remembered| {
        let mut origins = all.iter().map(|declared| &declared.origin);
        saved.origin.is_none() || origins.all(|origin| *origin != saved.origin)
    };
    let left: Vec<_> = left.filter(|(_, saved)| of_another(saved)).collect();
    if left.is_empty() {
        Known::Unknown
    } else {
        Known::Tied(left)
    }
}

//! Labels and annotations in little memory.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A sorted list of keys and values. It takes a few words for each entry; a map of strings takes half a kilobyte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(Box<[(Arc<str>, Arc<str>)]>);

impl Labels {
    /// Returns the value under `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .binary_search_by(|(other, _)| other.as_ref().cmp(key))
            .ok()
            .map(|at| self.0[at].1.as_ref())
    }

    /// Iterates over keys and values in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }

    /// Replaces each key and value by an equal one that others share.
    pub fn share(&mut self, mut shared: impl FnMut(&str) -> Arc<str>) {
        for (key, value) in &mut self.0 {
            *key = shared(key);
            *value = shared(value);
        }
    }

    /// Returns whether there are no labels.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes the labels whose keys are not wanted.
    pub fn keep(&mut self, mut wanted: impl FnMut(&str) -> bool) {
        if !self.0.iter().all(|(key, _)| wanted(key)) {
            let mut all = std::mem::take(&mut self.0).into_vec();
            all.retain(|(key, _)| wanted(key));
            self.0 = all.into();
        }
    }

    /// Returns a map, as selectors need it.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }
}

impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let sorted: BTreeMap<Arc<str>, Arc<str>> = entries
            .into_iter()
            .map(|(key, value)| (key.as_ref().into(), value.as_ref().into()))
            .collect();
        Self(sorted.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_found_in_any_order() {
        let labels: Labels = [("b", "2"), ("a", "1"), ("c", "3"), ("a", "4")].into_iter().collect();
        assert_eq!(
            labels.get("a"),
            Some("4"),
            "the last of two equal keys wins, as in a map"
        );
        assert_eq!(labels.get("c"), Some("3"));
        assert_eq!(labels.get("d"), None);
        assert_eq!(labels.iter().count(), 3);
        assert_eq!(labels.to_map().len(), 3);
    }
}

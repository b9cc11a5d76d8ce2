//! What is held of things that others name as they like: label keys, and Secrets beside a source. Nothing that no object
//! asks for is held. When an object asks for more, what was passed over is listed anew.
//!
//! Each word has an edition: a list that began at this edition or later shows what is under it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crd::names::LABEL_EXCLUDE;
use plan::labels::Labels;
use plan::object::Selection;
use tokio::sync::watch;

/// The words that some object asks for. All that have a clone share them.
#[derive(Clone, Debug)]
pub struct Wanted(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Each with its edition.
    words: Mutex<BTreeMap<Box<str>, u64>>,
    edition: watch::Sender<u64>,
    /// The edition at which the list under way, or the last one, began.
    listing: AtomicU64,
    /// Every object was seen once.
    complete: watch::Sender<bool>,
}

impl Wanted {
    /// With these words from the beginning.
    pub fn new(words: &[&str]) -> Self {
        let words = words.iter().map(|&word| (word.into(), 0)).collect();
        Self(Arc::new(Inner {
            words: Mutex::new(words),
            edition: watch::Sender::new(0),
            listing: AtomicU64::new(0),
            complete: watch::Sender::new(false),
        }))
    }

    /// An object asks for these words. The edition that has all of them.
    pub fn want<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> u64 {
        let mut held = self.words();
        let next = *self.0.edition.borrow() + 1;
        let mut latest = 0;
        for word in words {
            let edition = match held.get(word) {
                Some(&edition) => edition,
                None => *held.entry(word.into()).or_insert(next),
            };
            latest = latest.max(edition);
        }
        if latest == next {
            self.0.edition.send_replace(next);
        }
        latest
    }

    /// Whether an object asks for this word.
    pub fn has(&self, word: &str) -> bool {
        self.words().contains_key(word)
    }

    /// All that objects ask for now is known: what is listed from now on need not be listed again.
    pub fn complete(&self) {
        self.0.complete.send_replace(true);
    }

    /// Waits until it is known what objects ask for; no longer than this.
    pub async fn completed(&self, within: Duration) {
        let mut complete = self.0.complete.subscribe();
        let _ = tokio::time::timeout(within, complete.wait_for(|complete| *complete)).await;
    }

    /// A list begins.
    pub fn begin(&self) {
        self.0.listing.store(*self.0.edition.borrow(), Ordering::SeqCst);
    }

    /// The edition at which the list under way, or the last one, began.
    pub fn listing(&self) -> u64 {
        self.0.listing.load(Ordering::SeqCst)
    }

    /// Waits until an object asks for more than the list under way, or the last one, shows.
    pub async fn more(&self) {
        let listing = self.listing();
        let mut edition = self.0.edition.subscribe();
        if edition.wait_for(|edition| *edition > listing).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn words(&self) -> MutexGuard<'_, BTreeMap<Box<str>, u64>> {
        self.0.words.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The label keys that the selectors of objects name.
#[derive(Clone, Debug)]
pub struct LabelKeys {
    /// Of namespaces.
    pub namespaces: Wanted,
    /// Of `ServiceAccount`s.
    pub accounts: Wanted,
}

impl LabelKeys {
    /// Those that count whatever objects there are.
    pub fn new() -> Self {
        Self {
            namespaces: Wanted::new(&[LABEL_EXCLUDE]),
            accounts: Wanted::new(&[LABEL_EXCLUDE]),
        }
    }

    /// An object selects by these. The editions that have all keys, of namespaces and of accounts.
    pub fn want(&self, selection: Option<&Selection>) -> (u64, u64) {
        let namespaces = selection.into_iter().flat_map(Selection::namespace_keys);
        let accounts = selection.into_iter().flat_map(Selection::account_keys);
        (self.namespaces.want(namespaces), self.accounts.want(accounts))
    }

    /// Every object was seen once.
    pub fn complete(&self) {
        self.namespaces.complete();
        self.accounts.complete();
    }
}

impl Default for LabelKeys {
    fn default() -> Self {
        Self::new()
    }
}

/// Keeps of the labels those that an object asks for.
pub fn prune(labels: &mut Labels, wanted: &Wanted) {
    if !labels.is_empty() {
        let words = wanted.words();
        labels.keep(|key| words.contains_key(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_new_word_asks_for_a_new_list() {
        let wanted = Wanted::new(&["exclude"]);
        wanted.begin();
        assert_eq!(wanted.want(["exclude"]), 0);
        let more = |within| tokio::time::timeout(Duration::from_secs(within), wanted.more());
        assert!(more(60).await.is_err(), "it was listed already");
        assert_eq!(wanted.want(["team", "exclude"]), 1);
        assert_eq!(wanted.want(["team"]), 1);
        assert!(more(1).await.is_ok());
        wanted.begin();
        assert_eq!(wanted.listing(), 1);
        assert!(more(60).await.is_err());
    }

    #[test]
    fn labels_that_nobody_selects_by_are_dropped() {
        let keys = LabelKeys::new();
        keys.accounts.want(["team"]);
        let mut labels: Labels = [("team", "a"), ("theirs", "x"), (LABEL_EXCLUDE, "true")]
            .into_iter()
            .collect();
        prune(&mut labels, &keys.accounts);
        assert_eq!(labels.iter().count(), 2);
        prune(&mut labels, &keys.namespaces);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [(LABEL_EXCLUDE, "true")]);
    }
}

//! Words that objects ask for, which bound what the caches keep: label keys, keys of source Secrets, and names of
//! copies.
//!
//! The caches drop all else. When an object asks for another word, a new list fetches what was dropped before. Words
//! that no object asks for any more are forgotten.
//!
//! Each word has an edition. A list that began at that edition, or later, shows what the word stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crd::names::LABEL_EXCLUDE;
use plan::labels::Labels;
use plan::object::{Object, Selection};
use tokio::sync::watch;

/// The words that objects ask for. Clones share them.
#[derive(Clone, Debug)]
pub struct Wanted(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    words: Mutex<Words>,
    edition: watch::Sender<u64>,
    /// The edition at which the latest list began.
    listing: AtomicU64,
    /// Whether every object has been seen once.
    complete: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Words {
    held: BTreeMap<Arc<str>, Word>,
    asked: BTreeMap<Asker, BTreeSet<Arc<str>>>,
    /// Number of words forgotten so far.
    forgotten: u64,
}

#[derive(Debug)]
struct Word {
    edition: u64,
    /// Number of askers.
    askers: usize,
}

/// Who asks for words: one of the controllers, for an object. The two learn of an object at different times, so a word
/// stays while either needs it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asker {
    /// For words that are always wanted.
    Always,
    /// The object controller, which sees the object first.
    Objects(Arc<str>),
    /// The namespace controller, for the edition that it acts on.
    Namespaces(Arc<str>),
    /// The object controller, for the saved state of the object.
    State(Arc<str>),
}

impl Words {
    /// Sets the words of an asker, in addition to its former ones if `keeps` is set. Returns the edition that has them
    /// all.
    fn ask<'a>(&mut self, who: Asker, words: impl IntoIterator<Item = &'a str>, keeps: bool, next: u64) -> u64 {
        let old = self.asked.remove(&who).unwrap_or_default();
        let mut new = BTreeSet::new();
        let mut latest = 0;
        for word in words {
            let word = match self.held.get_key_value(word) {
                Some((held, _)) => Arc::clone(held),
                None => word.into(),
            };
            let held = self.held.entry(Arc::clone(&word)).or_insert(Word {
                edition: next,
                askers: 0,
            });
            latest = latest.max(held.edition);
            held.askers += usize::from(!new.contains(&word) && !old.contains(&word));
            new.insert(word);
        }
        for word in old {
            if keeps {
                new.insert(word);
            } else if !new.contains(&word)
                && let Some(held) = self.held.get_mut(&word)
            {
                held.askers -= 1;
                if held.askers == 0 {
                    self.held.remove(&word);
                    self.forgotten += 1;
                }
            }
        }
        if !new.is_empty() {
            self.asked.insert(who, new);
        }
        latest
    }
}

impl Wanted {
    /// A set that always has these words.
    pub fn new(words: &[&str]) -> Self {
        let mut held = Words::default();
        held.ask(Asker::Always, words.iter().copied(), false, 0);
        Self(Arc::new(Inner {
            words: Mutex::new(held),
            edition: watch::Sender::new(0),
            listing: AtomicU64::new(0),
            complete: watch::Sender::new(false),
        }))
    }

    /// Replaces the words of `who`. Returns the edition that has them all.
    pub fn want<'a>(&self, who: Asker, words: impl IntoIterator<Item = &'a str>) -> u64 {
        self.ask(who, words, false)
    }

    /// Adds to the words of `who`. Returns the edition that has them all.
    pub fn want_too<'a>(&self, who: Asker, words: impl IntoIterator<Item = &'a str>) -> u64 {
        self.ask(who, words, true)
    }

    /// Replaces the words of `who` without a new list. For items that cannot exist before an object asks for them.
    pub fn admit<'a>(&self, who: Asker, words: impl IntoIterator<Item = &'a str>) {
        self.words().ask(who, words, false, 0);
    }

    /// Number of words forgotten so far.
    pub fn forgotten(&self) -> u64 {
        self.words().forgotten
    }

    fn ask<'a>(&self, who: Asker, words: impl IntoIterator<Item = &'a str>, keeps: bool) -> u64 {
        let mut held = self.words();
        let next = *self.0.edition.borrow() + 1;
        let latest = held.ask(who, words, keeps, next);
        if latest == next {
            self.0.edition.send_replace(next);
        }
        latest
    }

    /// The edition that has all of these words; `None` if one of them is not wanted.
    pub fn edition<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Option<u64> {
        let held = self.words();
        let mut words = words.into_iter();
        words.try_fold(0, |latest: u64, word| Some(latest.max(held.held.get(word)?.edition)))
    }

    /// Whether any object asks for this word.
    pub fn has(&self, word: &str) -> bool {
        self.words().held.contains_key(word)
    }

    /// Marks the words as complete: every object has been seen once.
    pub fn complete(&self) {
        self.0.complete.send_replace(true);
    }

    /// Waits until the words are complete, at most this long.
    pub async fn completed(&self, within: Duration) {
        let mut complete = self.0.complete.subscribe();
        let _ = tokio::time::timeout(within, complete.wait_for(|complete| *complete)).await;
    }

    /// Records that a list begins.
    pub fn begin(&self) {
        self.0.listing.store(*self.0.edition.borrow(), Ordering::SeqCst);
    }

    /// The edition at which the latest list began.
    pub fn listing(&self) -> u64 {
        self.0.listing.load(Ordering::SeqCst)
    }

    /// Waits until an object asks for more than the latest list shows.
    pub async fn more(&self) {
        let listing = self.listing();
        let mut edition = self.0.edition.subscribe();
        if edition.wait_for(|edition| *edition > listing).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        self.0.words.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The word for a key of a Secret. The slash is unambiguous, because no Secret name has one.
pub fn word(name: &str, key: &str) -> String {
    format!("{name}/{key}")
}

/// The word for what was not yet listed since this process took the object over. It is no label key and no name of a
/// Secret, so it keeps nothing.
pub fn takeover(object: &str) -> String {
    format!("/{object}")
}

/// Label keys of selectors, and names of copies.
#[derive(Clone, Debug)]
pub struct LabelKeys {
    /// Label keys of namespaces.
    pub namespaces: Wanted,
    /// Label keys of `ServiceAccount`s.
    pub accounts: Wanted,
    /// Names of copies.
    pub copies: Wanted,
}

impl LabelKeys {
    /// Label keys that are wanted without any object.
    pub fn new() -> Self {
        Self {
            namespaces: Wanted::new(&[LABEL_EXCLUDE]),
            accounts: Wanted::new(&[LABEL_EXCLUDE]),
            copies: Wanted::new(&[]),
        }
    }

    /// The object controller sees an object with this selection and this name of copies. For one that this process took
    /// over from another installation, the watch of namespaces lists again.
    pub fn see(&self, object: &Arc<str>, selection: Option<&Selection>, copies: &str, taken_over: bool) {
        let who = Asker::Objects(Arc::clone(object));
        self.replace(&who, (object, taken_over), selection, copies);
    }

    /// The object controller no longer sees the object.
    pub fn lose(&self, object: &Arc<str>) {
        self.release(&Asker::Objects(Arc::clone(object)));
    }

    /// The namespace controller receives this edition of an object, and keeps the words of the former one. Returns the
    /// editions that have all its keys, of namespaces and of accounts.
    pub fn want(&self, object: &Object, taken_over: bool) -> (u64, u64) {
        let (who, selection) = (
            || Asker::Namespaces(Arc::clone(&object.name)),
            object.spec.selection.as_ref(),
        );
        self.copies.want_too(who(), [&*object.spec.secret_name]);
        let takeover = taken_over.then(|| takeover(&object.name));
        let keys = namespace_keys(selection).chain(takeover.as_deref());
        (
            self.namespaces.want_too(who(), keys),
            self.accounts.want_too(who(), account_keys(selection)),
        )
    }

    /// The namespace controller acts on this edition of an object, and on no former one.
    pub fn settle(&self, object: &Object, taken_over: bool) {
        let who = Asker::Namespaces(Arc::clone(&object.name));
        let (selection, copies) = (object.spec.selection.as_ref(), &object.spec.secret_name);
        self.replace(&who, (&object.name, taken_over), selection, copies);
    }

    /// The namespace controller acts on no edition of the object.
    pub fn forget(&self, object: &Arc<str>) {
        self.release(&Asker::Namespaces(Arc::clone(object)));
    }

    fn replace(&self, who: &Asker, (object, taken_over): (&str, bool), selection: Option<&Selection>, copies: &str) {
        let takeover = taken_over.then(|| takeover(object));
        let keys = namespace_keys(selection).chain(takeover.as_deref());
        self.namespaces.want(who.clone(), keys);
        self.accounts.want(who.clone(), account_keys(selection));
        self.copies.want(who.clone(), [copies]);
    }

    fn release(&self, who: &Asker) {
        for words in [&self.namespaces, &self.accounts, &self.copies] {
            words.want(who.clone(), []);
        }
    }

    /// Marks all words as complete: every object has been seen once.
    pub fn complete(&self) {
        for words in [&self.namespaces, &self.accounts, &self.copies] {
            words.complete();
        }
    }
}

impl Default for LabelKeys {
    fn default() -> Self {
        Self::new()
    }
}

fn namespace_keys(selection: Option<&Selection>) -> impl Iterator<Item = &str> {
    selection.into_iter().flat_map(Selection::namespace_keys)
}

fn account_keys(selection: Option<&Selection>) -> impl Iterator<Item = &str> {
    selection.into_iter().flat_map(Selection::account_keys)
}

/// Keeps only the labels that an object asks for.
pub fn prune(labels: &mut Labels, wanted: &Wanted) {
    if !labels.is_empty() {
        let words = wanted.words();
        labels.keep(|key| words.held.contains_key(key));
    }
}

#[cfg(test)]
mod tests;

//! The facts of a `ServiceAccount`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::brief::hash;
use super::entry::Entry;
use crate::identity::Version;
use crate::labels::Labels;

/// The most bytes of a list and its record that are kept literally, with what each name takes besides its text.
pub const COMPACT_ABOVE: usize = 1024;
/// What a name takes besides its text.
const NAME_OVERHEAD: usize = 48;

/// A `ServiceAccount`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The precondition of a write.
    pub version: Version,
    /// All labels.
    pub labels: Labels,
    /// `imagePullSecrets` in its order, foreign entries included.
    pub entries: Arc<[Entry]>,
    /// The names in the annotation that records what the operator added. Empty without the annotation.
    pub attached: Arc<[Arc<str>]>,
    /// It has a deletionTimestamp: the operator leaves it alone.
    pub deleting: bool,
    /// `imagePullSecrets` exceeds [`super::MAX_ENTRIES`] or [`super::MAX_ENTRIES_BYTES`], and `entries` is empty.
    ///
    /// The operator leaves the account alone, because it cannot write back a list that it does not have.
    pub too_large: bool,
    /// managedFields show that the list is as we wrote it when each entry of an object's name was recorded.
    pub listed_by_us: bool,
    /// Present if list and record are long. Then `entries` and `attached` hold only names that objects had when it was
    /// seen, and this has the hashes of other names. Before a write the operator reads the account.
    pub hidden: Option<Arc<HiddenNames>>,
}

/// The hashes of names that are not kept and whose entries may be ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HiddenNames(Box<[u64]>);

impl Account {
    /// Returns whether `imagePullSecrets` has an entry for this Secret.
    pub(crate) fn refers_to(&self, secret: &str) -> bool {
        self.entries.iter().any(|entry| entry.name() == secret)
    }

    /// Returns whether the record has this name.
    pub(crate) fn records(&self, secret: &str) -> bool {
        self.attached.iter().any(|name| name.as_ref() == secret)
    }

    /// Reduces a list and a record beyond [`COMPACT_ABOVE`] to the names for which `is_wanted` holds.
    pub fn compact(&mut self, is_wanted: impl Fn(&str) -> bool) {
        let entry = |entry: &Entry| entry.name().len() + entry.raw_json().map_or(0, str::len) + NAME_OVERHEAD;
        let recorded = |name: &Arc<str>| name.len() + NAME_OVERHEAD;
        let bytes = self.entries.iter().map(entry).sum::<usize>() + self.attached.iter().map(recorded).sum::<usize>();
        if self.hidden.is_some() || bytes <= COMPACT_ABOVE {
            return;
        }
        let listed: BTreeSet<&str> = self.entries.iter().map(Entry::name).collect();
        let entries = listed
            .iter()
            .filter(|name| is_wanted(name))
            .map(|name| Entry::named(name));
        let may_be_ours = |name: &&str| self.too_large || listed.contains(name);
        let ours: Vec<&str> = if self.listed_by_us && self.attached.is_empty() {
            listed.iter().copied().collect()
        } else {
            self.attached.iter().map(AsRef::as_ref).filter(may_be_ours).collect()
        };
        let mut hidden: Vec<u64> = ours.into_iter().filter(|name| !is_wanted(name)).map(hash).collect();
        hidden.sort_unstable();
        hidden.dedup();
        let attached = self.attached.iter().filter(|name| is_wanted(name)).cloned().collect();
        (self.entries, self.attached) = (entries.collect(), attached);
        self.hidden = Some(Arc::new(HiddenNames(hidden.into())));
    }

    /// Returns whether it records a reference to this Secret, or may do so under a hidden name.
    pub fn may_record(&self, secret: &str) -> bool {
        self.records(secret) || self.may_hide(secret)
    }

    /// Returns whether a hidden entry may be ours and refer to a Secret with one of these hashes.
    pub(crate) fn may_hide_any(&self, hashes: &[u64]) -> bool {
        let hidden = self.hidden.iter().flat_map(|hidden| &hidden.0);
        hidden.into_iter().any(|hash| hashes.binary_search(hash).is_ok())
    }

    /// Returns whether a hidden entry may be ours and refer to this Secret.
    pub(crate) fn may_hide(&self, secret: &str) -> bool {
        let hidden = self.hidden.as_ref().filter(|hidden| !hidden.0.is_empty());
        hidden.is_some_and(|hidden| hidden.0.binary_search(&hash(secret)).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::{MAX_ENTRIES, MAX_STALE_RECORDS, parse_attached};
    use super::*;

    /// There may be 500,000; `config/README.md` says what they take.
    #[test]
    fn an_account_takes_a_hundred_bytes() {
        assert!(size_of::<Account>() <= 104, "{}", size_of::<Account>());
    }

    /// An account with this list and this record.
    fn account(names: &[String], recorded: &[String]) -> Account {
        let entries: Vec<Entry> = names.iter().map(|name| Entry::named(name)).collect();
        Account {
            version: Version::new("u", "1"),
            labels: Labels::default(),
            attached: parse_attached(&recorded.join(","), &entries).into(),
            entries: entries.into(),
            deleting: false,
            too_large: false,
            listed_by_us: false,
            hidden: None,
        }
    }

    #[test]
    fn a_long_list_keeps_wanted_names() {
        let names: Vec<String> = (0..MAX_ENTRIES).map(|number| format!("{number:0>60}")).collect();
        let stale = (0..MAX_STALE_RECORDS).map(|number| format!("{number:0>253}"));
        let recorded: Vec<String> = names.iter().cloned().chain(stale).collect();
        let mut kept = account(&names, &recorded);
        kept.compact(|name| name == names[7]);
        assert_eq!((kept.entries.len(), kept.attached.len()), (1, 1));
        let hidden = kept.hidden.as_ref().map_or(0, |hidden| size_of_val(&*hidden.0));
        assert!(hidden <= 8 * MAX_ENTRIES, "{hidden} bytes of hashes");
        assert!(kept.may_record(&names[7]) && !kept.may_hide(&names[7]));
        assert!(kept.may_hide(&names[8]) && !kept.may_record("other"));
        let seen = kept.clone();
        kept.compact(|_| true);
        assert_eq!(kept, seen, "a hidden name does not come back");
    }

    #[test]
    fn an_ordinary_list_is_kept_whole() {
        let names: Vec<String> = (0..8).map(|number| format!("pull-secret-{number}")).collect();
        let mut kept = account(&names, &names);
        kept.compact(|_| false);
        assert_eq!((kept.entries.len(), kept.hidden), (8, None));
    }

    /// Each entry of a list that we wrote last may be ours, even without a record.
    #[test]
    fn a_list_of_ours_hides_all_names() {
        let names: Vec<String> = (0..100).map(|number| format!("pull-secret-{number}")).collect();
        let mut kept = Account {
            listed_by_us: true,
            ..account(&names, &[])
        };
        kept.compact(|_| false);
        assert!(kept.entries.is_empty() && kept.may_hide(&names[99]));
    }
}

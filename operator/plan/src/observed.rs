//! What is seen in the cluster, and decides: the operator's compact map is made of these.
//!
//! Nothing here is "empty because it could not be read": a fact that is not known is absent, and the caller does not
//! plan from an incomplete view.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::Hasher as _;
use std::sync::Arc;

use litemap::LiteMap;
use siphasher::sip128::{Hash128, Hasher128 as _, SipHasher24};

use crate::identity::{Uid, Version};
use crate::labels::Labels;
use crate::payload::Digest;

/// A namespace with what decides in it. Sorted lists rather than trees: most hold one Secret and three accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// All labels, `kubernetes.io/metadata.name` included: any of them may be selected on.
    pub labels: Labels,
    /// Has a deletionTimestamp: nothing is added, and nothing counts as failed.
    pub terminating: bool,
    /// Secrets by name.
    pub secrets: LiteMap<Arc<str>, Secret>,
    /// `ServiceAccount`s by name.
    pub accounts: LiteMap<Arc<str>, Account>,
}

/// A Secret that has a name which an object asks for, or carries our label; or, where names are managed, has one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// The precondition of a write.
    pub version: Version,
    /// Of the value under `.dockerconfigjson`; absent when there is none, or when it is [`crate::payload::NO_LOGIN`].
    pub digest: Option<Arc<Digest>>,
    /// All that copies of one object have in common, held once for all of them.
    pub traits: Arc<SecretTraits>,
}

/// What decides of a Secret besides its data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of the object, each read by itself"
)]
pub struct SecretTraits {
    /// Type `kubernetes.io/dockerconfigjson`.
    pub docker_config_type: bool,
    /// `immutable: true`: a kubelet would not see a rotation.
    pub immutable: bool,
    /// Has a deletionTimestamp: someone's finalizer holds it.
    pub deleting: bool,
    /// The first finalizer that holds it, while it is being deleted.
    pub finalizer: Option<Box<str>>,
    /// If our label is there, it and those that were declared last, each key and value as [`brief`]; else none, so that
    /// Secrets of others share one value.
    pub labels: Labels,
    /// Those of ours; and if our label is there, those that were declared last, each key and value as [`brief`].
    pub annotations: Labels,
    /// ownerReferences to objects of our kind, in the order of their uids: the first [`MAX_OWNERS`].
    pub owners: Vec<Owner>,
    /// No object had its name when it was seen. Then our own marks are held, and at most [`MAX_PARTIAL_OWNERS`] owners: an object
    /// that has the name now finds it differing, and the write brings the rest to light.
    pub partial: bool,
    /// Another kind is its controller.
    pub controlled: bool,
    /// managedFields show an Apply by our field manager that owns the data. Told only of what lacks our label.
    pub applied_by_us: bool,
}

/// An ownerReference to a `ClusterPullSecret`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Of the object.
    pub uid: Uid,
    /// Of the object.
    pub name: Arc<str>,
}

/// So many owners of our kind does a copy have. Further objects that want it are none of its owners.
pub const MAX_OWNERS: usize = 32;
/// So many are held where no object has the name of the copy.
pub const MAX_PARTIAL_OWNERS: usize = 2;
/// Longer keys and values of labels and annotations are held as a hash.
const LONG: usize = 48;

/// A key or a value of a label or an annotation, as a [`SecretTraits`] holds it: equal for what is equal, and short.
pub fn brief(text: &str) -> Cow<'_, str> {
    if text.len() <= LONG {
        return Cow::Borrowed(text);
    }
    // No key or value that a spec may have begins so.
    Cow::Owned(format!("\u{1}{:032x}", hashed(text).as_u128()))
}

fn hashed(text: &str) -> Hash128 {
    let mut hasher = SipHasher24::new();
    hasher.write(text.as_bytes());
    hasher.finish128()
}

/// A `ServiceAccount`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The precondition of a write.
    pub version: Version,
    /// All labels.
    pub labels: Labels,
    /// `imagePullSecrets`, in its order, whatever it holds.
    pub entries: Arc<[Entry]>,
    /// The names in the annotation that records what we added; empty when there is none.
    pub attached: Arc<[Arc<str>]>,
    /// Has a deletionTimestamp: it is let be.
    pub deleting: bool,
    /// `imagePullSecrets` is longer than [`MAX_ENTRIES`] or [`MAX_ENTRIES_BYTES`] allow. Then `entries` holds none of it, and the
    /// account is let be: a list that is not held whole cannot be written back.
    pub too_large: bool,
    /// managedFields show that the list is as we wrote it when every entry with the name of an object was recorded.
    pub listed_by_us: bool,
    /// The list and the record are long. Then `entries` and `attached` hold the names alone that were asked for when it was
    /// seen, and here is what tells whether more of it may be ours. Nothing is written from this: it is read first.
    pub hidden: Option<Arc<HiddenNames>>,
}

/// Of names that are not held, and whose entries may be ours, the hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HiddenNames(Box<[u64]>);

/// So many bytes of one list and its record, with what each name takes beside its text, are held as they are.
pub const COMPACT_ABOVE: usize = 1024;
/// What a name takes beside its text.
const NAME: usize = 48;

/// Two names that are taken for each other cost a read.
pub(crate) fn hash(name: &str) -> u64 {
    hashed(name).h1
}

impl Account {
    /// Holds of a list and a record beyond [`COMPACT_ABOVE`] the names alone that are asked for.
    pub fn compact(&mut self, asked: impl Fn(&str) -> bool) {
        let entry = |entry: &Entry| entry.name().len() + entry.raw_json().map_or(0, str::len) + NAME;
        let recorded = |name: &Arc<str>| name.len() + NAME;
        let bytes = self.entries.iter().map(entry).sum::<usize>() + self.attached.iter().map(recorded).sum::<usize>();
        if self.hidden.is_some() || bytes <= COMPACT_ABOVE {
            return;
        }
        let listed: BTreeSet<&str> = self.entries.iter().map(Entry::name).collect();
        let entries = listed.iter().filter(|name| asked(name)).map(|name| Entry::named(name));
        let may_be_ours = |name: &&str| self.too_large || listed.contains(name);
        let ours: Vec<&str> = if self.listed_by_us && self.attached.is_empty() {
            listed.iter().copied().collect()
        } else {
            self.attached.iter().map(AsRef::as_ref).filter(may_be_ours).collect()
        };
        let mut rest: Vec<u64> = ours.into_iter().filter(|name| !asked(name)).map(hash).collect();
        rest.sort_unstable();
        rest.dedup();
        let attached = self.attached.iter().filter(|name| asked(name)).cloned().collect();
        (self.entries, self.attached) = (entries.collect(), attached);
        self.hidden = Some(Arc::new(HiddenNames(rest.into())));
    }

    /// Whether it records a reference to this Secret, as far as is known.
    pub fn may_record(&self, secret: &str) -> bool {
        self.attached.iter().any(|held| held.as_ref() == secret) || self.may_hide(secret)
    }

    /// Whether an entry of ours may be among those that are not held, to a Secret whose name has one of these hashes.
    pub(crate) fn may_hide_any(&self, hashes: &[u64]) -> bool {
        let rest = self.hidden.iter().flat_map(|rest| &rest.0);
        rest.into_iter().any(|hash| hashes.binary_search(hash).is_ok())
    }

    /// Whether an entry of ours to this Secret may be among those that are not held.
    pub(crate) fn may_hide(&self, secret: &str) -> bool {
        let rest = self.hidden.as_ref().filter(|rest| !rest.0.is_empty());
        rest.is_some_and(|rest| rest.0.binary_search(&hash(secret)).is_ok())
    }
}

/// So many elements of one `imagePullSecrets` are held; a longer list is not held at all.
pub const MAX_ENTRIES: usize = 256;
/// The names and the JSON of its elements have so many bytes together, or the list is not held at all.
pub const MAX_ENTRIES_BYTES: usize = 16 * 1024;
/// So many recorded names are held besides those that the list has. A Pod never needs one of them.
pub const MAX_STALE_RECORDS: usize = 64;
/// The longest name that a Secret, or another object, can have: a longer one is the name of none.
pub const MAX_NAME_BYTES: usize = 253;

/// One element of `imagePullSecrets`, kept so that it is written back as it was read.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    name: Arc<str>,
    /// The element's JSON when it is anything but `{"name": …}`.
    raw: Option<Box<str>>,
}

impl Entry {
    /// `{"name": name}`.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            raw: None,
        }
    }

    /// An element of another shape: its name (empty when it has none) and its JSON text.
    pub fn raw(name: &str, json: &str) -> Self {
        Self {
            name: name.into(),
            raw: Some(json.into()),
        }
    }

    /// The Secret that it refers to; empty when it refers to none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The element's JSON when it is not simply a name.
    pub fn raw_json(&self) -> Option<&str> {
        self.raw.as_deref()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.raw.as_deref().unwrap_or(&self.name))
    }
}

/// The names in the text of the annotation `pullsecrets.dev/attached`: separated by commas, spaces around them and
/// empty ones dropped, each once.
///
/// A name that the list has is a recorded entry, and is never lost. Of others, the first [`MAX_STALE_RECORDS`] are held: the rest
/// record no entry, and go with the next write. Takes n log n steps, whatever the annotation holds.
pub fn parse_attached(annotation: &str, entries: &[Entry]) -> Vec<Arc<str>> {
    let listed: BTreeSet<&str> = entries.iter().map(Entry::name).collect();
    let mut seen = BTreeSet::new();
    let mut unlisted = 0;
    annotation
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty() && name.len() <= MAX_NAME_BYTES)
        .filter(|name| {
            let held = seen.contains(name) || listed.contains(name) || unlisted < MAX_STALE_RECORDS;
            let new = held && seen.insert(*name);
            unlisted += usize::from(new && !listed.contains(name));
            new
        })
        .map(Arc::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_held_short_and_still_told_apart() {
        let long = "x".repeat(100_000);
        assert_eq!(brief("short"), "short");
        assert!(brief(&long).len() <= LONG);
        assert_eq!(brief(&long), brief(&long.clone()));
        assert_ne!(brief(&long), brief(&format!("{long}y")));
        assert_ne!(brief(&long), &long[..LONG]);
    }

    #[test]
    fn the_record_on_an_account_is_read_whatever_someone_made_of_it() {
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

    /// There may be 500,000; `config/README.md` says what they take.
    #[test]
    fn an_account_takes_a_hundred_bytes() {
        assert!(size_of::<Account>() <= 104, "{}", size_of::<Account>());
    }

    /// With this list, and this record.
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
    fn of_a_long_list_the_names_that_are_asked_for_are_held() {
        let names: Vec<String> = (0..MAX_ENTRIES).map(|number| format!("{number:0>60}")).collect();
        let stale = (0..MAX_STALE_RECORDS).map(|number| format!("{number:0>253}"));
        let recorded: Vec<String> = names.iter().cloned().chain(stale).collect();
        let mut held = account(&names, &recorded);
        held.compact(|name| name == names[7]);
        assert_eq!((held.entries.len(), held.attached.len()), (1, 1));
        let rest = held.hidden.as_ref().map_or(0, |rest| size_of_val(&*rest.0));
        assert!(rest <= 8 * MAX_ENTRIES, "{rest} bytes besides");
        assert!(held.may_record(&names[7]) && !held.may_hide(&names[7]));
        assert!(held.may_hide(&names[8]) && !held.may_record("other"));
        let seen = held.clone();
        held.compact(|_| true);
        assert_eq!(held, seen, "what is not held does not come back");
    }

    #[test]
    fn an_ordinary_list_is_held_whole() {
        let names: Vec<String> = (0..8).map(|number| format!("pull-secret-{number}")).collect();
        let mut held = account(&names, &names);
        held.compact(|_| false);
        assert_eq!((held.entries.len(), held.hidden), (8, None));
    }

    /// Any of them may be ours.
    #[test]
    fn a_long_list_that_we_wrote_last_hides_what_may_be_ours() {
        let names: Vec<String> = (0..100).map(|number| format!("pull-secret-{number}")).collect();
        let mut held = Account {
            listed_by_us: true,
            ..account(&names, &[])
        };
        held.compact(|_| false);
        assert!(held.entries.is_empty() && held.may_hide(&names[99]));
    }

    /// An annotation may hold 256 KiB: 60,000 names. Compared with each other they would take seconds.
    #[test]
    fn a_hostile_record_is_bounded() {
        let names: Vec<String> = (0..60_000).map(|number| number.to_string()).collect();
        let entries = [Entry::named("59999"), Entry::named("7"), Entry::named("theirs")];
        let held = parse_attached(&names.join(","), &entries);
        assert_eq!(held.len(), MAX_STALE_RECORDS + 2);
        let has = |name: &str| held.iter().any(|held| held.as_ref() == name);
        assert!(has("7") && has("59999"), "a recorded entry is never lost");
        assert!(has("0") && !has("59998") && !has("theirs"));
    }
}

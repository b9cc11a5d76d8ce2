//! The decision about one `ServiceAccount`: which entries of `imagePullSecrets` the operator adds and removes.

use std::sync::Arc;

use crd::FailureReason;

use crate::action::AccountAction;
use crate::decision::{Decision, Failure, State, restrained};
use crate::detach::{is_kept_by_frozen, may_detach};
use crate::object::{Lifecycle, Object};
use crate::observed::{Account, Entry, MAX_ENTRIES, MAX_ENTRIES_BYTES};
use crate::ownership::{is_in_conflict, labelled};
use crate::scope::Scope;

/// What the caller knows of an account besides how it looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// Why our last write of it failed.
    pub last_error: Option<&'a Failure>,
    /// Another writer keeps undoing our writes. It is reported even while the account is as declared.
    pub contention: Option<&'a Failure>,
    /// Names not probed yet: a Secret of another party may have them. The operator adds no reference to them.
    pub unverified: &'a [Arc<str>],
    /// Names that the account recorded when it was last seen, and whose entries are now there without the record.
    pub lost_records: &'a [Arc<str>],
    /// Names without a Secret in the cache, where a retained one may exist. The operator reads the Secret before it
    /// removes a reference to them.
    pub unread: &'a [Arc<str>],
}

impl<'a> Context<'a> {
    /// What prevents a write.
    fn obstruction(&self) -> Option<&'a Failure> {
        self.contention.or(self.last_error)
    }
}

/// Decides about the account `name` of a namespace: one write for all objects together.
///
/// # Guarantees
///
/// - An entry that the operator did not record is neither removed nor moved.
/// - A record that another writer removed still counts where there is proof of it.
/// - A recorded entry is removed only if an object has its name and no object wants it here.
/// - The operator does not record an entry that it found, and so never removes it.
/// - The operator never adds to a terminating namespace.
pub fn decide<'a>(scope: &Scope<'a>, name: &str, seen: &Account, context: Context<'_>) -> Decision<'a, AccountAction> {
    let mut decision = Decision::default();
    if seen.deleting {
        return decision;
    }
    let wanted = wanted(scope, name, seen);
    if seen.too_large {
        return too_large(scope, seen, &wanted);
    }
    if !scope.seen.terminating {
        decision.states = states(seen, &wanted, context);
    }
    let lost: Vec<Arc<str>> = unrecorded(scope, seen, context.lost_records)
        .into_iter()
        .map(Into::into)
        .collect();
    let goes = Going::of(scope, &wanted, seen.attached.iter().chain(&lost));
    let (unread, removed): (Vec<_>, Vec<_>) = goes.now.iter().copied().partition(|name| context.unread.contains(name));
    let kept_unread = goes.later.iter().copied().filter(|name| context.unread.contains(name));
    decision.to_read = unread.into_iter().chain(kept_unread).cloned().collect();
    decision.pending_cleanup = departing(scope, &goes.now);
    decision.removals = removals(scope, &goes, &State::outstanding(context.obstruction()));
    let ours = Ours {
        lost: &lost,
        removed: &removed,
    };
    let (entries, attached) = desired(scope, seen, &wanted, &ours, context.unverified);
    if entries[..] != seen.entries[..] || attached[..] != seen.attached[..] {
        decision.action = Some(AccountAction {
            version: seen.version.clone(),
            proves: proves(scope, &entries, &attached),
            entries,
            attached,
        });
    }
    if seen.hidden.is_some() {
        decision.read_first = decision.action.take().is_some() || hides_ours(scope, seen);
    }
    decision
}

/// Returns the state of the reference for each object that wants one.
fn states<'a>(seen: &Account, wanted: &[&'a Arc<Object>], context: Context<'_>) -> Vec<(&'a Arc<Object>, State)> {
    let state = |object: &Object| {
        if seen.refers_to(&object.spec.secret_name) {
            State::in_place(context.contention)
        } else {
            State::outstanding(restrained(object).as_ref().or(context.obstruction()))
        }
    };
    wanted.iter().map(|object| (*object, state(object))).collect()
}

/// Returns whether hidden entries may be ours: an object has the name by now, or a Secret of that name exists.
fn hides_ours(scope: &Scope<'_>, seen: &Account) -> bool {
    seen.may_hide_any(scope.cluster.secret_name_hashes()) || scope.seen.secrets.keys().any(|name| seen.may_hide(name))
}

/// Decides about a list that is too large to be kept. The operator leaves it alone, and reports it.
fn too_large<'a>(scope: &Scope<'a>, seen: &Account, wanted: &[&'a Arc<Object>]) -> Decision<'a, AccountAction> {
    let message = format!(
        "imagePullSecrets has more than {MAX_ENTRIES} entries or {} KiB, so the operator does not change it: remove \
         unused entries",
        MAX_ENTRIES_BYTES / 1024
    );
    let state = State::Failed(Failure::new(FailureReason::TooLarge, message));
    let goes = Going::of(scope, wanted, seen.attached.iter());
    let pending_cleanup = departing(scope, &goes.now);
    let claimants = wanted.iter().filter(|_| !scope.seen.terminating);
    Decision {
        states: claimants.map(|object| (*object, state.clone())).collect(),
        removals: removals(scope, &goes, &state),
        // A deletion waits for it as long as for a denied write.
        removal_pending: !pending_cleanup.is_empty(),
        pending_cleanup,
        ..Decision::default()
    }
}

/// Recorded names whose references must go.
struct Going<'s> {
    /// Those that the operator removes now.
    now: Vec<&'s Arc<str>>,
    /// Those that frozen objects keep until they are active again.
    later: Vec<&'s Arc<str>>,
}

impl<'s> Going<'s> {
    fn of(scope: &Scope<'_>, wanted: &[&Arc<Object>], recorded: impl Iterator<Item = &'s Arc<str>>) -> Self {
        let is_wanted = |name: &str| wanted.iter().any(|object| object.spec.secret_name.as_ref() == name);
        let unwanted = recorded.filter(|name| !is_wanted(name));
        let (now, others): (Vec<_>, Vec<_>) = unwanted.partition(|name| may_detach(scope, name));
        let later = others.into_iter().filter(|name| is_kept_by_frozen(scope, name));
        Self {
            now,
            later: later.collect(),
        }
    }
}

/// Gives this state of a removal to each object on whose behalf the references go, now or later.
fn removals<'a>(scope: &Scope<'a>, goes: &Going<'_>, state: &State) -> Vec<(&'a Arc<Object>, State)> {
    let mut now = departing(scope, &goes.now);
    for name in &goes.now {
        now.extend(deciding(scope, name).filter(|object| object.removes()));
    }
    let mut removals: Vec<_> = now.into_iter().map(|object| (object, state.clone())).collect();
    for name in &goes.later {
        let frozen = deciding(scope, name).filter(|object| object.lifecycle == Lifecycle::Frozen);
        removals.extend(frozen.map(|object| (object, State::Pending)));
    }
    removals
}

/// Returns the names without a record whose entries are ours.
///
/// Either the record was `known` before, or the list is as we last wrote it. Then each entry of an object's name was
/// recorded.
fn unrecorded<'a>(scope: &Scope<'_>, seen: &'a Account, known: &[Arc<str>]) -> Vec<&'a str> {
    let is_lost = |name: &&str| {
        let proven = seen.listed_by_us && seen.attached.is_empty() && scope.cluster.has_copies(name);
        !seen.records(name) && (proven || known.iter().any(|recorded| recorded.as_ref() == *name))
    };
    let mut names: Vec<&str> = seen.entries.iter().map(Entry::name).filter(is_lost).collect();
    names.dedup();
    names
}

/// Returns whether the list, as long as it stays as written, proves that its entries with names of objects are ours.
fn proves(scope: &Scope<'_>, entries: &[Entry], attached: &[Arc<str>]) -> bool {
    let recorded = |name: &str| attached.iter().any(|recorded| recorded.as_ref() == name);
    let names = entries.iter().map(Entry::name);
    let mut of_objects = names.filter(|name| scope.cluster.has_copies(name));
    !attached.is_empty() && of_objects.all(recorded)
}

/// Names whose entries are ours.
struct Ours<'a> {
    /// Those without a record.
    lost: &'a [Arc<str>],
    /// Those whose entries this decision removes.
    removed: &'a [&'a Arc<str>],
}

/// Returns the list and the record as they should be.
fn desired(
    scope: &Scope<'_>,
    seen: &Account,
    wanted: &[&Arc<Object>],
    ours: &Ours<'_>,
    unverified: &[Arc<str>],
) -> (Vec<Entry>, Vec<Arc<str>>) {
    let goes = |name: &str| ours.removed.iter().any(|removed| removed.as_ref() == name);
    let is_lost = |name: &str| ours.lost.iter().any(|lost| lost.as_ref() == name);

    let stays = |entry: &&Entry| !(seen.records(entry.name()) && goes(entry.name()));
    let mut entries: Vec<Entry> = seen.entries.iter().filter(stays).cloned().collect();
    let mut attached: Vec<Arc<str>> = seen.attached.iter().filter(|name| !goes(name)).cloned().collect();
    // First the record, then the entry: the admission policy lets the operator remove recorded entries only.
    attached.extend(ours.lost.iter().filter(|name| goes(name)).cloned());
    let adds = |object: &&&Arc<Object>| object.lifecycle == Lifecycle::Active && !scope.seen.terminating;
    for object in wanted.iter().filter(adds) {
        let name = &object.spec.secret_name;
        if is_lost(name) {
            attached.push(Arc::clone(name));
        }
        if seen.refers_to(name) || unverified.contains(name) {
            continue;
        }
        entries.push(Entry::named(name));
        if !seen.records(name) {
            attached.push(Arc::clone(name));
        }
    }
    (entries, attached)
}

/// Returns the objects that want their reference on the account, oldest first.
///
/// These decide a copy that is, or can become, ours.
fn wanted<'a>(scope: &Scope<'a>, name: &str, seen: &Account) -> Vec<&'a Arc<Object>> {
    let wants = |object: &&'a Arc<Object>| {
        let selection = object.spec.selection.as_ref();
        selection.is_some_and(|selection| selection.selects_account(name, &seen.labels))
            && !is_in_conflict(scope, &object.spec.secret_name, object)
    };
    scope.deciders().into_iter().filter(wants).collect()
}

/// Returns the objects being deleted that wait until the records of these names are gone.
fn departing<'a>(scope: &Scope<'a>, to_detach: &[&Arc<str>]) -> Vec<&'a Arc<Object>> {
    to_detach
        .iter()
        .flat_map(|name| scope.cluster.named(name))
        .filter(|object| object.lifecycle == Lifecycle::Deleting)
        .collect()
}

/// Returns the object that decides about the reference of this name, or all objects of the name where none does.
fn deciding<'a>(scope: &Scope<'a>, name: &str) -> impl Iterator<Item = &'a Arc<Object>> {
    let claimant = scope.claimants(name).first().copied();
    let decider = claimant.or_else(|| labelled(scope, name));
    let named = scope.cluster.named(name);
    named.filter(move |object| decider.is_none_or(|decider| decider.name == object.name))
}

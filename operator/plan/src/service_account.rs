//! One `ServiceAccount`: which entries are put in, which are taken out, and nothing else.

use std::sync::Arc;

use crd::{DeletionPolicy, FailureReason};

use crate::action::AccountAction;
use crate::decision::{Decision, Failure, State};
use crate::object::{Lifecycle, Object};
use crate::observed::{Account, Entry, MAX_ENTRIES, MAX_ENTRIES_BYTES};
use crate::scope::Scope;
use crate::secret::{self, Ownership, ownership};

/// What is known of an account besides how it looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// What the server, or another writer, did with our last attempts.
    pub last_error: Option<&'a Failure>,
    /// Another writer keeps undoing what we write: said although it may be in place at this moment.
    pub contention: Option<&'a Failure>,
    /// Names under which nobody knows yet whether there is a Secret that is not ours: no reference to them goes in.
    pub unverified: &'a [Arc<str>],
    /// Names that the account recorded when it was seen before, and whose entries are there without the record now.
    pub lost_records: &'a [Arc<str>],
    /// Names under which no Secret is seen, although a retained one may be there: no reference to them goes out before
    /// the Secret was read.
    pub unread: &'a [Arc<str>],
}

impl<'a> Context<'a> {
    /// What stands against a write.
    fn against(&self) -> Option<&'a Failure> {
        self.contention.or(self.last_error)
    }
}

/// Decides of the account `name` of a namespace: one write for all objects together.
///
/// Guarantees: an entry that we did not record is neither removed nor moved, and a record that others took away counts
/// where there is proof of it; a recorded one is removed only when an object has its name and none wants it here; what was there before us is not recorded and so never removed; nothing
/// is added to a terminating namespace.
pub(crate) fn decide<'a>(
    scope: &Scope<'a>,
    name: &str,
    seen: &Account,
    context: Context<'_>,
) -> Decision<'a, AccountAction> {
    let mut decision = Decision::default();
    if seen.deleting {
        return decision;
    }
    let wanted = wanted(scope, name, seen);
    if seen.too_large {
        return too_large(scope, seen, &wanted);
    }
    if !scope.seen.terminating {
        decision.states = wanted
            .iter()
            .map(|object| {
                let state = if has(seen, &object.spec.secret_name) {
                    State::in_place(context.contention)
                } else {
                    State::outstanding(context.against())
                };
                (*object, state)
            })
            .collect();
    }
    let lost: Vec<Arc<str>> = lost(scope, seen, context.lost_records)
        .into_iter()
        .map(Into::into)
        .collect();
    let going = going(scope, &wanted, seen.attached.iter().chain(&lost));
    let (unread, taken): (Vec<_>, Vec<_>) = going.iter().partition(|name| context.unread.contains(name));
    decision.to_read = unread.into_iter().cloned().collect();
    decision.pending_cleanup = departing(scope, &going);
    decision.removals = remains(scope, &going, &State::outstanding(context.against()));
    let (entries, attached) = target(
        scope,
        seen,
        &wanted,
        &Ours {
            lost: &lost,
            taken: &taken,
        },
        context.unverified,
    );
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

/// Whether entries of which only hashes are held may be ours: an object has the name by now, or a copy stands there.
fn hides_ours(scope: &Scope<'_>, seen: &Account) -> bool {
    seen.may_hide_any(scope.cluster.copies()) || scope.seen.secrets.keys().any(|name| seen.may_hide(name))
}

/// A list of which only the length is known is let be, whether something is missing in it or is to go.
fn too_large<'a>(scope: &Scope<'a>, seen: &Account, wanted: &[&'a Arc<Object>]) -> Decision<'a, AccountAction> {
    let message = format!(
        "imagePullSecrets has more than {MAX_ENTRIES} entries, or {} KiB, and is left as it is: remove those that are not used",
        MAX_ENTRIES_BYTES / 1024
    );
    let state = State::Failed(Failure::new(FailureReason::TooLarge, message));
    let going = going(scope, wanted, seen.attached.iter());
    let pending_cleanup = departing(scope, &going);
    let asking = wanted.iter().filter(|_| !scope.seen.terminating);
    Decision {
        states: asking.map(|object| (*object, state.clone())).collect(),
        removals: remains(scope, &going, &state),
        // A deletion waits for it as long as for a refusal.
        removal_pending: !pending_cleanup.is_empty(),
        pending_cleanup,
        ..Decision::default()
    }
}

/// Of these recorded names, those whose references are to go.
fn going<'s>(
    scope: &Scope<'_>,
    wanted: &[&Arc<Object>],
    recorded: impl Iterator<Item = &'s Arc<str>>,
) -> Vec<&'s Arc<str>> {
    let is_wanted = |name: &str| wanted.iter().any(|object| object.spec.secret_name.as_ref() == name);
    recorded
        .filter(|name| !is_wanted(name) && may_detach(scope, name))
        .collect()
}

/// The removal of the references of these names stands like this, for each object on whose behalf they go.
fn remains<'a>(scope: &Scope<'a>, going: &[&Arc<str>], state: &State) -> Vec<(&'a Arc<Object>, State)> {
    let leavers = leavers(scope, going).into_iter();
    leavers.map(|object| (object, state.clone())).collect()
}

/// The names without a record whose entries are ours all the same: the record was seen before, or the list is as we wrote
/// it last, when every entry with the name of an object was recorded.
fn lost<'a>(scope: &Scope<'_>, seen: &'a Account, known: &[Arc<str>]) -> Vec<&'a str> {
    let is_lost = |name: &&str| {
        let proven = seen.listed_by_us && seen.attached.is_empty() && scope.cluster.named(name).next().is_some();
        let recorded = seen.attached.iter().any(|held| held.as_ref() == *name);
        !recorded && (proven || known.iter().any(|held| held.as_ref() == *name))
    };
    let mut names: Vec<&str> = seen.entries.iter().map(Entry::name).filter(is_lost).collect();
    names.dedup();
    names
}

/// Whether the list, as long as it stays as it is written now, proves that its entries with names of objects are ours.
fn proves(scope: &Scope<'_>, entries: &[Entry], attached: &[Arc<str>]) -> bool {
    let recorded = |name: &str| attached.iter().any(|held| held.as_ref() == name);
    let mut of_objects = entries
        .iter()
        .map(Entry::name)
        .filter(|name| scope.cluster.named(name).next().is_some());
    !attached.is_empty() && of_objects.all(recorded)
}

/// Entries that are ours.
struct Ours<'a> {
    /// Without a record.
    lost: &'a [Arc<str>],
    /// To be taken out.
    taken: &'a [&'a Arc<str>],
}

/// The list and the record as they should be.
fn target(
    scope: &Scope<'_>,
    seen: &Account,
    wanted: &[&Arc<Object>],
    ours: &Ours<'_>,
    unverified: &[Arc<str>],
) -> (Vec<Entry>, Vec<Arc<str>>) {
    let goes = |name: &str| ours.taken.iter().any(|taken| taken.as_ref() == name);
    let is_lost = |name: &str| ours.lost.iter().any(|lost| lost.as_ref() == name);
    let recorded = |name: &str| seen.attached.iter().any(|held| held.as_ref() == name);

    let stays = |entry: &&Entry| !(recorded(entry.name()) && goes(entry.name()));
    let mut entries: Vec<Entry> = seen.entries.iter().filter(stays).cloned().collect();
    let mut attached: Vec<Arc<str>> = seen.attached.iter().filter(|name| !goes(name)).cloned().collect();
    // First the record, then the entry: the policy on the operator lets it remove recorded entries only.
    attached.extend(ours.lost.iter().filter(|name| goes(name)).cloned());
    for object in wanted {
        let name = &object.spec.secret_name;
        let settled = !unverified.contains(name);
        if is_lost(name) && object.lifecycle == Lifecycle::Active && !scope.seen.terminating {
            attached.push(Arc::clone(name));
        }
        if has(seen, name) || object.lifecycle != Lifecycle::Active || scope.seen.terminating || !settled {
            continue;
        }
        entries.push(Entry::named(name));
        if !recorded(name) {
            attached.push(Arc::clone(name));
        }
    }
    (entries, attached)
}

/// The objects that want their reference on the account, oldest first: those that decide a copy which is, or can
/// become, ours.
fn wanted<'a>(scope: &Scope<'a>, name: &str, seen: &Account) -> Vec<&'a Arc<Object>> {
    let wants = |object: &&'a Arc<Object>| {
        let selection = object.spec.selection.as_ref();
        selection.is_some_and(|selection| selection.selects_account(name, &seen.labels))
            && !secret::is_in_conflict(scope, &object.spec.secret_name, object)
    };
    scope.deciders().into_iter().filter(wants).collect()
}

/// Whether a recorded entry of this name may be taken out where no object wants it: the name is ours (an object has
/// it, or a copy that outlived its object), and whoever's word counts here is acted for, and does not retain.
///
/// What was retained is taken back, and given up, by an object that asks for it here; no other decides of it.
fn may_detach(scope: &Scope<'_>, secret: &str) -> bool {
    let cluster = scope.cluster;
    let copy = scope.seen.secrets.get(secret);
    // Where the name is not permitted the copy is not seen, and may well be in use, as long as it has its object.
    if cluster.is_unreadable(secret)
        || !cluster.is_permitted(secret) && cluster.named(secret).any(|object| object.stays())
    {
        return false;
    }
    if let Some(decider) = scope.claimants(secret).first() {
        return !is_frozen(decider) && !secret::is_reserved(scope, secret);
    }
    // Copy and references share one fate: where none selects the namespace any more, the label of the copy says whose
    // word counts.
    if let Some(object) = secret::labelled(scope, secret) {
        return !is_frozen(object) && !retains(object);
    }
    if let Some(seen) = copy {
        let fate = match ownership(&seen.traits) {
            Ownership::Copy(_) if secret::is_orphan(scope, seen) => {
                Some(!seen.traits.owners.is_empty() && !cluster.is_frozen(secret))
            }
            Ownership::Retained(_) => Some(false),
            // It may be a retained one whose mark is gone.
            Ownership::Stripped if seen.traits.owners.is_empty() => Some(false),
            Ownership::Copy(_) | Ownership::Stripped | Ownership::Foreign => None,
        };
        if let Some(goes) = fate {
            return goes;
        }
    }
    let mut named = cluster.named(secret).peekable();
    if named.peek().is_none() || named.any(retains) {
        return false;
    }
    if cluster
        .named(secret)
        .all(|object| object.lifecycle == Lifecycle::Deleted)
    {
        return copy.is_none();
    }
    // Without a copy the reference leads nowhere, and a held object alone keeps it.
    if copy.is_some() {
        !cluster.named(secret).any(is_frozen)
    } else {
        !cluster.named(secret).all(is_frozen)
    }
}

fn is_frozen(object: &Arc<Object>) -> bool {
    object.lifecycle == Lifecycle::Frozen
}

fn retains(object: &Arc<Object>) -> bool {
    object.spec.deletion_policy == DeletionPolicy::Retain
}

/// Whether an account of the namespace still holds a recorded entry of this name that is to go.
pub(crate) fn any_to_detach(scope: &Scope<'_>, secret: &str) -> bool {
    may_detach(scope, secret)
        && scope.seen.accounts.values().any(|account| {
            !account.deleting && has(account, secret) && account.attached.iter().any(|held| held.as_ref() == secret)
        })
}

fn has(account: &Account, secret: &str) -> bool {
    account.entries.iter().any(|entry| entry.name() == secret)
}

/// The objects being deleted that wait for a record of one of these names to go.
fn departing<'a>(scope: &Scope<'a>, going: &[&Arc<str>]) -> Vec<&'a Arc<Object>> {
    going
        .iter()
        .flat_map(|name| scope.cluster.named(name))
        .filter(|object| object.lifecycle == Lifecycle::Deleting)
        .collect()
}

/// The objects on whose behalf the references of these names go: for each the one whose word counts, or all where that is
/// not known.
fn leavers<'a>(scope: &Scope<'a>, going: &[&Arc<str>]) -> Vec<&'a Arc<Object>> {
    let mut leavers = departing(scope, going);
    for name in going {
        let decider = scope
            .claimants(name)
            .first()
            .copied()
            .or_else(|| secret::labelled(scope, name));
        let live = scope.cluster.named(name).filter(|object| {
            object.lifecycle == Lifecycle::Active && decider.is_none_or(|decider| decider.name == object.name)
        });
        leavers.extend(live);
    }
    leavers
}

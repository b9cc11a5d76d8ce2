//! One Secret: whether it is ours, what it should hold, and when it may go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crd::names::{
    ANNOTATION_DECLARED, ANNOTATION_RETAINED, LABEL_MANAGED_BY, LABEL_OBJECT, MANAGED_BY, STATE_NAME_PREFIX,
    is_copy_key,
};
use crd::{ConflictPolicy, DeletionPolicy, FailureReason};

use crate::action::{Content, SecretAction};
use crate::decision::{Decision, Failure, State};
use crate::labels::Labels;
use crate::object::{Lifecycle, Object};
use crate::observed::{MAX_OWNERS, Owner, Secret, SecretTraits, brief};
use crate::payload::Payload;
use crate::scope::Scope;
use crate::service_account;

/// How long a copy that is to go waits for the references to it to go first. Whoever keeps putting a reference back,
/// or a policy that refuses its removal, does not keep the credential longer than this.
pub const REFERENCES_FIRST: Duration = Duration::from_secs(10);

/// How long a deletion waits for the object that takes its copies over to bring its own credentials, so that one write
/// does both. One that cannot, being suspended or without a source, gets them as they are then.
pub const HANDOVER_GRACE: Duration = Duration::from_secs(5);

/// What is known of a Secret besides how it looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// What the server, or another writer, did with our last attempts.
    pub last_error: Option<&'a Failure>,
    /// Another writer keeps undoing what we write: said although it may be in place at this moment.
    pub contention: Option<&'a Failure>,
    /// How long it has been known that the copy is to go, or to pass to another object.
    pub removal_pending_for: Duration,
}

impl<'a> Context<'a> {
    /// What stands against a write.
    fn against(&self) -> Option<&'a Failure> {
        self.contention.or(self.last_error)
    }
}

/// Whose a Secret is, by what it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership<'a> {
    /// Our label: the copy of the object of this name.
    Copy(&'a str),
    /// The label is gone, yet the data was applied by us: ours to update, not to delete.
    Stripped,
    /// Left to the namespace when this object went or stopped selecting; taken back by whichever wants it.
    Retained(&'a str),
    /// Somebody else's.
    Foreign,
}

/// Whose the Secret is. What says so is the label first, then the mark of a retained copy, then managedFields.
pub fn ownership(traits: &SecretTraits) -> Ownership<'_> {
    if let Some(object) = traits.labels.get(LABEL_OBJECT) {
        Ownership::Copy(object)
    } else if let Some(object) = traits.annotations.get(ANNOTATION_RETAINED) {
        Ownership::Retained(object)
    } else if traits.applied_by_us {
        Ownership::Stripped
    } else {
        Ownership::Foreign
    }
}

/// Decides of the Secret `name` of a namespace.
///
/// Guarantees: a Secret that is not ours is in no action unless `conflictPolicy: Adopt` allows it; under the name of a
/// source nothing is created, and nothing without our label is in any action; nothing is added to a terminating namespace; a copy is deleted only under our label and when no object asks for it; what is a held
/// object's stays as it is, and passes to it from an object that is being deleted; nothing is done under a name that is
/// not permitted.
pub(crate) fn decide<'a>(scope: &Scope<'a>, name: &'a str, context: Context<'_>) -> Decision<'a, SecretAction> {
    if !scope.cluster.is_permitted(name) {
        return not_permitted(scope, name);
    }
    if scope.cluster.is_unreadable(name) {
        return unreadable(scope, name, context);
    }
    let seen = scope.seen.secrets.get(name);
    let mut decision = match scope.claimants(name).first() {
        Some(decider) => wanted(scope, name, seen, decider, context),
        None => seen.map_or_else(Decision::default, |seen| unwanted(scope, name, seen, context)),
    };
    // An object that waits for a write says what stands against it.
    let state = State::outstanding(context.against());
    for object in &decision.pending_cleanup {
        if !decision.removals.iter().any(|(waiting, _)| waiting == object) {
            decision.removals.push((object, state.clone()));
        }
    }
    decision
}

/// An object that cannot be read may want this Secret here: whoever else asks for it has to wait.
fn unreadable<'a>(scope: &Scope<'a>, name: &'a str, context: Context<'_>) -> Decision<'a, SecretAction> {
    let message = format!("secret {name:?} belongs to a ClusterPullSecret that this version cannot read");
    let failure = Failure::new(FailureReason::SecretConflict, message);
    let states = scope
        .claimants(name)
        .iter()
        .map(|object| (*object, State::Failed(failure.clone())));
    let mut decision = Decision {
        states: states.collect(),
        ..Decision::default()
    };
    if let Some(seen) = scope.seen.secrets.get(name) {
        hand_over(scope, name, seen, context, &mut decision);
    }
    decision
}

/// The installation has no rights on Secrets of this name, whoever asks for one.
fn not_permitted<'a>(scope: &Scope<'a>, name: &str) -> Decision<'a, SecretAction> {
    let message = format!(
        "secret name {name:?} is not one of --managed-secret-names: add it to config/named/names.yaml and apply that \
         again, or replace the object by one whose spec.secret.name is listed there"
    );
    let failure = Failure::new(FailureReason::NameNotPermitted, message);
    let asking = scope.claimants(name).iter().filter(|_| !scope.seen.terminating);
    Decision {
        states: asking.map(|object| (*object, State::Failed(failure.clone()))).collect(),
        ..Decision::default()
    }
}

/// Whether there is no copy of ours under that name and will be none: the Secret there is somebody else's and stays so,
/// or none may be written. Then nothing refers to it on our behalf.
pub(crate) fn is_in_conflict(scope: &Scope<'_>, name: &str, decider: &Object) -> bool {
    if scope.cluster.is_unreadable(name) || !scope.cluster.is_permitted(name) {
        return true;
    }
    match scope.seen.secrets.get(name) {
        Some(seen) => obstacle(scope, name, seen, decider).is_some(),
        None => reserved(scope, name).is_some(),
    }
}

/// Whether this name belongs to a source or to the operator, and no copy of ours stood here before. What refers to it then
/// refers to the source, or to nothing: the operator neither adds such a reference nor removes it while an object wants it.
pub(crate) fn is_reserved(scope: &Scope<'_>, name: &str) -> bool {
    let seen = scope.seen.secrets.get(name);
    let ours = seen.is_some_and(|seen| matches!(ownership(&seen.traits), Ownership::Copy(_)));
    !ours && reserved(scope, name).is_some()
}

/// Why nothing may be created or taken over under this name here: an object calls that Secret a source, be it there or
/// not, or it is a name of the operator's own Secrets.
fn reserved(scope: &Scope<'_>, name: &str) -> Option<Failure> {
    let message = if let Some(object) = scope.cluster.source_of(scope.name, name) {
        format!(
            "secret {name:?} is a source of ClusterPullSecret {:?} in this namespace, so no copy is made under that \
             name: leave the namespace out, or create an object with another spec.secret.name",
            object.name
        )
    } else if name.starts_with(STATE_NAME_PREFIX) {
        format!(
            "secret name {name:?} is reserved, since names with {STATE_NAME_PREFIX:?} at the start are the operator's \
             own: create an object with another spec.secret.name"
        )
    } else {
        return None;
    };
    Some(Failure::new(FailureReason::SourceName, message))
}

/// Why the Secret that is there cannot become, or be, the decider's copy.
fn obstacle(scope: &Scope<'_>, name: &str, seen: &Secret, decider: &Object) -> Option<Failure> {
    let conflict = |what: &str| {
        Some(Failure::new(
            FailureReason::SecretConflict,
            format!("secret {name:?} {what}"),
        ))
    };
    let fit = seen.traits.docker_config_type && !seen.traits.immutable;
    let ownership = ownership(&seen.traits);
    if !matches!(ownership, Ownership::Copy(_))
        && let Some(reserved) = reserved(scope, name)
    {
        return Some(reserved);
    }
    match ownership {
        Ownership::Copy(_) => None,
        Ownership::Stripped | Ownership::Retained(_) if fit => None,
        _ if decider.spec.conflict_policy == ConflictPolicy::Fail => {
            conflict("exists and is not managed by pullsecrets")
        }
        _ if !seen.traits.docker_config_type => {
            conflict("exists with another type than kubernetes.io/dockerconfigjson and cannot be adopted")
        }
        _ if seen.traits.immutable => conflict("exists, is immutable and cannot be adopted"),
        _ if seen.traits.controlled => conflict("exists, has a controller and cannot be adopted"),
        _ => None,
    }
}

fn wanted<'a>(
    scope: &Scope<'a>,
    name: &'a str,
    seen: Option<&Secret>,
    decider: &'a Arc<Object>,
    context: Context<'_>,
) -> Decision<'a, SecretAction> {
    let mut decision = Decision::default();
    let needed = seen.map_or_else(
        || match reserved(scope, name) {
            Some(reserved) => Err(reserved),
            None => Ok(create(scope, name, decider)),
        },
        |seen| match obstacle(scope, name, seen, decider) {
            Some(conflict) => Err(conflict),
            None => repair(scope, name, seen, decider),
        },
    );
    let held = seen.filter(|seen| seen.traits.deleting).map(|seen| held_up(name, seen));
    let state = match &needed {
        Err(conflict) => State::Failed(conflict.clone()),
        Ok(Step::InPlace) if held.is_none() => State::in_place(context.contention),
        Ok(_) => State::outstanding(context.against().or(held.as_ref())),
    };
    if scope.seen.terminating {
        return decision;
    }
    decision.states = states(scope, name, decider, &state);
    match (needed, seen) {
        (Ok(Step::Write(action)), seen) if decider.lifecycle == Lifecycle::Active => {
            decision.pending_cleanup = seen.map(|seen| departing_owners(scope, seen)).unwrap_or_default();
            decision.action = Some(action);
        }
        (_, Some(seen)) => hand_over(scope, name, seen, context, &mut decision),
        (_, None) => {}
    }
    // The object whose copy this is does not ask for it here any more.
    let left =
        labelled(scope, name).filter(|object| object.lifecycle == Lifecycle::Active && !asks(scope, name, object));
    if let Some(left) = left {
        let message = format!(
            "secret {name:?} still holds what this object put there, because ClusterPullSecret {:?} asks for it here and \
             cannot replace it: see what that one says, or take the namespace out of its selection",
            decider.name
        );
        let held = Failure::new(FailureReason::SecretConflict, message);
        let held = decision.action.is_none().then_some(&held);
        let state = State::outstanding(context.against().or(held));
        decision.removals.push((left, state));
    }
    decision
}

/// The object of this Secret's name whose label the copy carries, unless it is no more.
pub(crate) fn labelled<'a>(scope: &Scope<'a>, secret: &str) -> Option<&'a Arc<Object>> {
    let seen = scope.seen.secrets.get(secret)?;
    let Ownership::Copy(label) = ownership(&seen.traits) else {
        return None;
    };
    let mut named = scope.cluster.named(secret);
    named.find(|object| object.name.as_ref() == label && object.lifecycle != Lifecycle::Deleted)
}

/// Whether the object asks for the copy of that name here.
fn asks(scope: &Scope<'_>, name: &str, object: &Object) -> bool {
    let claimants = scope.claimants(name);
    claimants.iter().any(|claimant| claimant.name == object.name)
}

/// A copy that garbage collection would take with its owner, although another object has its name: it passes to that
/// one as it is, if its own credentials do not come in time. While an owner stays, nothing takes it.
fn hand_over<'a>(
    scope: &Scope<'a>,
    name: &'a str,
    seen: &Secret,
    context: Context<'_>,
    decision: &mut Decision<'a, SecretAction>,
) {
    let departing = departing_owners(scope, seen);
    let stays = |owner: &Owner| owning(scope, owner).is_some_and(|object| object.stays());
    let is_copy = matches!(ownership(&seen.traits), Ownership::Copy(_));
    let goes = !departing.is_empty() && !seen.traits.owners.iter().any(stays);
    let Some(successor) = successors(scope, name)
        .next()
        .filter(|_| is_copy && goes && !seen.traits.deleting)
    else {
        return;
    };
    decision.removal_pending = true;
    decision.pending_cleanup = departing;
    let left = HANDOVER_GRACE.saturating_sub(context.removal_pending_for);
    if left > Duration::ZERO {
        decision.requeue_after = Some(left);
    } else {
        decision.action = Some(SecretAction::Assign {
            version: seen.version.clone(),
            object: Arc::clone(&successor.name),
            owners: owners(scope, name),
        });
    }
}

/// The objects that have a claim to the copy of that name, oldest first: those that want it here, and those that may,
/// since nobody can read what they select.
fn successors<'a>(scope: &Scope<'a>, name: &'a str) -> impl Iterator<Item = &'a Arc<Object>> {
    let claims = |object: &&Arc<Object>| object.is_unreadable() || asks(scope, name, object);
    scope.cluster.named(name).filter(claims)
}

/// The decider has the state of the copy; whoever is younger and wants the same name has a conflict with it.
fn states<'a>(
    scope: &Scope<'a>,
    name: &'a str,
    decider: &'a Arc<Object>,
    state: &State,
) -> Vec<(&'a Arc<Object>, State)> {
    let superseded = |object: &&'a Arc<Object>| {
        let message = format!(
            "secret {name:?} is decided by the older ClusterPullSecret {:?}",
            decider.name
        );
        (
            *object,
            State::Failed(Failure::new(FailureReason::SecretConflict, message)),
        )
    };
    let younger = scope.claimants(name).iter().skip(1).map(superseded);
    std::iter::once((decider, state.clone())).chain(younger).collect()
}

/// What separates a Secret from what is declared.
enum Step {
    /// Nothing.
    InPlace,
    /// A write.
    Write(SecretAction),
    /// Something that no write of ours can bring about: credentials that were never resolved, or the end of a
    /// deletion that someone's finalizer holds up.
    Wait,
}

fn create(scope: &Scope<'_>, name: &str, decider: &Object) -> Step {
    decider.payload_for(None).map_or(Step::Wait, |payload| {
        Step::Write(SecretAction::Create(content(scope, name, decider, payload, None)))
    })
}

fn repair(scope: &Scope<'_>, name: &str, seen: &Secret, decider: &Object) -> Result<Step, Failure> {
    let traits = &seen.traits;
    let version = seen.version.clone();
    let held = seen.digest.as_deref();
    let Some(payload) = decider.payload_for(held) else {
        return Ok(Step::Wait);
    };
    let repairable = traits.docker_config_type && !traits.immutable;
    if traits.deleting && (!repairable || ownership(traits) == Ownership::Foreign) {
        return Ok(Step::Wait);
    }
    if let Ownership::Retained(_) = ownership(traits) {
        return Ok(Step::Write(SecretAction::Reclaim {
            version,
            object: Arc::clone(&decider.name),
        }));
    }
    // Neither can be mended in place: the type never, the data of an immutable Secret neither.
    if !repairable {
        // Under the name of a source none would come in its place, and the next copy would not get a tied login.
        return match reserved(scope, name) {
            Some(reserved) => Err(reserved),
            None if decider.tied.as_ref().is_some_and(|tied| tied.is_in(held)) => Ok(Step::Wait),
            None => Ok(Step::Write(SecretAction::Delete { version })),
        };
    }
    let mut content = content(scope, name, decider, payload, Some(traits));
    if !content.annotations.contains_key(ANNOTATION_DECLARED) && traits.annotations.get(ANNOTATION_DECLARED).is_some() {
        // One that others wrote, such as a restore from a backup, would outlive an apply that leaves it out.
        content
            .annotations
            .insert(ANNOTATION_DECLARED.to_owned(), String::new());
    }
    Ok(if is_in_place(seen, &content) {
        Step::InPlace
    } else {
        Step::Write(SecretAction::Update { version, content })
    })
}

/// Drift is a field that we declare and that differs; what others added is let be. ownerReferences to our kind are
/// ours altogether, since a wrong one would have garbage collection take a copy away or leave it behind.
fn is_in_place(seen: &Secret, content: &Content) -> bool {
    let traits = &seen.traits;
    let holds = |held: &crate::labels::Labels, declared: &BTreeMap<String, String>| {
        declared.iter().all(|(key, value)| has(held, key, value))
    };
    !traits.partial
        && seen.digest.as_ref() == Some(content.payload.digest())
        && holds(&traits.labels, &content.labels)
        && holds(&traits.annotations, &content.annotations)
        && traits.owners == content.owners
}

fn content(
    scope: &Scope<'_>,
    name: &str,
    decider: &Object,
    payload: Arc<Payload>,
    seen: Option<&SecretTraits>,
) -> Content {
    let spec = &decider.spec;
    let mut labels = marks(&spec.labels, seen.map(|traits| &traits.labels));
    let mut annotations = marks(&spec.annotations, seen.map(|traits| &traits.annotations));
    let declared: Vec<&str> = labels.keys().chain(annotations.keys()).map(String::as_str).collect();
    let declared = declared.join(",");
    labels.insert(LABEL_OBJECT.to_owned(), decider.name.to_string());
    labels.insert(LABEL_MANAGED_BY.to_owned(), MANAGED_BY.to_owned());
    if !declared.is_empty() {
        annotations.insert(ANNOTATION_DECLARED.to_owned(), declared);
    }
    Content {
        labels,
        annotations,
        owners: owners(scope, name),
        payload,
    }
}

/// Whether this is held. Our own marks are held as they are, all others as [`brief`].
fn has(held: &Labels, key: &str, value: &str) -> bool {
    held.get(&brief(key))
        .is_some_and(|held| held == value || held == brief(value))
}

/// The labels or annotations of the spec, as far as a copy takes them. An older schema let others through: they stay where
/// a copy has them, and come onto no other, since the policy on the operator refuses that.
fn marks(declared: &BTreeMap<String, String>, held: Option<&Labels>) -> BTreeMap<String, String> {
    let stays = |key: &str, value: &str| held.is_some_and(|held| has(held, key, value));
    declared
        .iter()
        .filter(|(key, value)| is_copy_key(key) || stays(key, value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// One for each object that wants the copy, the oldest [`MAX_OWNERS`]; none at all if one of them says Retain, since garbage
/// collection would not ask it.
fn owners(scope: &Scope<'_>, name: &str) -> Vec<Owner> {
    if successors(scope, name).any(|object| object.spec.deletion_policy == DeletionPolicy::Retain) {
        return Vec::new();
    }
    let owner = |object: &Arc<Object>| Owner {
        uid: object.uid.clone(),
        name: Arc::clone(&object.name),
    };
    let mut owners: Vec<Owner> = successors(scope, name).take(MAX_OWNERS).map(owner).collect();
    owners.sort_unstable();
    owners
}

/// A copy that no object asks for here: it goes after the references to it, or stays to be retained.
fn unwanted<'a>(scope: &Scope<'a>, name: &'a str, seen: &Secret, context: Context<'_>) -> Decision<'a, SecretAction> {
    let mut decision = Decision::default();
    let Ownership::Copy(label) = ownership(&seen.traits) else {
        return decision;
    };
    let owner = existing(scope, label);
    match owner {
        // The label of an object whose copies have another name: copied by hand, not made by us.
        Some(object) if object.spec.secret_name.as_ref() != name => return decision,
        // What a held object has left stays until it is acted for again; what others have left is not its business.
        Some(object) if object.lifecycle == Lifecycle::Frozen => return decision,
        None if scope.cluster.is_frozen(name) || !is_orphan(scope, seen) => return decision,
        Some(_) | None => {}
    }
    let version = seen.version.clone();
    let deleting = seen.traits.deleting;
    if is_retained_by(owner, seen) {
        if deleting {
            return decision;
        }
        let object = owner.map_or_else(|| label.into(), |object| Arc::clone(&object.name));
        decision.action = Some(SecretAction::Release { version, object });
    } else if deleting && seen.digest.is_none() {
        // No login is left in it. It goes when the finalizer does: no deletion waits for that.
        let held = State::Failed(held_up(name, seen));
        decision.removals.extend(owner.map(|object| (object, held)));
        return decision;
    } else {
        decision.removal_pending = true;
        let left = REFERENCES_FIRST.saturating_sub(context.removal_pending_for);
        if left > Duration::ZERO && service_account::any_to_detach(scope, name) {
            decision.requeue_after = Some(left);
        } else if !deleting {
            decision.action = Some(SecretAction::Delete { version });
        } else if !seen.traits.immutable {
            decision.action = Some(SecretAction::Empty { version });
        }
    }
    decision.pending_cleanup = departing_owners(scope, seen);
    if let Some(object) = owner {
        if object.lifecycle == Lifecycle::Deleting && !decision.pending_cleanup.contains(&object) {
            decision.pending_cleanup.push(object);
        }
        // At every time, so that a survey does not depend on it: the login cannot be taken out.
        let held = (deleting && seen.traits.immutable).then(|| held_up(name, seen));
        let state = State::outstanding(context.against().or(held.as_ref()));
        decision.removals.push((object, state));
    }
    decision
}

/// Whether a copy that no object asks for stays. One of an object that is no more stays if it has no owner: an object that
/// says Delete would have left one.
fn is_retained_by(owner: Option<&Arc<Object>>, seen: &Secret) -> bool {
    owner.map_or(seen.traits.owners.is_empty(), |object| {
        object.spec.deletion_policy == DeletionPolicy::Retain
    })
}

/// A copy that is being deleted, and what holds it.
fn held_up(name: &str, seen: &Secret) -> Failure {
    let traits = &seen.traits;
    let holder = traits.finalizer.as_deref().unwrap_or("unknown");
    let fixed = if seen.digest.is_none() {
        "; no login is left in it"
    } else if traits.immutable || !traits.docker_config_type {
        "; its login stays until then, because it cannot be changed"
    } else {
        ""
    };
    let message =
        format!("secret {name:?} is being deleted and finalizer {holder:?} holds it: take that finalizer off{fixed}");
    Failure::new(FailureReason::HeldByFinalizer, message)
}

/// The object of that name, unless it is no more.
fn existing<'a>(scope: &Scope<'a>, name: &str) -> Option<&'a Arc<Object>> {
    scope
        .cluster
        .object(name)
        .filter(|object| object.lifecycle != Lifecycle::Deleted)
}

/// A copy of an object that is no more: its finalizer was taken off by hand. Nothing but our two labels speaks for it,
/// so both must be there.
pub(crate) fn is_orphan(scope: &Scope<'_>, seen: &Secret) -> bool {
    matches!(ownership(&seen.traits), Ownership::Copy(label) if existing(scope, label).is_none())
        && seen.traits.labels.get(LABEL_MANAGED_BY) == Some(MANAGED_BY)
}

/// The objects being deleted that the copy still names as owners: garbage collection would follow them.
fn departing_owners<'a>(scope: &Scope<'a>, seen: &Secret) -> Vec<&'a Arc<Object>> {
    let owners = seen.traits.owners.iter();
    owners
        .filter_map(|owner| owning(scope, owner))
        .filter(|object| object.lifecycle == Lifecycle::Deleting)
        .collect()
}

/// The object that is this owner; a namesake that came after it is not.
fn owning<'a>(scope: &Scope<'a>, owner: &Owner) -> Option<&'a Arc<Object>> {
    scope
        .cluster
        .object(&owner.name)
        .filter(|object| object.uid == owner.uid)
}

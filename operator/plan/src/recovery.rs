//! Whether a Pod that waits for an image is replaced, because it is older than the reference on its account.
//!
//! Admission copies the list of an account into a Pod when the Pod is created, and no later change reaches it. So such
//! a Pod never gets the reference, and its successor does. The Pod itself shows the order of events: its list lacks an
//! entry that its account has now.
//!
//! # Guarantees
//!
//! - A Pod is replaced only if its account has the reference now, and the copy is in place.
//! - A Pod with a list of its own is never replaced, because its successor would have the same list. What cannot be
//!   read counts as such a list.
//! - A Pod that may heal by itself is never replaced: one that has a reference for the image waits for the login only.
//! - A Pod is replaced only if its controller makes another one and can afford that this one is gone.

mod owners;

use std::sync::Arc;

use crate::object::{Lifecycle, Object};
use crate::observed::{Account, ControllerKind, Pod, Template};
use crate::ownership::{Ownership, ownership};
use crate::payload::Payload;
use crate::scope::Scope;

pub use owners::{AGAIN, DOUBT, Owners, PACE, QUIET, SETTLE};

/// A Pod that waits for an image of these objects and lacks their references.
#[derive(Clone, Debug)]
pub struct Waiting<'a> {
    /// The objects, oldest first. There is at least one.
    pub objects: Vec<&'a Arc<Object>>,
    /// The references among them that the account has now, and that a successor should have.
    pub expected: Vec<Arc<str>>,
    /// What follows.
    pub verdict: Verdict,
}

/// What follows for a waiting Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be replaced, if its controller allows it too.
    Replace,
    /// It is too early: the reference or the copy is not in place yet, or the controller is busy.
    Later,
    /// A person must act.
    Leave(Cause),
}

/// Why a waiting Pod is left to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its list, or that of its controller's template, is not the one of its account: a successor lacks the reference
    /// too.
    OwnList,
    /// Its controller cannot be read, so its template may have a list of its own.
    Unreadable,
    /// Its controller's template now names another account.
    OtherAccount,
    /// It has no controller, so no successor would come.
    NoController,
    /// It has a controller of a kind whose behaviour is not known.
    OtherController,
    /// It belongs to a Job that a further failure may end.
    JobFails,
    /// A successor that came when the account had the reference waits without it.
    SuccessorWaits,
}

impl Cause {
    /// Returns whether the Pod counts as one with a list of its own.
    pub fn is_masked(self) -> bool {
        matches!(self, Self::OwnList | Self::Unreadable)
    }
}

/// Decides about a Pod from what is cached. The result is `None` for a Pod that no object has to do with.
pub fn decide<'a>(scope: &Scope<'a>, pod: &Pod) -> Option<Waiting<'a>> {
    if pod.deleting || scope.seen.terminating {
        return None;
    }
    let account = scope.seen.accounts.get(pod.account.as_ref())?;
    let objects = lacking(scope, pod, account);
    if objects.is_empty() {
        return None;
    }
    let in_place = objects.iter().filter(|object| is_in_place(scope, account, object));
    let expected: Vec<Arc<str>> = in_place.map(|object| Arc::clone(&object.spec.secret_name)).collect();
    let verdict = match pod.controller.as_ref().map(|controller| controller.kind) {
        _ if has_own_list(pod, account) => Verdict::Leave(Cause::OwnList),
        None => Verdict::Leave(Cause::NoController),
        Some(ControllerKind::Other) => Verdict::Leave(Cause::OtherController),
        Some(_) if expected.is_empty() => Verdict::Later,
        Some(_) => Verdict::Replace,
    };
    Some(Waiting {
        objects,
        expected,
        verdict,
    })
}

/// Decides about a Pod that may be replaced, from its controller as it is now. `None` is a controller that is gone.
pub fn check(pod: &Pod, template: Option<&Template>) -> Verdict {
    let (Some(controller), Some(template)) = (&pod.controller, template) else {
        return Verdict::Later;
    };
    if template.uid != controller.uid || template.deleting {
        return Verdict::Later;
    }
    let Some(account) = &template.account else {
        return Verdict::Leave(Cause::OwnList);
    };
    if template.names_secrets {
        return Verdict::Leave(Cause::OwnList);
    }
    if *account != pod.account {
        return Verdict::Leave(Cause::OtherAccount);
    }
    if controller.kind == ControllerKind::Job {
        return check_job(template);
    }
    Verdict::Replace
}

/// A deleted Pod counts as a failure of its Job, with any `podReplacementPolicy`: a kubelet reports a Pod that it
/// ends before its containers started as `Failed`.
fn check_job(template: &Template) -> Verdict {
    let job = &template.job;
    if job.is_managed_elsewhere {
        Verdict::Leave(Cause::OtherController)
    } else if job.is_idle {
        Verdict::Later
    } else if job.fails_per_index || job.failed >= job.limit {
        Verdict::Leave(Cause::JobFails)
    } else if job.is_unsettled {
        Verdict::Later
    } else {
        Verdict::Replace
    }
}

/// Returns the objects that serve an image for which the Pod waits, and whose reference it lacks. An image that another
/// reference of the Pod serves does not count.
fn lacking<'a>(scope: &Scope<'a>, pod: &Pod, account: &Account) -> Vec<&'a Arc<Object>> {
    let deciders = scope.deciders();
    let (has, lacks): (Vec<_>, Vec<_>) = deciders
        .into_iter()
        .partition(|object| pod.refers_to(&object.spec.secret_name));
    let is_served = |image: &str, objects: &[&Arc<Object>]| objects.iter().any(|object| serves(scope, object, image));
    let images: Vec<&Arc<str>> = pod.images.iter().filter(|image| !is_served(image, &has)).collect();
    let wants = |object: &&Arc<Object>| {
        let selection = object.spec.selection.as_ref();
        selection.is_some_and(|selection| selection.selects_account(&pod.account, &account.labels))
            && images.iter().any(|image| serves(scope, object, image))
    };
    lacks.into_iter().filter(wants).collect()
}

/// Returns whether the copy of the object, as it should be here, has a login for the image.
fn serves(scope: &Scope<'_>, object: &Object, image: &str) -> bool {
    payload(scope, object).is_some_and(|payload| payload.serves(image))
}

fn payload(scope: &Scope<'_>, object: &Object) -> Option<Arc<Payload>> {
    let copy = scope.seen.secrets.get(object.spec.secret_name.as_ref());
    object.payload_for(copy.and_then(|copy| copy.digest.as_deref()))
}

/// Returns whether the operator acts for the object, the account has its reference, and the copy has its logins.
fn is_in_place(scope: &Scope<'_>, account: &Account, object: &Object) -> bool {
    let name = object.spec.secret_name.as_ref();
    let is_current = || {
        let copy = scope.seen.secrets.get(name)?;
        let is_copy = matches!(ownership(&copy.traits), Ownership::Copy(_));
        let is_usable = is_copy && copy.traits.docker_config_type && !copy.traits.deleting;
        let payload = payload(scope, object)?;
        Some(is_usable && copy.digest.as_ref() == Some(payload.digest()))
    };
    object.lifecycle == Lifecycle::Active
        && !account.deleting
        && account.refers_to(name)
        && is_current().unwrap_or_default()
}

/// Returns whether the Pod's list is not what admission made of the account's list at some earlier time.
///
/// That list is the present one without entries that the operator has added since. A Pod from before all entries has an
/// empty list.
fn has_own_list(pod: &Pod, account: &Account) -> bool {
    let Some(listed) = &pod.pull_secrets else {
        return true;
    };
    if account.too_large || account.hidden.is_some() {
        return true;
    }
    let mut listed = listed.iter().peekable();
    if listed.peek().is_none() {
        return false;
    }
    for entry in account.entries.iter() {
        if listed.next_if(|name| name.as_ref() == entry.name()).is_none() && !account.records(entry.name()) {
            return true;
        }
    }
    listed.next().is_some()
}

//! How often the Pods of one controller are replaced, and when that stops. Times count from the start of the process.
//!
//! The first replaced Pod of a controller is a trial. The others follow one by one, until a successor has the reference.
//! A successor that waits without it ends the trial: the controller is left alone for [`QUIET`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Cause;
use crate::identity::Uid;
use crate::observed::{Controller, ControllerKind, Pod};

/// How long a Pod must have been replaceable before it is replaced. Each API server learns of a reference by itself, and
/// a kubelet may try once more.
pub const SETTLE: Duration = Duration::from_secs(10);
/// How long a controller is left alone after a successor waited without the reference.
pub const QUIET: Duration = Duration::from_secs(600);
/// The time between two replaced Pods of a controller, until a successor has the reference. A Pod of a Job always waits
/// for the successor of the one before, and for this time.
pub const PACE: Duration = Duration::from_secs(10);
/// How long a controller is left alone after a successor came without the reference and does not wait for an image yet.
pub const DOUBT: Duration = Duration::from_secs(60);
/// How long a controller is left alone after the API server failed.
pub const AGAIN: Duration = Duration::from_secs(60);

/// The controllers whose Pods were read or replaced in the last [`QUIET`].
#[derive(Clone, Debug, Default)]
pub struct Owners {
    known: BTreeMap<Uid, Owner>,
}

#[derive(Clone, Debug)]
struct Owner {
    /// When the last call for one of its Pods began.
    called_at: Duration,
    /// A call for one of its Pods is under way.
    is_called: bool,
    /// No Pod of it is replaced before.
    alone_until: Duration,
    /// Why its Pods are left to a person, until `alone_until`.
    cause: Option<Cause>,
    /// When its first Pod was replaced, or the last one of a Job, in seconds of Unix time by the clock of the API server.
    replaced_at: Option<i64>,
    /// The references that successors should have.
    expected: Vec<Arc<str>>,
    /// A successor has the references.
    is_confirmed: bool,
}

impl Owners {
    /// Returns whether a Pod of this controller may be replaced now.
    pub fn may_replace(&self, controller: &Controller, now: Duration) -> bool {
        self.known.get(&controller.uid).is_none_or(|owner| {
            let has_rested = !owner.is_called && now >= owner.called_at + PACE;
            let is_its_turn = match controller.kind {
                // Each failure of a Job delays its next Pod further.
                ControllerKind::Job => has_rested && (owner.replaced_at.is_none() || owner.is_confirmed),
                _ => has_rested || owner.is_confirmed,
            };
            now >= owner.alone_until && is_its_turn
        })
    }

    /// Records that a call for a Pod of this controller begins. `expected` are the references that the Pod lacks.
    pub fn begin(&mut self, controller: &Controller, expected: impl IntoIterator<Item = Arc<str>>, now: Duration) {
        let owner = self.known.entry(controller.uid.clone()).or_insert_with(|| Owner {
            called_at: now,
            is_called: true,
            alone_until: Duration::ZERO,
            cause: None,
            replaced_at: None,
            expected: Vec::new(),
            is_confirmed: false,
        });
        owner.called_at = now;
        owner.is_called = true;
        owner.cause = None;
        for name in expected {
            if !owner.expected.contains(&name) {
                owner.expected.push(name);
                owner.is_confirmed = false;
            }
        }
    }

    /// Records that a Pod of the controller was deleted, at this time of the API server.
    pub fn replaced(&mut self, controller: &Controller, at: i64) {
        if let Some(owner) = self.known.get_mut(&controller.uid) {
            owner.is_called = false;
            let first = owner.replaced_at.filter(|_| controller.kind != ControllerKind::Job);
            owner.replaced_at = Some(first.map_or(at, |first| first.min(at)));
            owner.is_confirmed &= controller.kind != ControllerKind::Job;
        }
    }

    /// Records that a call ended without a deletion, and how long the controller is left alone.
    pub fn ended(&mut self, controller: &Controller, cause: Option<Cause>, alone: Duration, now: Duration) {
        if let Some(owner) = self.known.get_mut(&controller.uid) {
            owner.is_called = false;
            owner.alone_until = owner.alone_until.max(now + alone);
            owner.cause = cause.or(owner.cause);
        }
    }

    /// Records a Pod that was seen. Returns whether it is a successor that waits without the references, and the first
    /// one in [`QUIET`].
    pub fn see(&mut self, pod: &Pod, now: Duration) -> bool {
        let owner = pod
            .controller
            .as_ref()
            .and_then(|controller| self.known.get_mut(&controller.uid));
        let Some(owner) = owner.filter(|owner| owner.replaced_at.is_some_and(|at| pod.created >= at)) else {
            return false;
        };
        if pod.deleting {
            return false;
        }
        if owner.expected.iter().all(|name| pod.refers_to(name)) {
            owner.is_confirmed = true;
            return false;
        }
        owner.is_confirmed = false;
        if pod.images.is_empty() {
            owner.alone_until = owner.alone_until.max(now + DOUBT);
            return false;
        }
        let is_known = owner.cause == Some(Cause::SuccessorWaits) && now < owner.alone_until;
        if !is_known {
            owner.cause = Some(Cause::SuccessorWaits);
            owner.alone_until = now + QUIET;
        }
        !is_known
    }

    /// Returns why the Pods of this controller are left to a person now.
    pub fn cause(&self, controller: &Controller, now: Duration) -> Option<Cause> {
        let owner = self.known.get(&controller.uid)?;
        owner.cause.filter(|_| now < owner.alone_until)
    }

    /// Drops the controllers that no rule concerns any more.
    pub fn expire(&mut self, now: Duration) {
        let matters = |owner: &Owner| owner.is_called || now < owner.alone_until || now < owner.called_at + QUIET;
        self.known.retain(|_, owner| matters(owner));
    }

    /// Returns the number of controllers that are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Returns whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

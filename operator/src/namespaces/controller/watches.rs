//! The watches of namespaces, accounts and Secrets, and what the reconciler sees of their events.

use std::time::Duration;

use crd::names::LABEL_OBJECT;
use kube::runtime::watcher::Event;
use kube::{Api, ResourceExt as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Loop, Settings};
use crate::api::partial::{self, PartialNamespace, PartialPod, PartialSecret, PartialServiceAccount};
use crate::api::watch::{Selector, each};
use crate::namespaces::reconciler::{Kind, Seen};
use crate::work::{Key, Lane, Work};

/// An event of a watch of this controller.
#[derive(Debug)]
pub(super) enum Input {
    /// Carries the edition of the label keys at which the list began, and whether this process held the Lease then.
    Namespace(Event<PartialNamespace>, u64, bool),
    Account(Event<PartialServiceAccount>, u64),
    Secret(Kind, Event<PartialSecret>),
    /// An event of a Secret that is watched by name.
    Followed(Key),
    Pod(Event<PartialPod>),
}

/// The facts of an event.
enum Sighting<T> {
    /// One Secret or account.
    One {
        namespace: String,
        name: String,
        seen: Seen<T>,
    },
    /// Start or end of a list, with the work that follows from it.
    List(Vec<Work>),
}

pub(super) fn start_watches(
    settings: &Settings,
    kinds_of_secrets: Vec<Kind>,
    sender: &mpsc::Sender<Input>,
    token: &CancellationToken,
) {
    let watches = &settings.watches;
    let events = || sender.clone();
    let keys = settings.keys.namespaces.clone();
    let selector = Selector::wanted(&keys).as_leader(&settings.leadership);
    let wrap = move |event, as_leader| {
        let event = each(event, |seen: &mut PartialNamespace| seen.prune(&keys));
        Input::Namespace(event, keys.listing(), as_leader)
    };
    watches.spawn("namespaces", Api::all, selector, events(), token.clone(), wrap);
    let keys = settings.keys.accounts.clone();
    let selector = Selector::wanted(&keys);
    let copies = settings.keys.copies.clone();
    let wrap = move |event, _| {
        let event = each(event, |seen: &mut PartialServiceAccount| seen.prune(&keys, &copies));
        Input::Account(event, keys.listing())
    };
    watches.spawn("serviceaccounts", Api::all, selector, events(), token.clone(), wrap);
    for kind in kinds_of_secrets {
        let selector = match &kind {
            Kind::Named(name) => Selector::named(name),
            Kind::Copy | Kind::Namespace | Kind::Account => Selector::labelled(LABEL_OBJECT),
        };
        let names = settings.keys.copies.clone();
        let selector = selector.after(&names);
        let wrap =
            move |event, _| Input::Secret(kind.clone(), each(event, |seen: &mut PartialSecret| seen.prune(&names)));
        watches.spawn("copies", Api::all, selector, events(), token.clone(), wrap);
    }
}

impl Loop {
    pub(super) fn take(&mut self, input: Input, now: Duration) {
        let shows = match &input {
            Input::Namespace(Event::InitDone, edition, _) => Some((*edition, 0)),
            Input::Account(Event::InitDone, edition) => Some((0, *edition)),
            _ => None,
        };
        self.listed_as_leader |= matches!(input, Input::Namespace(Event::InitDone, _, true));
        let work = match input {
            Input::Namespace(event, ..) => self.namespace(event, now),
            Input::Account(event, _) => self.account(event, now),
            Input::Secret(kind, event) => self.secret(kind, event, now),
            Input::Followed(key) => {
                self.worker.push(key, Lane::Fresh);
                Vec::new()
            }
            Input::Pod(event) => {
                if let Some(replacer) = &mut self.replacer {
                    replacer.see(event, now);
                }
                Vec::new()
            }
        };
        self.enqueue(work, now);
        if let Some(listed) = shows {
            self.shows(listed, now);
        }
    }

    fn namespace(&mut self, event: Event<PartialNamespace>, now: Duration) -> Vec<Work> {
        let reconciler = &mut self.reconciler;
        match event {
            Event::Init => reconciler.begin_list(Kind::Namespace),
            Event::InitDone => return reconciler.end_list(Kind::Namespace, now),
            Event::Apply(seen) | Event::InitApply(seen) => {
                return reconciler.see_namespace(&seen.name_any(), seen.labels(), seen.is_terminating(), now);
            }
            Event::Delete(seen) => return reconciler.forget_namespace(&seen.name_any(), now),
        }
        Vec::new()
    }

    fn account(&mut self, event: Event<PartialServiceAccount>, now: Duration) -> Vec<Work> {
        match self.sighting(Kind::Account, event, PartialServiceAccount::facts, now) {
            Sighting::One { namespace, name, seen } => self.reconciler.see_account(&namespace, &name, seen, now),
            Sighting::List(work) => work,
        }
    }

    fn secret(&mut self, kind: Kind, event: Event<PartialSecret>, now: Duration) -> Vec<Work> {
        match self.sighting(kind, event, PartialSecret::facts, now) {
            Sighting::One { namespace, name, seen } => self.reconciler.see_secret(&namespace, &name, seen, now),
            Sighting::List(work) => work,
        }
    }

    /// Converts an event of a watch into facts.
    fn sighting<K: kube::Resource<DynamicType = ()>, T>(
        &mut self,
        kind: Kind,
        event: Event<K>,
        facts: impl FnOnce(K) -> T,
        now: Duration,
    ) -> Sighting<T> {
        let (seen, gone) = match event {
            Event::Init => {
                self.reconciler.begin_list(kind);
                return Sighting::List(Vec::new());
            }
            Event::InitDone => return Sighting::List(self.reconciler.end_list(kind, now)),
            Event::Apply(seen) | Event::InitApply(seen) => (seen, false),
            Event::Delete(seen) => (seen, true),
        };
        let (namespace, name) = (seen.namespace().unwrap_or_default(), seen.name_any());
        let seen = if gone {
            Seen::Gone(partial::version(seen.meta()))
        } else {
            Seen::There(facts(seen))
        };
        Sighting::One { namespace, name, seen }
    }
}

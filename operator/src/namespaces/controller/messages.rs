//! Messages from the object controller: their order, and which wait.

use std::sync::Arc;
use std::time::Duration;

use plan::object::Object;

use super::Loop;

/// A message from the object controller.
#[derive(Debug)]
pub enum ObjectMessage {
    /// An object is new, or has changed.
    Upsert(Declaration),
    /// An object is deleted.
    Delete {
        /// The name of the object.
        name: Arc<str>,
        /// Whether no other installation managed it.
        ours: bool,
    },
    /// Every object was declared once.
    InitDone,
    /// The server answered a call of the object controller.
    Answered,
}

/// An object, or a new edition of it.
#[derive(Debug)]
pub struct Declaration {
    /// The object.
    pub object: Arc<Object>,
    /// Revision that the summary returns.
    pub revision: u64,
    /// Whether pending keys make the object unready at once.
    pub spec_changed: bool,
    /// Whether this process took it over from another installation.
    pub taken_over: bool,
}

impl Loop {
    /// Queues a message behind the others. A new edition of an object replaces a waiting one.
    pub(super) fn line_up(&mut self, message: ObjectMessage) {
        let ObjectMessage::Upsert(new) = message else {
            return self.lined_up.push_back(message);
        };
        let about = |message: &&mut ObjectMessage| match message {
            ObjectMessage::Upsert(waiting) => waiting.object.name == new.object.name,
            ObjectMessage::Delete { name, .. } => *name == new.object.name,
            ObjectMessage::InitDone | ObjectMessage::Answered => false,
        };
        let replaces = self.reconciler.is_started();
        match self.lined_up.iter_mut().rev().find(about) {
            Some(ObjectMessage::Upsert(waiting)) if replaces => {
                let spec_changed = waiting.spec_changed || new.spec_changed;
                *waiting = Declaration { spec_changed, ..new };
            }
            _ => self.lined_up.push_back(ObjectMessage::Upsert(new)),
        }
    }

    /// Handles messages up to the first that changes what an object wants of namespaces. Returns whether there was
    /// one.
    pub(super) fn handle_next(&mut self, now: Duration) -> bool {
        while let Some(message) = self.lined_up.pop_front() {
            let takes_long = matches!(message, ObjectMessage::Upsert(_) | ObjectMessage::Delete { .. });
            self.handle(message, now);
            if takes_long && self.reconciler.is_started() {
                return true;
            }
        }
        false
    }

    fn handle(&mut self, message: ObjectMessage, now: Duration) {
        match message {
            ObjectMessage::Upsert(declaration) => self.declare(declaration, now),
            ObjectMessage::Delete { name, ours } => {
                self.deferred.retain(|deferred| deferred.object.name != name);
                self.reconciler.forget_object(&name, ours, now);
                if let Some(replacer) = &mut self.replacer {
                    replacer.recovery.forget_object(&name);
                }
                self.settings.keys.forget(&name);
            }
            ObjectMessage::InitDone => self.complete = true,
            ObjectMessage::Answered => self.reconciler.answered_elsewhere(now),
        }
    }

    /// Declares the object, or defers it until all labels of its selectors are listed, and since it was taken over.
    fn declare(&mut self, mut new: Declaration, now: Duration) {
        let needs = self.settings.keys.want(&new.object, new.taken_over);
        let waits = |deferred: &Declaration| deferred.object.name == new.object.name;
        let spec_changed = self
            .deferred
            .iter()
            .any(|deferred| waits(deferred) && deferred.spec_changed);
        self.deferred.retain(|deferred| !waits(deferred));
        new.spec_changed |= spec_changed;
        if needs.0 <= self.listed.0 && needs.1 <= self.listed.1 {
            self.reconciler
                .declare(&new.object, new.revision, new.spec_changed, now);
            self.settings.keys.settle(&new.object, new.taken_over);
            return;
        }
        self.deferred.push(new);
    }

    /// Records a complete list that began at these editions, and releases deferred objects.
    pub(super) fn shows(&mut self, listed: (u64, u64), now: Duration) {
        self.listed = (self.listed.0.max(listed.0), self.listed.1.max(listed.1));
        let deferred = std::mem::take(&mut self.deferred);
        if self.reconciler.is_started() {
            // Before messages that arrived later.
            for declaration in deferred.into_iter().rev() {
                self.lined_up.push_front(ObjectMessage::Upsert(declaration));
            }
        } else {
            for declaration in deferred {
                self.declare(declaration, now);
            }
        }
    }
}

//! Writes that are under way: an object that is being deleted waits for those which bring something of it.
//!
//! A write planned before the deletion was seen may land after everything that was there is gone. Were the finalizer
//! off by then, the reference that it adds would be nobody's.

use plan::action::SecretAction;
use plan::object::{Object, Standing};

use super::{Action, Key, Target, World};
use crate::board::Summary;

/// See the module.
#[derive(Debug)]
pub(super) struct UnderWay {
    /// The names of the Secrets that it makes, or refers to.
    brings: Vec<Box<str>>,
    /// It ended without an answer: it may have been made.
    uncertain: bool,
}

impl World {
    /// The write is handed out.
    pub fn began(&mut self, key: &Key, action: &Action) {
        let brings = match (action, &key.target) {
            (Action::Account(action), _) => action.attached.clone(),
            (
                Action::Secret(
                    SecretAction::Create(_)
                    | SecretAction::Update { .. }
                    | SecretAction::Reclaim { .. }
                    | SecretAction::Assign { .. },
                ),
                Target::Secret(name),
            ) => vec![name.as_ref().into()],
            (Action::Secret(_), _) => return,
        };
        let write = UnderWay {
            brings,
            uncertain: false,
        };
        self.under_way.insert(key.clone(), write);
    }

    /// The server has said how things are with the key.
    pub(super) fn answered(&mut self, key: &Key) {
        let Some(ended) = self.under_way.remove(key) else {
            return;
        };
        let objects = self.cluster.objects().iter();
        for object in objects.filter(|object| ended.keeps(object)) {
            self.board.touch(&object.name);
        }
    }

    /// Nobody knows whether the write was made.
    pub(super) fn unanswered(&mut self, key: &Key) {
        if let Some(write) = self.under_way.get_mut(key) {
            write.uncertain = true;
        }
    }

    /// Whether nobody knows what came of the last write of the key: it is to be read, if nothing is to be written.
    pub fn is_uncertain(&self, key: &Key) -> bool {
        self.under_way.get(key).is_some_and(|write| write.uncertain)
    }

    /// What is to be said of the object. To one that is being deleted, a write under way is owed as much as one that is
    /// still to be made.
    pub fn summary(&self, object: &str) -> Option<Summary> {
        let mut summary = self.board.summary(object)?;
        let object = self.cluster.object(object);
        let keeps = |write: &&UnderWay| object.is_some_and(|object| write.keeps(object));
        let under_way = self.under_way.values().filter(keeps).count();
        if under_way > 0 {
            summary.owed += under_way;
            summary.refused_since = None;
        }
        Some(summary)
    }

    /// Whether nothing is owed any more to a deletion.
    pub(super) fn is_done_with(&self, object: &str) -> bool {
        self.summary(object).is_none_or(|summary| summary.owed == 0)
    }
}

impl UnderWay {
    /// Whether the object must not go before the end of this write is known.
    fn keeps(&self, object: &Object) -> bool {
        object.standing == Standing::Deleting && self.brings.iter().any(|name| **name == *object.spec.secret_name)
    }
}

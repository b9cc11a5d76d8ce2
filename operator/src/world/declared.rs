//! Objects come, change and go: what that means for the namespaces.

use std::sync::Arc;
use std::time::Duration;

use plan::object::{Object, Standing};
use plan::observed::Namespace;

use super::survey::{Cause, Touch};
use super::{Departed, Place, Work, World};

/// What a process that died had sent may reach an account so long after its object has gone: the server gives a request up
/// after a minute, unless it is told otherwise. (A copy that comes late has an owner that is gone, and is collected.)
pub(super) const ON_THE_WAY: Duration = Duration::from_secs(120);

impl World {
    /// An object, in whatever standing. `revision` comes back in its [`crate::board::Summary`].
    pub fn declare(&mut self, object: &Arc<Object>, revision: u64, urgent: bool, now: Duration) -> Vec<Work> {
        self.departed.remove(&object.name);
        self.board.revise(&object.name, revision);
        self.redeclare(&object.name, Some(object), urgent, now)
    }

    /// The object is gone. What is owed to its deletion is done all the same.
    pub fn forget_object(&mut self, name: &str, now: Duration) -> Vec<Work> {
        let mut work = self.restand(name, Standing::Deleting, now);
        if let Some(object) = self.cluster.object(name) {
            let name = Arc::clone(&object.name);
            self.departed.insert(
                name,
                Departed {
                    since: now,
                    done: false,
                },
            );
        }
        work.extend(self.sweep(now));
        work
    }

    /// Drops what is over: departed objects to which nothing is owed any more, not even by a write on its way, and fights.
    pub fn sweep(&mut self, now: Duration) -> Vec<Work> {
        self.forget_the_past(now);
        let is_over = |departed: &Departed| now >= departed.since + ON_THE_WAY;
        let done: Vec<(Arc<str>, bool)> = self
            .departed
            .iter()
            .filter(|&(name, departed)| (is_over(departed) || !departed.done) && self.is_done_with(name))
            .map(|(name, departed)| (Arc::clone(name), is_over(departed)))
            .collect();
        let mut work = Vec::new();
        for (name, is_over) in done {
            if !is_over {
                work.extend(self.restand(&name, Standing::Gone, now));
                self.departed.entry(name).and_modify(|departed| departed.done = true);
                continue;
            }
            self.departed.remove(&name);
            work.extend(self.redeclare(&name, None, false, now));
            self.board.forget(&name);
        }
        work
    }

    /// The object as it was known, in another standing.
    fn restand(&mut self, name: &str, standing: Standing, now: Duration) -> Vec<Work> {
        let old = self.cluster.object(name);
        let Some(old) = old.filter(|object| object.standing != standing) else {
            return Vec::new();
        };
        let new = Arc::new(Object {
            standing,
            ..(**old).clone()
        });
        self.redeclare(name, Some(&new), false, now)
    }

    /// The object of that name is now like this, or is no more.
    fn redeclare(&mut self, name: &str, new: Option<&Arc<Object>>, urgent: bool, now: Duration) -> Vec<Work> {
        let before_cluster = self.cluster.clone();
        let old = self.cluster.remove(name);
        if let Some(new) = new {
            self.cluster.insert(new);
        }
        let old = old.as_ref();
        let Some(object) = new.or(old).filter(|_| self.started) else {
            return Vec::new();
        };
        let editions: Vec<&Arc<Object>> = old.into_iter().chain(new).collect();
        let concerned = |(name, place): (&Arc<str>, &Place)| {
            let selects = new.is_some_and(|new| self.cluster.selects(new, name, &place.facts.labels));
            let concerned = selects
                || place.selecting.contains(&object.name)
                || editions
                    .iter()
                    .any(|object| object.is_unreadable() || has_left(object, &place.facts));
            concerned.then(|| (Arc::clone(name), selects))
        };
        let namespaces: Vec<(Arc<str>, bool)> = self.places.iter().filter_map(concerned).collect();
        let mut work = Vec::new();
        for (namespace, selects) in namespaces {
            let before = self.survey(&before_cluster, &namespace, &Touch::Whole, now);
            if let Some(place) = self.places.get_mut(&namespace) {
                place.selecting.update(object, selects);
            }
            let after = self.survey(&self.cluster, &namespace, &Touch::Whole, now);
            work.extend(self.settle(before, after, Cause::Declared { urgent }, now));
        }
        work
    }
}

/// Whether anything of the object may be in the namespace.
fn has_left(object: &Object, facts: &Namespace) -> bool {
    let secret = object.spec.secret_name.as_ref();
    facts.secrets.contains_key(secret)
        || facts
            .accounts
            .values()
            .any(|account| account.attached.iter().any(|held| held.as_ref() == secret))
}

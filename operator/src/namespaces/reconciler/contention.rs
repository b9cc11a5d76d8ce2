//! Fights with another writer: told once, slowed, and over when the other one stops.

use std::sync::Arc;
use std::time::Duration;

use crd::FailureReason;
use plan::contention::Contention;
use plan::decision::{Failure, State};

use super::evaluate::{Cause, Surveyed, Touch};
use super::{SHARED, World};
use crate::shrink;
use crate::tally::Entry;
use crate::work::{Key, Work};

/// What is known to be missing is read once more after this.
const ABSENT_FOR: Duration = Duration::from_secs(60);

/// So many fights are remembered also where what they were about is gone.
const FIGHTS_KEPT: usize = 4096;

const FORGET_EVERY: Duration = Duration::from_secs(2);

/// One Secret or account that others undo.
#[derive(Debug, Default)]
pub(super) struct Fight {
    contention: Contention,
    /// What is said of it while it lasts. Changed within [`World::change`] only, as all that a survey shows.
    told: Option<Failure>,
    /// It was asked who the other writer is.
    asked: bool,
    /// Since when there is something to restore.
    since: Option<Duration>,
    /// Where it is about what must go: the objects that left. When it is gone, they still say that it comes back.
    left_by: Vec<Arc<str>>,
}

impl World {
    /// Whether a write is needed because somebody undid one that was made.
    pub(super) fn is_undone(
        &self,
        key: &Key,
        before: Option<&Surveyed>,
        after: &Surveyed,
        cause: Cause<'_>,
        now: Duration,
    ) -> bool {
        let Some(write) = after.write else {
            return false;
        };
        match cause {
            // For one of its objects it was as declared, and no longer is, although nothing else was declared.
            Cause::Watched => {
                let before_entries = before.map_or(&[][..], |before| &before.entries);
                let was_outstanding = before.is_some_and(Surveyed::is_outstanding);
                let lost = |was: &Entry| {
                    let mut objects = after.entries.iter().filter(|is| is.object == was.object && !is.leaves);
                    was_in_place(was) && objects.any(|is| is.state != State::Ready)
                };
                // No object wanted it any more, and it was gone: as a whole, or as far as it was ours.
                let was_wanted = |is: &Entry| before_entries.iter().any(|was| was.object == is.object && !was.leaves);
                let is_back = |is: &Entry| is.leaves && !was_outstanding && !was_wanted(is);
                // The object is no more.
                let is_orphaned = after.entries.is_empty() && before_entries.is_empty() && !was_outstanding;
                before.is_none_or(|before| before.write.is_none())
                    && (before_entries.iter().any(lost)
                        || after.entries.iter().any(is_back)
                        || is_orphaned && write.is_removal())
            }
            // The server took the write, and yet the same one is needed again; not another one, because something else was
            // declared meanwhile.
            Cause::Replied {
                made: Some((written, made)),
            } => key == written && self.write(key, now).is_some_and(|again| again.repeats(made)),
            Cause::Replied { made: None } | Cause::Declared { .. } => false,
        }
    }

    /// Notes that a key is to be restored. Whether that is a fight: it is then told, and slowed.
    pub(super) fn contend(&mut self, key: &Key, entries: &[Entry], now: Duration) -> bool {
        let fight = self.fights.entry(key.clone()).or_default();
        fight.since.get_or_insert(now);
        let left = entries.iter().filter(|entry| entry.leaves);
        fight.left_by = left.map(|entry| Arc::clone(&entry.object)).collect();
        let delay = fight.contention.record_undo(now);
        if fight.contention.contended_until().is_none() {
            return false;
        }
        fight.told.get_or_insert_with(|| contended(SOMEBODY));
        self.troubles.entry(key.clone()).or_default().retry_at = now + delay;
        true
    }

    pub(super) fn contended(&self, key: &Key) -> Option<&Failure> {
        self.fights.get(key).and_then(|fight| fight.told.as_ref())
    }

    /// Since when there is something to restore, as long as that is remembered.
    pub(super) fn fought_since(&self, key: &Key) -> Option<Duration> {
        self.fights.get(key)?.since
    }

    /// While the fight over something that must go lasts, it is told although it may be gone at this moment.
    pub(super) fn with_fight(&self, key: &Key, mut surveyed: Surveyed) -> Surveyed {
        let Some((fight, told)) = self
            .fights
            .get(key)
            .and_then(|fight| Some((fight, fight.told.as_ref()?)))
        else {
            return surveyed;
        };
        for object in &fight.left_by {
            if surveyed.entries.iter().all(|entry| entry.object != *object) {
                surveyed.entries.push(Entry {
                    object: Arc::clone(object),
                    state: State::Failed(told.clone()),
                    leaves: true,
                });
            }
        }
        surveyed
    }

    /// Whether another writer keeps undoing this key, and it was not asked yet who it is.
    pub fn wants_rival(&self, key: &Key) -> bool {
        self.fights
            .get(key)
            .is_some_and(|fight| fight.told.is_some() && !fight.asked)
    }

    /// The field manager that last wrote what we declare of the key; none where managedFields do not tell: what is
    /// made without any field, as the account `default` of each namespace, is not tracked until somebody applies it.
    pub fn name_rival(&mut self, key: &Key, manager: Option<&str>, now: Duration) {
        let failure = contended(&match manager {
            Some(manager) => format!("field manager {manager:?} keeps undoing what is declared"),
            None => format!("{SOMEBODY}; managedFields name nobody, the audit log of the API server would"),
        });
        // The write that learned it is still to be taken in, and finds the work.
        let _ = self.reconsider(key, now, |world| {
            if let Some(fight) = world.fights.get_mut(key) {
                fight.told = Some(failure);
                fight.asked = true;
            }
        });
    }

    /// When the fight over a key ends, given that nothing happens.
    pub(super) fn fight_ends_at(&self, key: &Key) -> Option<Duration> {
        let fight = self.fights.get(key)?;
        fight.told.as_ref()?;
        fight.contention.contended_until()
    }

    /// Says no more of a fight that is over.
    pub(super) fn make_peace(&mut self, key: &Key, now: Duration) {
        let over = self.fight_ends_at(key).is_some_and(|at| at <= now);
        if over && let Some(fight) = self.fights.get_mut(key) {
            fight.told = None;
            fight.asked = false;
            fight.since = None;
        }
    }

    /// What it was about is gone. Should it come back, that counts: to delete and create undoes as well.
    pub(super) fn end_fight(&mut self, key: &Key) {
        if self.fights.len() > FIGHTS_KEPT {
            self.fights.remove(key);
        }
        if let Some(fight) = self.fights.get_mut(key) {
            fight.told = None;
            fight.asked = false;
        }
    }

    /// Forgets fights that are over, and when accounts were written that need not wait any more. Now and then, not at each
    /// reply: there may be as many fights as there are copies, if somebody deleted them all.
    pub(super) fn forget_the_past(&mut self, now: Duration) {
        if now < self.forgot_at + FORGET_EVERY {
            return;
        }
        self.forgot_at = now;
        self.forget_holds(now);
        self.absent.retain(|_, &mut since| now < since + ABSENT_FOR);
        self.patched.retain(|_, &mut at| now < at + SHARED);
        shrink::shrink_if_sparse(&mut self.patched, 256);
        self.fights
            .retain(|_, fight| fight.told.is_some() || !fight.contention.is_settled(now));
    }

    pub(super) fn reconsider(&mut self, key: &Key, now: Duration, change: impl FnOnce(&mut Self)) -> Vec<Work> {
        let cause = Cause::Replied { made: None };
        self.change(&key.namespace, &Touch::of(key), cause, now, change)
    }
}

const SOMEBODY: &str = "another writer keeps undoing what is declared";

fn contended(message: &str) -> Failure {
    Failure::new(FailureReason::Contended, message)
}

fn was_in_place(entry: &Entry) -> bool {
    match &entry.state {
        _ if entry.leaves => false,
        State::Ready => true,
        State::Failed(failure) => failure.reason == FailureReason::Contended,
        State::Pending => false,
    }
}

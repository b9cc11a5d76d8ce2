//! Writes end: what is known now, and when a write that failed is tried again.

use std::sync::Arc;
use std::time::Duration;

use crd::FailureReason;
use plan::backoff::Backoff;
use plan::decision::Failure;
use plan::observed::{Account, Secret};

use super::evaluate::{Cause, Touch};
use super::observed::{self, Observed};
use super::{Seen, World};
use crate::outcome::{ApiError, Outcome};
use crate::work::{Key, Lane, Target, Work};

/// What came of our last attempts at a key.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    /// Refused or without an answer, in a row.
    pub(super) attempts: u32,
    /// In which something else was found than was held, in a row. Not the same row: a look at a Secret of others that
    /// stands in the way is one of these, and years of it do not put off the write that is due when it goes.
    pub(super) races: u32,
    /// Races lost in a row over a write that was to be made.
    pub(super) lost: u32,
    /// To be told; none while it may pass by itself.
    pub(super) failure: Option<Failure>,
    /// Since when the server does not want it.
    pub(super) refused_since: Option<Duration>,
    /// Since when it is tried in vain, although the server is there.
    pub(super) tried_since: Option<Duration>,
    /// The last attempt got no answer, and neither did any other call.
    pub(super) unheard: bool,
    /// Who put it off.
    pub(super) by: Option<Arc<str>>,
    /// Not before.
    pub(super) retry_at: Duration,
}

/// A write that a policy, a quota or a missing right refuses is tried again ever more rarely.
/// Within a minute, the jitter of its delay included.
const REFUSED: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(45));
/// No answer: the server is busy or gone, and comes back.
const UNANSWERED: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
/// A lost race: the next attempt knows more, so the first ones come at once.
const RACED: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(2));
const RACES_AT_ONCE: u32 = 3;
/// So many calls without an answer in a row are told as a failure of the namespace.
const UNANSWERED_UNTIL_TOLD: u32 = 4;
/// So many lost races in a row are told too: another writer is always faster.
const LOST_UNTIL_TOLD: u32 = 8;
/// A call without an answer is an attempt if the server answered another one so shortly before. Otherwise the whole server
/// is away, and that is no reason to give up.
pub(super) const HEARD_WITHIN: Duration = Duration::from_secs(15);

impl Trouble {
    /// Another race over a write was lost, with this answer.
    fn lose(&mut self, answer: &str, now: Duration) {
        self.tried_since = self.tried_since.or(Some(now));
        self.lost += 1;
        if self.lost >= LOST_UNTIL_TOLD {
            let text = format!("every write is answered with {answer}: it is not what was seen a moment before");
            self.failure = Some(Failure::new(FailureReason::ServerError, text));
        }
    }
}

impl World {
    /// A write, or a read after one, of a Secret has ended.
    pub fn wrote_secret(&mut self, key: &Key, outcome: Outcome<Secret>, now: Duration) -> Vec<Work> {
        self.wrote(key, outcome, now)
    }

    /// A write of an account has ended.
    pub fn wrote_account(&mut self, key: &Key, outcome: Outcome<Account>, now: Duration) -> Vec<Work> {
        let failed = matches!(outcome, Outcome::Failed(_));
        let mut work = self.wrote(key, outcome, now);
        if failed || work.iter().all(|work| work.key != *key) {
            let mut more = self.shorten(key, now);
            more.retain(|more| !work.contains(more));
            work.extend(more);
        }
        work
    }

    /// What was read of an account for a write is not held any longer than that.
    fn shorten(&mut self, key: &Key, now: Duration) -> Vec<Work> {
        let (Target::Account(name), Some(place)) = (&key.target, self.places.get(&key.namespace)) else {
            return Vec::new();
        };
        let (Some(held), Some(keys)) = (place.facts.accounts.get(name), &self.keys) else {
            return Vec::new();
        };
        let mut short = held.clone();
        short.compact(|name| {
            keys.copies.has(name) || self.cluster.has_copies(name) || place.facts.secrets.contains_key(name)
        });
        if short == *held {
            return Vec::new();
        }
        let (cause, records) = (Cause::Replied { made: None }, self.records(Some(held), Some(&short)));
        self.change(&key.namespace, &Touch::Account(name, &records), cause, now, |world| {
            let short = short.shared(world);
            if let Some(place) = world.places.get_mut(&key.namespace) {
                observed::hold(&mut place.facts.accounts, name, short);
            }
        })
    }

    fn wrote<T: Observed>(&mut self, key: &Key, outcome: Outcome<T>, now: Duration) -> Vec<Work> {
        let (reply, made) = match outcome {
            Outcome::Done(reply) => (reply, true),
            Outcome::Changed(reply) => (reply, false),
            Outcome::Failed(setback) => return self.failed(key, setback, now),
        };
        let write = self.answered(key).filter(|_| made);
        if made {
            self.let_off(key);
        }
        let (Target::Secret(name) | Target::Account(name)) = &key.target;
        // What a list under way does not hold is taken for gone at its end: this was seen.
        self.mark_listed(&T::kind(self, name), key);
        let held = self
            .places
            .get(&key.namespace)
            .and_then(|place| T::all(&place.facts).get(name.as_ref()));
        let seen = match (reply, held) {
            (Some(now), _) => Seen::There(now),
            (None, Some(held)) => Seen::Gone(held.version().clone()),
            (None, None) => {
                let wanted = self.write(key, now).is_some();
                return self.change(
                    &key.namespace,
                    &self.touched(key),
                    Cause::Replied { made: None },
                    now,
                    |world| {
                        world.unsettled.remove(key);
                        if let Target::Secret(_) = key.target {
                            world.absent.insert(key.clone(), now);
                        }
                        if wanted {
                            world.raced(key, now);
                        } else {
                            world.troubles.remove(key);
                        }
                    },
                );
            }
        };
        let besides = |world: &mut Self| {
            if made {
                world.troubles.remove(key);
                if let Target::Account(_) = key.target {
                    world.patched.insert(key.clone(), now);
                }
            } else {
                world.raced(key, now);
            }
        };
        let cause = Cause::Replied {
            made: write.as_deref().map(|write| (key, write)),
        };
        self.take(&key.namespace, name, seen, cause, now, besides)
    }

    /// Asks the plan of a key again, since its time has come. Work that is still to wait comes out anew.
    pub fn revisit(&mut self, key: &Key, now: Duration) -> Vec<Work> {
        self.reconsider(key, now, |world| world.make_peace(key, now))
    }

    fn raced(&mut self, key: &Key, now: Duration) {
        let looks = self.is_squatted(key);
        let trouble = self.troubles.entry(key.clone()).or_default();
        let late = trouble.races.checked_sub(RACES_AT_ONCE);
        trouble.races += 1;
        if !looks {
            trouble.lose("409", now);
        }
        trouble.retry_at = late.map_or(now, |late| now + RACED.delay(late));
    }

    /// A write has failed.
    pub fn failed(&mut self, key: &Key, setback: ApiError, now: Duration) -> Vec<Work> {
        if matches!(setback, ApiError::Unavailable(_)) {
            self.unanswered(key);
        } else {
            self.answered(key);
        }
        let heard = self.answered_at.is_some_and(|at| now < at + HEARD_WITHIN);
        let mut trouble = self.troubles.get(key).cloned().unwrap_or_default();
        trouble.unheard = matches!(setback, ApiError::Unavailable(_)) && !heard;
        let tried_since = trouble.tried_since.or(Some(now));
        trouble.tried_since = tried_since.filter(|_| !trouble.unheard);
        let delay = match setback {
            ApiError::Refused(failure) => {
                trouble.refused_since = trouble.refused_since.or(Some(now));
                trouble.failure = Some(failure);
                trouble.attempts += 1;
                REFUSED.delay(trouble.attempts - 1)
            }
            ApiError::Postponed { failure, wait, by } => {
                self.hold(key, by.as_ref(), &failure, wait, now);
                trouble.refused_since = trouble.refused_since.or(Some(now));
                trouble.failure = Some(failure);
                trouble.by = by;
                trouble.attempts += 1;
                REFUSED.delay(trouble.attempts - 1).max(wait)
            }
            // The pause of all writers is the delay.
            ApiError::Throttled(_) => {
                if trouble.attempts >= UNANSWERED_UNTIL_TOLD {
                    let text = "the API server keeps asking all writers for less (429)";
                    trouble.failure = Some(Failure::new(FailureReason::ServerError, text));
                }
                trouble.attempts += 1;
                Duration::ZERO
            }
            // Where it is true, the watch of namespaces shows it at once. Where it is not, it is a refusal like any other.
            ApiError::NamespaceTerminating => {
                if trouble.attempts > 0 {
                    let text = "the server says that the namespace is being terminated (403), although it is not";
                    trouble.failure = Some(Failure::new(FailureReason::ServerError, text));
                }
                trouble.attempts += 1;
                REFUSED.delay(trouble.attempts - 1)
            }
            ApiError::Conflict | ApiError::NotFound => {
                trouble.refused_since = None;
                trouble.races += 1;
                trouble.lose(if setback == ApiError::Conflict { "409" } else { "404" }, now);
                RACED.delay(trouble.races - 1)
            }
            ApiError::Unavailable(text) => {
                trouble.refused_since = None;
                if trouble.attempts >= UNANSWERED_UNTIL_TOLD {
                    trouble.failure = Some(Failure::new(FailureReason::ServerError, text));
                }
                trouble.attempts += 1;
                UNANSWERED.delay(trouble.attempts - 1)
            }
        };
        trouble.retry_at = now + delay;
        let retry_at = trouble.retry_at;
        let mut work = self.change(
            &key.namespace,
            &self.touched(key),
            Cause::Replied { made: None },
            now,
            |world| {
                world.unsettled.remove(key);
                world.troubles.insert(key.clone(), trouble);
            },
        );
        // Nothing is to be written, yet something was to be read: that is still to be done.
        let unread = self.is_uncertain(key) || self.is_squatted(key) || self.is_unread(key) || self.is_doubtful(key);
        if unread && work.iter().all(|work| work.key != *key) {
            work.push(Work {
                key: key.clone(),
                lane: Lane::Fresh,
                at: Some(retry_at),
            });
        }
        work
    }

    /// The first answer about a Secret that was missing at the start lets the references to it go in.
    fn touched<'a>(&self, key: &'a Key) -> Touch<'a> {
        match &key.target {
            Target::Secret(name) if self.unsettled.contains(key) => Touch::Offered(name),
            Target::Secret(name) if self.is_unread(key) => Touch::Referred(name),
            Target::Secret(_) | Target::Account(_) => Touch::of(key),
        }
    }
}

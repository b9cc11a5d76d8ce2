//! Handles the ends of writes: updates the cache, and schedules retries of failed writes.

use std::time::Duration;

use crd::FailureReason;
use plan::backoff::Backoff;
use plan::decision::Failure;
use plan::observed::{Account, Secret};

use super::evaluate::{Affected, Trigger};
use super::observed::{self, Observed};
use super::{Reconciler, Seen};
use crate::namespaces::pending::RetryState;
use crate::outcome::{ApiError, Outcome};
use crate::work::{Key, Lane, Target, Work};

/// Backoff after a refusal by a policy, a quota or a missing right. It stays within a minute, including jitter.
const REFUSED: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(45));
/// Backoff after a missing answer: the server is busy or down, and will return.
const UNANSWERED: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
/// Backoff after lost races. The first retries come at once, because they start from newer state.
const RACED: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(2));
const RACES_AT_ONCE: u32 = 3;
/// Backoff after a call that took [`LONG`] and got no answer while others got one. Each such call costs the server much.
const UNANSWERED_ALONE: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(120));
/// A call that takes this long and gets no answer costs the server much.
const LONG: Duration = Duration::from_secs(5);
/// Consecutive unanswered calls after which a namespace reports a failure.
const UNANSWERED_UNTIL_REPORTED: u32 = 4;
/// Time without an answer, all attempts together, after which it reports one. A single call may take 30 s.
const UNANSWERED_FOR: Duration = Duration::from_secs(20);
/// Consecutive lost races after which a namespace reports a failure: another writer always wins.
const LOST_UNTIL_REPORTED: u32 = 8;
/// How recently the server must have answered another call for an unanswered call to count as an attempt. Otherwise the
/// whole server is down, which must not end a deletion.
pub(super) const ANSWERED_WITHIN: Duration = Duration::from_secs(15);

/// An attempt that failed.
#[derive(Clone, Copy, Debug, Default)]
struct Attempt {
    /// How long it took, if that is known.
    took: Duration,
    /// The server answered another call while this one ran.
    others_answered: bool,
}

impl RetryState {
    /// Another attempt failed with this error. Returns how long the next one waits.
    fn fail(&mut self, error: ApiError, attempt: Attempt, now: Duration) -> Duration {
        if !matches!(error, ApiError::Unavailable(_)) {
            self.unanswered = Duration::ZERO;
            self.unanswered_alone = 0;
        }
        match error {
            ApiError::Refused(failure) => {
                self.refused_since = self.refused_since.or(Some(now));
                self.failure = Some(failure);
                self.attempts += 1;
                REFUSED.delay(self.attempts - 1)
            }
            ApiError::Postponed { failure, wait, by } => {
                self.refused_since = self.refused_since.or(Some(now));
                self.failure = Some(failure);
                self.by = by;
                self.attempts += 1;
                REFUSED.delay(self.attempts - 1).max(wait)
            }
            // The pause of all writers is the delay.
            ApiError::Throttled(_) => {
                if self.attempts >= UNANSWERED_UNTIL_REPORTED {
                    let text = "the API server keeps answering 429 (too many requests)";
                    self.failure = Some(Failure::new(FailureReason::ServerError, text));
                }
                self.attempts += 1;
                Duration::ZERO
            }
            // If it is true, the watch of namespaces shows it at once. If not, it is a refusal like others.
            ApiError::NamespaceTerminating => {
                if self.attempts > 0 {
                    let text =
                        "the API server answers that the namespace is terminating (403), but the namespace is not";
                    self.failure = Some(Failure::new(FailureReason::ServerError, text));
                }
                self.attempts += 1;
                REFUSED.delay(self.attempts - 1)
            }
            ApiError::Conflict | ApiError::NotFound => {
                self.refused_since = None;
                self.races += 1;
                self.lose(if error == ApiError::Conflict { "409" } else { "404" }, now);
                RACED.delay(self.races - 1)
            }
            ApiError::Unavailable(text) => self.unanswered(text, attempt),
        }
    }

    /// An attempt got no answer.
    fn unanswered(&mut self, text: String, attempt: Attempt) -> Duration {
        self.refused_since = None;
        self.unanswered += attempt.took;
        if self.attempts >= UNANSWERED_UNTIL_REPORTED || self.unanswered >= UNANSWERED_FOR {
            self.failure = Some(Failure::new(FailureReason::ServerError, text));
        }
        self.attempts += 1;
        let delay = UNANSWERED.delay(self.attempts - 1);
        if attempt.took < LONG || !attempt.others_answered {
            return delay;
        }
        self.unanswered_alone += 1;
        delay.max(UNANSWERED_ALONE.delay(self.unanswered_alone - 1))
    }

    /// Records a lost race over a write, with this answer.
    fn lose(&mut self, answer: &str, now: Duration) {
        self.tried_since = self.tried_since.or(Some(now));
        self.lost += 1;
        if self.lost >= LOST_UNTIL_REPORTED {
            let text = format!(
                "the API server answers every write with {answer}: another writer or webhook changes the object each time"
            );
            self.failure = Some(Failure::new(FailureReason::ServerError, text));
        }
    }
}

impl Reconciler {
    /// Handles the end of a write of a Secret, or of the read after one.
    pub fn wrote_secret(&mut self, key: &Key, outcome: Outcome<Secret>, now: Duration) -> Vec<Work> {
        self.wrote(key, outcome, now)
    }

    /// Handles the end of a write of an account.
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

    /// Drops what was read of an account only for a write.
    fn shorten(&mut self, key: &Key, now: Duration) -> Vec<Work> {
        let (Target::Account(name), Some(place)) = (&key.target, self.places.get(&key.namespace)) else {
            return Vec::new();
        };
        let (Some(cached), Some(keys)) = (place.facts.accounts.get(name), &self.keys) else {
            return Vec::new();
        };
        let mut short = cached.clone();
        short.compact(|name| {
            keys.copies.has(name) || self.cluster.has_copies(name) || place.facts.secrets.contains_key(name)
        });
        if short == *cached {
            return Vec::new();
        }
        let (trigger, records) = (
            Trigger::Replied { made: None },
            self.records(Some(cached), Some(&short)),
        );
        self.change(
            &key.namespace,
            &Affected::Account(name, &records),
            trigger,
            now,
            |reconciler| {
                let short = short.shared(reconciler);
                if let Some(place) = reconciler.places.get_mut(&key.namespace) {
                    observed::insert(&mut place.facts.accounts, name, short);
                }
            },
        )
    }

    fn wrote<T: Observed>(&mut self, key: &Key, outcome: Outcome<T>, now: Duration) -> Vec<Work> {
        let (reply, made) = match outcome {
            Outcome::Done(reply) => (reply, true),
            Outcome::Changed(reply) => (reply, false),
            Outcome::Failed(error) => return self.failed(key, error, now),
        };
        self.answered_here_at = Some(now);
        let write = self.finish_write(key).filter(|_| made);
        if made {
            self.let_off(key);
        }
        let (Target::Secret(name) | Target::Account(name)) = &key.target;
        // A list in progress must not drop this key at its end.
        let kind = T::kind(self, name);
        self.lists.mark(&kind, key);
        let cached = self
            .places
            .get(&key.namespace)
            .and_then(|place| T::all(&place.facts).get(name.as_ref()));
        let seen = match (reply, cached) {
            (Some(now), _) => Seen::There(now),
            (None, Some(cached)) => Seen::Gone(cached.version().clone()),
            (None, None) => {
                let wanted = self.write(key, now).is_some();
                return self.replied(key, now, |reconciler| {
                    if let Target::Secret(_) = key.target {
                        reconciler.absent.insert(key.clone(), now);
                    }
                    reconciler.out_of_sight.remove(key);
                    if wanted {
                        reconciler.raced(key, now);
                    } else {
                        reconciler.pending.set_retry(key, None);
                    }
                });
            }
        };
        let and_then = |reconciler: &mut Self| {
            if made {
                reconciler.pending.set_retry(key, None);
                if let Target::Account(_) = key.target {
                    reconciler.pending.set_written(key, now);
                }
            } else {
                reconciler.raced(key, now);
            }
        };
        let trigger = Trigger::Replied {
            made: write.as_deref().map(|write| (key, write)),
        };
        self.observe(&key.namespace, name, seen, trigger, now, and_then)
    }

    /// Evaluates a key whose time has come. Work that must still wait is returned again.
    pub fn revisit(&mut self, key: &Key, now: Duration) -> Vec<Work> {
        self.reconsider(key, now, |reconciler| reconciler.settle(key, now))
    }

    fn raced(&mut self, key: &Key, now: Duration) {
        let looks = self.is_squatted(key);
        let retry = self.pending.retry_mut(key);
        let late = retry.races.checked_sub(RACES_AT_ONCE);
        retry.races += 1;
        if !looks {
            retry.lose("409", now);
        }
        retry.retry_at = late.map_or(now, |late| now + RACED.delay(late));
    }

    /// Handles a failed write.
    pub fn failed(&mut self, key: &Key, error: ApiError, now: Duration) -> Vec<Work> {
        let attempt = self.attempt(key, now);
        if matches!(error, ApiError::Unavailable(_)) {
            self.outcome_unknown(key);
        } else {
            self.answered_here_at = Some(now);
            self.finish_write(key);
        }
        let answered = self.answered_at.is_some_and(|at| now < at + ANSWERED_WITHIN);
        let mut retry = self.pending.retry(key).cloned().unwrap_or_default();
        retry.no_answer = matches!(error, ApiError::Unavailable(_)) && !answered;
        let tried_since = retry.tried_since.or(Some(now));
        retry.tried_since = tried_since.filter(|_| !retry.no_answer);
        if let ApiError::Postponed { failure, wait, by } = &error {
            self.hold(key, by.as_ref(), failure, *wait, now);
        }
        let delay = retry.fail(error, attempt, now);
        retry.retry_at = now + delay;
        let retry_at = retry.retry_at;
        let mut work = self.replied(key, now, |reconciler| {
            reconciler.pending.set_retry(key, Some(retry));
        });
        // Without a write to make, a read may still be due.
        let unread = self.is_uncertain(key)
            || self.is_squatted(key)
            || self.is_unread(key)
            || self.is_doubtful(key)
            || self.is_out_of_sight(key);
        if unread && work.iter().all(|work| work.key != *key) {
            work.push(Work {
                key: key.clone(),
                lane: Lane::Fresh,
                at: Some(retry_at),
            });
        }
        work
    }

    /// The attempt at the write in flight that ends now.
    fn attempt(&self, key: &Key, now: Duration) -> Attempt {
        let started_at = self.pending.in_flight(key).filter(|write| !write.uncertain);
        let Some(started_at) = started_at.map(|write| write.started_at) else {
            return Attempt::default();
        };
        Attempt {
            took: now.saturating_sub(started_at),
            others_answered: self.answered_at.max(self.answered_here_at) > Some(started_at),
        }
    }

    /// Makes a change after a reply that shows no new version of the key.
    fn replied(&mut self, key: &Key, now: Duration, change: impl FnOnce(&mut Self)) -> Vec<Work> {
        let (affected, trigger) = (self.affected_by_reply(key), Trigger::Replied { made: None });
        self.change(&key.namespace, &affected, trigger, now, |reconciler| {
            reconciler.pending.set_unverified(key, false);
            change(reconciler);
        })
    }

    /// The first answer about a missing Secret releases the references to it.
    fn affected_by_reply<'a>(&self, key: &'a Key) -> Affected<'a> {
        match &key.target {
            Target::Secret(name) if self.pending.is_unverified(key) => Affected::Offered(name),
            Target::Secret(name) if self.is_unread(key) => Affected::Referred(name),
            Target::Secret(_) | Target::Account(_) => Affected::of(key),
        }
    }
}

//! Whether the admission policies on the operator are in force: when to try them, and what an answer proves.
//!
//! The caller sends writes that the policies must refuse, as dry runs, and passes the time. A policy takes effect about
//! a second after it was applied, on each API server separately. So one refusal proves little, and [`ROUNDS`] in a row
//! over new connections count.
//!
//! # Guarantees
//!
//! - Only refusals by the policies count as proof. An outage, a missing right, a quota or a webhook is no proof.
//! - An accepted dry run ends the proof at once. Unclear answers end it after [`ROUNDS`] of them, because a server that
//!   does not answer refuses the operator's writes as well.
//! - What happens in another namespace than the operator's own ends the proof only by an accepted dry run.

use std::sync::Arc;
use std::time::Duration;

/// Number of consecutive rounds that prove the policies, or that end the proof without an accepted dry run.
pub const ROUNDS: u8 = 3;

/// Time between two rounds of a proof.
const BETWEEN: Duration = Duration::from_secs(1);
/// Time between two rounds while the policies are in force.
const AGAIN: Duration = Duration::from_secs(60);
/// Longest delay after a round without proof. One dry run in this time is as many as [`AGAIN`] allows.
const LONGEST_DELAY: Duration = Duration::from_secs(15);

/// What a round of dry runs showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Round {
    /// The policies refused each dry run.
    Refused,
    /// The server accepted a dry run. The text names the policy that must refuse it.
    Accepted(Arc<str>),
    /// Another answer. The text says which, and names who gave it.
    Unclear(Arc<str>),
    /// Another namespace than the operator's own gave another answer. It counts neither for nor against the proof.
    Skipped,
}

/// Whether the policies are in force, as far as this process knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restraint {
    /// They have not been proven in this process. The operator writes only its Lease and an Event. Holds the reason.
    Unproven(Arc<str>),
    /// They are in force.
    Proven,
    /// They were in force before. The operator neither adds nor rotates logins. Holds the reason.
    Lost(Arc<str>),
}

impl Restraint {
    /// Returns what is known before the first round.
    pub fn untried() -> Self {
        Self::Unproven("no dry run was answered yet".into())
    }
}

/// The rounds so far.
#[derive(Clone, Debug)]
pub struct Proof {
    state: Restraint,
    /// Number of consecutive rounds that count against `state`.
    counted: u8,
    /// Number of consecutive rounds without proof.
    failed: u32,
    /// When the next round is due.
    due: Duration,
}

impl Proof {
    /// Starts without a proof. The first round is due at `now`.
    pub fn new(now: Duration) -> Self {
        Self {
            state: Restraint::untried(),
            counted: 0,
            failed: 0,
            due: now,
        }
    }

    /// Returns what is known of the policies.
    pub fn state(&self) -> &Restraint {
        &self.state
    }

    /// Returns the number of consecutive rounds without proof.
    pub fn failed(&self) -> u32 {
        self.failed
    }

    /// Returns when the next round is due.
    pub fn due(&self) -> Duration {
        self.due
    }

    /// Records a round that ended at `now`.
    pub fn record(&mut self, round: Round, now: Duration) {
        match (&self.state, round) {
            (Restraint::Proven, Round::Refused) => {
                self.counted = 0;
                self.failed = 0;
                self.due = now + AGAIN;
            }
            (Restraint::Proven, Round::Skipped) => self.due = now + AGAIN,
            (Restraint::Unproven(_) | Restraint::Lost(_), Round::Skipped) => self.due = now + BETWEEN,
            (Restraint::Proven, Round::Accepted(why)) => self.lose(why, now),
            (Restraint::Proven, Round::Unclear(why)) => {
                self.counted += 1;
                if self.counted < ROUNDS {
                    self.due = now + LONGEST_DELAY;
                } else {
                    self.lose(why, now);
                }
            }
            (Restraint::Unproven(_) | Restraint::Lost(_), Round::Refused) => {
                self.counted += 1;
                if self.counted < ROUNDS {
                    self.due = now + BETWEEN;
                } else {
                    self.state = Restraint::Proven;
                    self.counted = 0;
                    self.failed = 0;
                    self.due = now + AGAIN;
                }
            }
            (Restraint::Unproven(_), Round::Accepted(why) | Round::Unclear(why)) => {
                self.state = Restraint::Unproven(why);
                self.delay(now);
            }
            (Restraint::Lost(_), Round::Accepted(why) | Round::Unclear(why)) => {
                self.state = Restraint::Lost(why);
                self.delay(now);
            }
        }
    }

    fn lose(&mut self, why: Arc<str>, now: Duration) {
        self.state = Restraint::Lost(why);
        self.failed = 0;
        self.delay(now);
    }

    /// Starts the count again, after a delay that doubles with each round without proof.
    fn delay(&mut self, now: Duration) {
        self.counted = 0;
        let delay = BETWEEN.saturating_mul(1 << self.failed.min(4));
        self.failed += 1;
        self.due = now + delay.min(LONGEST_DELAY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Records each round when it is due. Returns the state after the last one.
    fn after(proof: &mut Proof, rounds: &[Round]) -> Restraint {
        for round in rounds {
            let due = proof.due();
            proof.record(round.clone(), due);
        }
        proof.state().clone()
    }

    fn accepted() -> Round {
        Round::Accepted("accepted".into())
    }

    fn unclear() -> Round {
        Round::Unclear("unclear".into())
    }

    #[test]
    fn three_refused_rounds_in_a_row_are_a_proof() {
        let mut proof = Proof::new(seconds(5));
        let rounds = [
            Round::Refused,
            Round::Refused,
            accepted(),
            Round::Refused,
            Round::Refused,
        ];
        assert_eq!(after(&mut proof, &rounds), Restraint::Unproven("accepted".into()));
        assert_eq!(after(&mut proof, &[Round::Refused]), Restraint::Proven);
        // 5, 6, 7; then 8, 9, 10.
        assert_eq!(proof.due(), seconds(10) + AGAIN);
    }

    #[test]
    fn an_accepted_dry_run_ends_the_proof_at_once() {
        let mut proof = Proof::new(Duration::ZERO);
        after(&mut proof, &[Round::Refused, Round::Refused, Round::Refused]);
        assert_eq!(after(&mut proof, &[accepted()]), Restraint::Lost("accepted".into()));
        let regained = after(&mut proof, &[Round::Refused, Round::Refused, Round::Refused]);
        assert_eq!(regained, Restraint::Proven);
    }

    #[test]
    fn unclear_answers_end_the_proof_late() {
        let mut proof = Proof::new(Duration::ZERO);
        after(&mut proof, &[Round::Refused, Round::Refused, Round::Refused]);
        let outage = [unclear(), unclear(), Round::Refused, unclear(), unclear()];
        assert_eq!(after(&mut proof, &outage), Restraint::Proven);
        assert_eq!(after(&mut proof, &[unclear()]), Restraint::Lost("unclear".into()));
    }

    #[test]
    fn skipped_rounds_count_neither_way() {
        let mut proof = Proof::new(Duration::ZERO);
        let rounds = [Round::Refused, Round::Skipped, Round::Refused, Round::Skipped];
        assert!(matches!(after(&mut proof, &rounds), Restraint::Unproven(_)));
        assert_eq!(after(&mut proof, &[Round::Refused]), Restraint::Proven);
        let outage = [unclear(), unclear(), Round::Skipped];
        assert_eq!(after(&mut proof, &outage), Restraint::Proven);
        assert_eq!(after(&mut proof, &[unclear()]), Restraint::Lost("unclear".into()));
    }

    #[test]
    fn failed_rounds_come_at_most_four_times_a_minute() {
        let mut proof = Proof::new(Duration::ZERO);
        let mut rounds = Vec::new();
        for _ in 0..9 {
            rounds.push(proof.due().as_secs());
            let due = proof.due();
            proof.record(unclear(), due);
        }
        assert_eq!(rounds, [0, 1, 3, 7, 15, 30, 45, 60, 75]);
    }
}

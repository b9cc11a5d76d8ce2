//! Several replicas and one Lease, on a network that delays and loses, with processes that stop, wake up and die.

use std::time::Duration;

use plan::election::{Candidate, Record, Step, Timing};
use proptest::prelude::*;

const TIMING: Timing = Timing {
    lease_duration: Duration::from_secs(15),
    renew_deadline: Duration::from_secs(10),
    retry_period: Duration::from_secs(2),
};

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn held(holder: &str, renew_time: u64) -> Record {
    Record {
        holder: Some(holder.into()),
        lease_duration: TIMING.lease_duration,
        renew_time: renew_time.to_string().into(),
    }
}

fn given_back() -> Record {
    Record {
        holder: None,
        lease_duration: at(1),
        renew_time: "x".into(),
    }
}

/// The first candidate creates the Lease, renews it, and resigns when it cannot.
#[test]
fn the_first_creates_renews_and_resigns() {
    let mut me = Candidate::new("me", TIMING);
    assert_eq!(me.next(at(0)), Step::Read);
    me.saw(None, at(0));
    assert_eq!(me.next(at(0)), Step::Create);
    assert_eq!(me.leads_until(), None, "not before the server has taken it");
    me.wrote(held("me", 0), at(0));
    assert_eq!(me.leads_until(), Some(at(10)));
    assert_eq!(me.next(at(1)), Step::Wait(at(2)));
    assert_eq!(me.next(at(2)), Step::Renew);
    me.wrote(held("me", 2), at(2));
    me.failed(at(7));
    assert_eq!(me.next(at(8)), Step::Wait(at(9)));
    assert_eq!(me.next(at(9)), Step::Read);
    me.saw(Some(held("me", 2)), at(10));
    assert_eq!(me.next(at(10)), Step::Renew, "at once");
    assert_eq!(
        me.next(at(12)),
        Step::Resign,
        "ten seconds after the last renewal was sent"
    );
}

/// It waits for the whole duration, measured by its own clock.
#[test]
fn the_second_waits_for_an_unchanged_lease() {
    let mut me = Candidate::new("me", TIMING);
    me.saw(Some(held("other", 0)), at(100));
    assert_eq!(me.next(at(100)), Step::Wait(at(102)));
    assert_eq!(me.next(at(102)), Step::Read);
    me.saw(Some(held("other", 0)), at(102));
    me.saw(Some(held("other", 1)), at(104));
    me.saw(Some(held("other", 1)), at(117));
    assert_eq!(me.next(at(118)), Step::Wait(at(119)));
    assert_eq!(me.next(at(119)), Step::Acquire);
    me.raced(at(119));
    assert_eq!(me.next(at(119)), Step::Read, "another was faster");
    me.saw(Some(held("third", 9)), at(120));
    assert_eq!(me.next(at(120)), Step::Wait(at(122)));
}

/// A Lease that was released, or that an earlier process of our identity holds, is acquired at once.
#[test]
fn released_or_own_leases_are_acquired_at_once() {
    for record in [given_back(), held("me", 0)] {
        let mut me = Candidate::new("me", TIMING);
        me.saw(Some(record), at(5));
        assert_eq!(me.next(at(5)), Step::Acquire);
    }
}

#[test]
fn a_leader_that_sees_another_resigns() {
    let mut me = Candidate::new("me", TIMING);
    me.wrote(held("me", 0), at(0));
    me.raced(at(2));
    me.saw(Some(held("other", 1)), at(2));
    assert_eq!(me.next(at(2)), Step::Resign);
}

#[test]
fn the_leader_recreates_a_deleted_lease() {
    let mut me = Candidate::new("me", TIMING);
    me.wrote(held("me", 0), at(0));
    me.raced(at(2));
    me.saw(None, at(2));
    assert_eq!(me.next(at(2)), Step::Create);
}

/// A person may have written it by hand.
#[test]
fn an_absurd_duration_does_not_block_election() {
    let mut me = Candidate::new("me", TIMING);
    let mut record = held("other", 0);
    record.lease_duration = at(1_000_000);
    me.saw(Some(record.clone()), at(0));
    me.saw(Some(record), at(59));
    assert_eq!(me.next(at(60)), Step::Acquire);
}

/// The server: one Lease, a version, and requests that arrive late or never.
#[derive(Default)]
struct Server {
    lease: Option<(Record, u64)>,
    version: u64,
}

/// A call under way: it arrives, and its answer comes back, or not.
struct Call {
    step: Step,
    sent: Duration,
    /// The version that the write was made from.
    from: Option<u64>,
    arrives: Duration,
    returns: Option<Duration>,
    answer: Option<Answer>,
}

enum Answer {
    Lease(Option<(Record, u64)>),
    Taken(Record, u64),
    Conflict,
}

struct Replica {
    identity: String,
    candidate: Candidate,
    version: Option<u64>,
    call: Option<Call>,
    asleep_until: Duration,
    dead: bool,
    offset: Duration,
}

const TICK: Duration = Duration::from_millis(250);
/// What a client waits for an answer.
const GIVES_UP: Duration = Duration::from_secs(5);

impl Replica {
    fn new(identity: String, offset: Duration) -> Self {
        Self {
            candidate: Candidate::new(identity.as_str(), TIMING),
            identity,
            version: None,
            call: None,
            asleep_until: Duration::ZERO,
            dead: false,
            offset,
        }
    }

    fn leads(&self, now: Duration) -> bool {
        !self.dead
            && self
                .candidate
                .leads_until()
                .is_some_and(|until| now + self.offset < until)
    }

    fn turn(&mut self, now: Duration, fate: impl FnOnce() -> (Duration, Option<Duration>)) {
        if self.dead || now < self.asleep_until {
            return;
        }
        let mine = now + self.offset;
        if let Some(call) = &self.call {
            let answered = call.returns.is_some_and(|returns| returns <= now) && call.answer.is_some();
            if !answered {
                if now >= call.sent + GIVES_UP {
                    self.call = None;
                    self.candidate.failed(mine);
                }
                return;
            }
            if let Some(call) = self.call.take() {
                let sent = call.sent + self.offset;
                match call.answer {
                    Some(Answer::Lease(lease)) => {
                        self.version = lease.as_ref().map(|(_, version)| *version);
                        self.candidate.saw(lease.map(|(record, _)| record), mine);
                    }
                    Some(Answer::Taken(record, version)) => {
                        self.version = Some(version);
                        self.candidate.wrote(record, sent);
                    }
                    Some(Answer::Conflict) | None => self.candidate.raced(mine),
                }
            }
        }
        match self.candidate.next(mine) {
            Step::Wait(_) => {}
            Step::Resign => self.dead = true,
            step => {
                let (there, back) = fate();
                self.call = Some(Call {
                    step,
                    sent: now,
                    from: self.version.filter(|_| step != Step::Create),
                    arrives: now + there,
                    returns: back.map(|back| now + there + back),
                    answer: None,
                });
            }
        }
    }
}

impl Server {
    /// Also for the calls of who sleeps or is dead: they were sent.
    fn serve(&mut self, call: &mut Call, identity: &str, now: Duration) {
        if call.answer.is_some() || now < call.arrives {
            return;
        }
        let current = self.lease.as_ref().map(|(_, version)| *version);
        call.answer = Some(match call.step {
            Step::Read => Answer::Lease(self.lease.clone()),
            _ if current != call.from => Answer::Conflict,
            _ => {
                self.version += 1;
                let record = Record {
                    holder: Some(identity.into()),
                    lease_duration: TIMING.lease_duration,
                    renew_time: format!("{:?}", call.sent).into(),
                };
                self.lease = Some((record.clone(), self.version));
                Answer::Taken(record, self.version)
            }
        });
    }
}

/// What happens in one tick to one replica, by number. In most ticks it is idle.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    Sleeps(u8),
    Dies,
}

fn disturbances() -> impl Strategy<Value = Vec<(u16, u8, Disturbance)>> {
    let kind = prop_oneof![(0..160_u8).prop_map(Disturbance::Sleeps), Just(Disturbance::Dies),];
    prop::collection::vec((0..1200_u16, 0..3_u8, kind), 0..40)
}

/// A delay in ticks: mostly short, sometimes longer than a client waits.
fn delay() -> impl Strategy<Value = u8> {
    prop_oneof![6 => 0..2_u8, 1 => 0..24_u8]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    /// Two candidates never lead at a time, and one leads again when all requests succeed.
    #[test]
    fn two_never_lead_and_one_leads_again(
        disturbances in disturbances(),
        delays in prop::collection::vec((delay(), delay(), 0..10_u8), 16..64),
        offsets in prop::array::uniform3(0..1_000_000_u64),
    ) {
        const TROUBLED: u32 = 1200;
        const CALM: u32 = 300;
        let mut server = Server::default();
        let mut replicas: Vec<Replica> = (0..3_usize)
            .map(|index| Replica::new(format!("r{index}"), Duration::from_millis(offsets[index])))
            .collect();
        let mut generation = 0;
        let mut fates = delays.iter().cycle();
        for tick in 0..TROUBLED + CALM {
            let now = TICK * tick;
            let troubled = tick < TROUBLED;
            for (when, who, what) in &disturbances {
                if u32::from(*when) != tick {
                    continue;
                }
                let replica = &mut replicas[usize::from(*who)];
                match what {
                    Disturbance::Sleeps(ticks) => replica.asleep_until = now + TICK * u32::from(*ticks),
                    Disturbance::Dies => replica.dead = true,
                }
            }
            for (index, replica) in replicas.iter_mut().enumerate() {
                if replica.dead && tick % 40 == 0 && replica.call.is_none() {
                    generation += 1;
                    *replica = Replica::new(format!("r{index}-{generation}"), replica.offset);
                }
                if let Some(call) = &mut replica.call {
                    server.serve(call, &replica.identity, now);
                    if replica.dead && call.answer.is_some() {
                        replica.call = None;
                    }
                }
                replica.turn(now, || match fates.next() {
                    Some((there, back, lost)) if troubled => {
                        (TICK * u32::from(*there), (*lost > 1).then(|| TICK * u32::from(*back)))
                    }
                    _ => (TICK, Some(TICK)),
                });
            }
            let leaders = replicas.iter().filter(|replica| replica.leads(now)).count();
            prop_assert!(leaders <= 1, "{leaders} lead at {now:?}");
        }
        let end = TICK * (TROUBLED + CALM);
        prop_assert_eq!(replicas.iter().filter(|replica| replica.leads(end)).count(), 1, "75 s of calm");
    }
}

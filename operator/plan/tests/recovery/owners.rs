//! How often Pods of one controller are replaced. The judge is a controller in memory that makes successors.

use std::collections::VecDeque;
use std::time::Duration;

use plan::observed::{Controller, ControllerKind, Pod};
use plan::recovery::{Cause, DOUBT, Owners, PACE, QUIET};
use proptest::prelude::*;

use super::{controller, listing, pod, waiting};

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn replica_set() -> Controller {
    controller(ControllerKind::ReplicaSet)
}

/// Replaces a Pod at this second, by the clock of the API server as well.
fn replace(owners: &mut Owners, controller: &Controller, second: u32) {
    let now = at(second.into());
    assert!(owners.may_replace(controller, now), "{second}");
    owners.begin(controller, ["company".into()], now);
    owners.replaced(controller, second.into());
}

fn created(at: i64, pod: Pod) -> Pod {
    Pod { created: at, ..pod }
}

#[test]
fn the_first_pod_of_a_controller_is_a_trial() {
    let (mut owners, of) = (Owners::default(), replica_set());
    replace(&mut owners, &of, 100);
    assert!(!owners.may_replace(&of, at(101)), "no successor came yet");
    assert!(owners.may_replace(&of, at(100) + PACE), "its controller may be slow");
    let successor = created(101, listing(&["company"], waiting(&[], pod())));
    assert!(!owners.see(&successor, at(101)));
    assert!(owners.may_replace(&of, at(101)), "the others follow at once");
    let other = Controller {
        uid: "other".into(),
        ..replica_set()
    };
    assert!(owners.may_replace(&other, at(100)));
}

/// It stops for ten minutes and is said once.
#[test]
fn a_waiting_successor_stops_for_ten_minutes() {
    let (mut owners, of) = (Owners::default(), replica_set());
    replace(&mut owners, &of, 100);
    assert!(
        !owners.see(&created(99, pod()), at(101)),
        "an older Pod is no successor"
    );
    assert!(owners.see(&created(100, pod()), at(103)));
    assert!(!owners.see(&created(100, pod()), at(110)), "known");
    assert_eq!(owners.cause(&of, at(110)), Some(Cause::SuccessorWaits));
    assert!(!owners.may_replace(&of, at(102) + QUIET));
    owners.expire(at(102) + QUIET);
    assert_eq!(owners.len(), 1);
    assert!(owners.may_replace(&of, at(103) + QUIET));
    owners.expire(at(103) + QUIET);
    assert!(owners.is_empty());
}

#[test]
fn a_successor_without_reference_raises_doubt() {
    let (mut owners, of) = (Owners::default(), replica_set());
    replace(&mut owners, &of, 100);
    assert!(
        !owners.see(&created(100, waiting(&[], pod())), at(101)),
        "it does not wait for an image yet"
    );
    assert!(!owners.may_replace(&of, at(100) + PACE));
    assert!(owners.may_replace(&of, at(101) + DOUBT));
}

/// Its failures are counted late, and each one delays the next Pod.
#[test]
fn a_job_is_never_hurried() {
    let (mut owners, of) = (Owners::default(), controller(ControllerKind::Job));
    let successor = |at: i64| Pod {
        controller: Some(of.clone()),
        ..created(at, listing(&["company"], waiting(&[], pod())))
    };
    replace(&mut owners, &of, 100);
    assert!(!owners.may_replace(&of, at(200)), "no successor came yet");
    owners.see(&successor(101), at(201));
    assert!(owners.may_replace(&of, at(201)));
    replace(&mut owners, &of, 201);
    owners.see(&successor(101), at(230));
    assert!(!owners.may_replace(&of, at(230)), "that one is older");
    owners.see(&successor(202), at(203));
    assert!(!owners.may_replace(&of, at(204)));
    assert!(owners.may_replace(&of, at(201) + PACE));
}

/// A controller in memory: its Pods, and what its successors get.
struct ReplicaSet {
    pods: VecDeque<Pod>,
    successors_have_it: bool,
}

proptest! {
    /// A controller whose successors lack the reference loses at most two Pods in ten minutes, however many wait. One
    /// whose successors have it is done soon, and no successor is replaced.
    #[test]
    fn replacements_are_bounded_for_any_controller(
        count in 1_usize..30, successors_have_it: bool, delay in 0_u64..9, tick in 1_u64..5,
    ) {
        let (mut owners, of) = (Owners::default(), replica_set());
        let old = created(10, pod());
        let mut set = ReplicaSet { pods: (0..count).map(|_| old.clone()).collect(), successors_have_it };
        let mut due: VecDeque<(u64, Pod)> = VecDeque::new();
        let mut deleted: Vec<u64> = Vec::new();
        let mut second = 100;
        while second < 3_000 {
            owners.expire(at(second));
            while due.front().is_some_and(|(at, _)| *at <= second) {
                let (_, pod) = due.pop_front().expect("one");
                owners.see(&pod, at(second));
                set.pods.push_back(pod);
            }
            let lacks = |pod: &Pod| pod.pull_secrets.as_ref().is_some_and(|names| names.is_empty());
            let next = set.pods.iter().position(lacks).filter(|_| owners.may_replace(&of, at(second)));
            if let Some(next) = next {
                set.pods.remove(next);
                owners.begin(&of, ["company".into()], at(second));
                owners.replaced(&of, i64::try_from(second).expect("small"));
                let successor = created(i64::try_from(second).expect("small"), pod());
                let successor = if set.successors_have_it { listing(&["company"], successor) } else { successor };
                due.push_back((second + delay, successor));
                deleted.push(second);
            }
            second += tick;
        }
        if successors_have_it {
            prop_assert_eq!(deleted.len(), count);
            let took = deleted.last().expect("one") - deleted[0];
            prop_assert!(took <= delay + tick * u64::try_from(count + 1).expect("small"), "{} s", took);
        } else {
            for one in &deleted {
                let within = deleted.iter().filter(|other| (*one..one + QUIET.as_secs()).contains(other));
                prop_assert!(within.count() <= 2, "{:?}", deleted);
            }
        }
    }
}

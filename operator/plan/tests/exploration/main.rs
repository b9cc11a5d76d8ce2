//! Every interleaving of a small cluster: two objects, two namespaces with an account each, and another writer.
//!
//! The operator may crash between any two writes, and between a write and its reply. Its view may lag in every order. The
//! exploration visits each state once, breadth first. In every state the invariants hold. From every state, without
//! further disturbance, the operator converges to the one expected state and then plans no write.
//!
//! The plan under test is the real one. The model covers its surroundings: API server, watches and the other writer.

#![expect(clippy::panic, reason = "a state that must not be is the failure of the test")]
#![expect(
    clippy::print_stdout,
    reason = "how many states were seen says whether the test means anything"
)]

#[path = "../common/mod.rs"]
mod common;

mod disturbances;
mod expected;
mod fingerprint;
mod watches;
mod writes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use plan::object::{Lifecycle, Object};
use serde_json::json;

use common::server::{Action, Key, Server};
use common::{World, created, object};
use disturbances::{Declaration, Other};
use expected::assert_right;
use watches::listed;
use writes::planned;

/// How much may happen in one run: enough for every pair of disturbances to meet a crash, and small enough for a
/// minute.
const OTHERS: u8 = 1;
const CRASHES: u8 = 1;
const DECLARATIONS: u8 = 2;
/// An operator that needs more writes than this to come to rest undoes its own.
const WRITES_TO_REST: usize = 24;

#[derive(Clone)]
struct State {
    server: Server,
    /// What the operator believes; none while it is down.
    view: Option<World>,
    /// A write that was sent and has not arrived.
    in_flight: Option<(Key, Action)>,
    others: u8,
    crashes: u8,
    declarations: u8,
    /// The object `two` once its credentials are there; none when they are.
    successor: Option<Arc<Object>>,
}

fn two_objects(shared_name: bool) -> State {
    watched(cluster_of_two(shared_name))
}

fn cluster_of_two(shared_name: bool) -> World {
    let spec = |name: &str| {
        let selectors = json!([{"matchLabels": {"pull": "yes"}}]);
        let secret = if shared_name {
            json!({"name": "shared"})
        } else {
            json!({ "name": name })
        };
        object(name, &json!({"namespaces": {"selectors": selectors}, "secret": secret}))
    };
    World::of([created(1, spec("one")), created(2, spec("two"))])
        .namespace("m", &[("pull", "yes")])
        .namespace("n", &[("pull", "yes")])
        .account("m/default", common::account(&["x"], &[]))
        // It was there before the operator.
        .account(
            "n/default",
            common::account(&[if shared_name { "y" } else { "two" }], &[]),
        )
}

fn watched(world: World) -> State {
    State {
        view: Some(listed(&world)),
        server: Server::new(world, false),
        in_flight: None,
        others: OTHERS,
        crashes: CRASHES,
        declarations: DECLARATIONS,
        successor: None,
    }
}

/// A person renames an object in Git, and it keeps its Secret's name.
///
/// All copies and references of `one` are in place. `two` is new and cannot act before its credentials resolve.
fn renamed() -> State {
    let mut start = State {
        declarations: 0,
        ..two_objects(true)
    };
    let [one, two] = [0, 1].map(|at| Arc::clone(&start.truth().objects[at]));
    start.server.world.objects.truncate(1);
    start.view = None;
    let mut start = start.rest();
    let unresolved = Object {
        payload: None,
        ..common::with_lifecycle(Lifecycle::Frozen, (*two).clone())
    };
    start.server.world.objects = vec![one, Arc::new(unresolved)];
    State {
        declarations: DECLARATIONS,
        others: 0,
        successor: Some(two),
        ..start
    }
}

impl State {
    fn truth(&self) -> &World {
        &self.server.world
    }

    /// Every state that can come next.
    fn next(&self) -> Vec<State> {
        let mut next = Vec::new();
        let mut step = |change: &dyn Fn(&mut State)| {
            let mut state = self.clone();
            change(&mut state);
            next.push(state);
        };
        if self.declarations > 0 {
            for declaration in [
                Declaration::Delete,
                Declaration::Rotate,
                Declaration::LabelOut,
                Declaration::LabelIn,
            ] {
                step(&|state| state.declare(declaration));
            }
        }
        if self.others > 0 {
            use Other::{AppendsEntry, DeletesCopy, EditsCopy, RemovesOurEntry, Squats, StripsLabel};
            for other in [
                AppendsEntry,
                RemovesOurEntry,
                StripsLabel,
                EditsCopy,
                DeletesCopy,
                Squats,
            ] {
                step(&|state| state.interfere(other));
            }
        }
        if self.successor.is_some() {
            step(&State::resolve_credentials);
        }
        let Some(view) = &self.view else {
            step(&|state| state.view = Some(listed(&state.server.world)));
            return next;
        };
        if self.crashes > 0 {
            step(&|state| state.crash(false));
            if self.in_flight.is_some() {
                step(&|state| state.crash(true));
            }
        }
        for news in self.news(view) {
            step(&|state| state.deliver(&news));
        }
        if self.in_flight.is_some() {
            step(&State::land);
        } else {
            for write in planned(view) {
                step(&|state| state.in_flight = Some(write.clone()));
            }
            step(&State::remove_finalizers);
        }
        next
    }

    /// Ends all disturbance: delivers all events, and lets the operator work until it plans no write.
    fn rest(mut self) -> Self {
        self.resolve_credentials();
        for _ in 0..WRITES_TO_REST {
            if self.work() {
                return self;
            }
        }
        panic!("does not come to rest: {:#?}", self.truth());
    }

    /// Lands the write in flight, delivers all events, and sends the next write. Returns whether there is none.
    fn work(&mut self) -> bool {
        if self.in_flight.is_some() && self.view.is_some() {
            self.land();
        }
        let view = self.view.get_or_insert_with(|| listed(&self.server.world)).clone();
        for news in self.news(&view) {
            self.deliver(&news);
        }
        self.remove_finalizers();
        let view = self.view.clone().unwrap_or_default();
        self.in_flight = planned(&view).into_iter().next();
        self.in_flight.is_none() && self.news(&view).is_empty()
    }
}

/// The fingerprints of states from which the operator comes to the expected rest, each with how many writes that takes.
///
/// What the operator does without disturbance is determined by the state. So most states end on a path that is known.
#[derive(Default)]
struct Resting(BTreeMap<u64, usize>);

impl Resting {
    /// Lets the operator work from this state, to a state that is known or to its rest.
    fn assert_reached(&mut self, from: &State) {
        // Nothing disturbs any more, so what else could have happened does not matter.
        let mut state = State {
            others: 0,
            crashes: 0,
            declarations: 0,
            ..from.clone()
        };
        state.resolve_credentials();
        let mut path = Vec::new();
        let writes = loop {
            let fingerprint = state.fingerprint();
            if let Some(writes) = self.0.get(&fingerprint) {
                break *writes;
            }
            path.push(fingerprint);
            if state.work() {
                assert_right(&state);
                break 0;
            }
            assert!(
                path.len() < WRITES_TO_REST,
                "does not come to rest: {:#?}",
                state.truth()
            );
        };
        let all = writes + path.len();
        assert!(
            all <= WRITES_TO_REST,
            "{all} writes to come to rest: {:#?}",
            from.truth()
        );
        let steps = (writes + 1..).zip(path.into_iter().rev());
        self.0.extend(steps.map(|(writes, fingerprint)| (fingerprint, writes)));
    }
}

fn explore(start: State) {
    let mut resting = Resting::default();
    let mut seen = BTreeSet::from([start.fingerprint()]);
    let mut queue = VecDeque::from([start]);
    while let Some(state) = queue.pop_front() {
        resting.assert_reached(&state);
        for next in state.next() {
            if seen.insert(next.fingerprint()) {
                queue.push_back(next);
            }
        }
    }
    println!("{} states", seen.len());
    assert!(
        seen.len() > 1_000,
        "the exploration did not get anywhere: {} states",
        seen.len()
    );
}

/// From every state of the exploration.
#[test]
fn two_separate_objects_always_converge() {
    explore(two_objects(false));
}

/// From every state of the exploration.
#[test]
fn two_objects_of_one_name_always_converge() {
    explore(two_objects(true));
}

/// From every state of the exploration.
#[test]
fn renamed_objects_take_over_their_copies() {
    explore(renamed());
}

/// From every state of the exploration.
#[test]
fn two_objects_of_managed_names_always_converge() {
    explore(watched(cluster_of_two(false).managing(&["one", "two"])));
}

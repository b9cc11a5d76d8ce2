//! What the connections of one proxy share: the fault that is armed, what has happened, and what goes on for a while.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::plan::{ACT, Answer, Fault, Trigger};
use super::targets::FaultTargets;

/// What happened at the proxy since it was last armed.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Each write and read that the server took, and each event of a watch, in their order, by what it is about.
    pub seen: Vec<String>,
    /// The fault struck.
    pub fired: bool,
    /// When its effect is over, if it struck and has a length.
    pub lasts_until: Option<Instant>,
    /// How often somebody else undid a write, of the object of which it was most often.
    pub undone: usize,
    /// Something was shown as it had been.
    pub stale: bool,
    /// A watch that the fault ended is not open again yet: what the operator makes of it is still to come.
    pub watch_is_shut: bool,
}

/// What goes wrong with every request now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Outage {
    /// Nothing does.
    #[default]
    None,
    /// Its connection ends.
    Refuse,
    /// It waits.
    Hang,
    /// It gets this.
    Answer(Answer),
    /// It is answered, and watches say nothing.
    Lag,
    /// It waits for so long.
    Slow(Duration),
    /// One with another token than this gets 401.
    Token(String),
}

/// See the module.
pub(super) struct Shared {
    pub(super) upstream: Client,
    /// What else a fault can reach.
    pub(super) targets: FaultTargets,
    /// The operator, for a fault that ends it.
    pub(super) target: AtomicI32,
    armed: Mutex<Option<(Trigger, Fault)>>,
    counts: Mutex<HashMap<String, u32>>,
    seen: Mutex<Vec<String>>,
    pub(super) fired: AtomicBool,
    until: Mutex<Option<Instant>>,
    pub(super) outage: watch::Sender<Outage>,
    /// The rules as they were, while one of them is gone.
    pub(super) rights: Mutex<Option<(Vec<Value>, Vec<Value>)>>,
    /// The next streamed list of this kind takes its time.
    slow_list: Mutex<Option<String>>,
    /// The kind of the watch that a fault ended, until it is open again.
    shut: Mutex<Option<String>>,
    /// The version of the store before users began to act.
    pub(super) begun: AtomicU64,
    /// What is shown as it was then, and until when.
    pub(super) stale: Mutex<Option<(Option<&'static str>, Instant)>>,
    /// What somebody else undoes (every account, if none is named), and until when.
    pub(super) undoes: Mutex<Option<(Option<String>, Instant)>>,
    /// How often, by what it is about.
    pub(super) undone: Mutex<HashMap<String, usize>>,
    /// What is answered in the server's place, with what, and until when.
    pub(super) persists: Mutex<Option<(String, Answer, Instant)>>,
    /// The process that died is not to be started again.
    pub(super) stays_dead: AtomicBool,
    /// The server streams no lists, and its pages are small.
    pub(super) paged: AtomicBool,
    /// All versions seem to be much higher than they are.
    pub(super) raised: AtomicBool,
    pub(super) writes: AtomicU64,
}

impl Shared {
    pub(super) fn new(upstream: Client, targets: FaultTargets) -> Self {
        Self {
            upstream,
            targets,
            target: AtomicI32::new(0),
            armed: Mutex::default(),
            counts: Mutex::default(),
            seen: Mutex::default(),
            fired: AtomicBool::new(false),
            until: Mutex::default(),
            outage: watch::Sender::default(),
            rights: Mutex::default(),
            slow_list: Mutex::default(),
            shut: Mutex::default(),
            begun: AtomicU64::new(0),
            stale: Mutex::default(),
            undoes: Mutex::default(),
            undone: Mutex::default(),
            persists: Mutex::default(),
            stays_dead: AtomicBool::new(false),
            paged: AtomicBool::new(false),
            raised: AtomicBool::new(false),
            writes: AtomicU64::new(0),
        }
    }

    /// Begins a record, with a fault or none. Whatever went wrong before is over.
    pub(super) fn arm(&self, fault: Option<(Trigger, Fault)>) {
        self.outage.send_replace(Outage::None);
        *lock(&self.armed) = fault;
        lock(&self.counts).clear();
        lock(&self.seen).clear();
        *lock(&self.until) = None;
        *lock(&self.slow_list) = None;
        *lock(&self.shut) = None;
        *lock(&self.stale) = None;
        *lock(&self.undoes) = None;
        lock(&self.undone).clear();
        *lock(&self.persists) = None;
        self.fired.store(false, Ordering::SeqCst);
        self.stays_dead.store(false, Ordering::SeqCst);
    }

    /// What happened since it was armed.
    pub(super) fn record(&self) -> Record {
        Record {
            seen: lock(&self.seen).clone(),
            fired: self.fired.load(Ordering::SeqCst),
            lasts_until: *lock(&self.until),
            undone: lock(&self.undone).values().copied().max().unwrap_or_default(),
            stale: lock(&self.stale).is_some(),
            watch_is_shut: lock(&self.shut).is_some(),
        }
    }

    /// Counts what is about to happen, and gives the fault that strikes here.
    pub(super) fn strikes(&self, what: &str) -> Option<Fault> {
        let mut counts = lock(&self.counts);
        let count = counts.entry(what.to_owned()).or_default();
        *count += 1;
        let mut armed = lock(&self.armed);
        let strikes = armed
            .as_ref()
            .is_some_and(|(trigger, _)| trigger.what == what && trigger.occurrence == *count);
        let (_, fault) = if strikes { armed.take() } else { None }?;
        // What goes wrong with everything has struck when something met it.
        self.fired.store(what != ACT, Ordering::SeqCst);
        self.lasts(fault.lasts());
        Some(fault)
    }

    /// The effect of the fault goes on for at least so long.
    pub(super) fn lasts(&self, length: Duration) {
        let mut until = lock(&self.until);
        *until = (*until).max(Some(Instant::now() + length));
    }

    /// A fault ends a watch of this kind.
    pub(super) fn shuts(&self, resource: &str) {
        *lock(&self.shut) = Some(resource.to_owned());
    }

    /// A watch of this kind is open.
    pub(super) fn opened(&self, resource: &str) {
        lock(&self.shut).take_if(|shut| shut == resource);
    }

    /// The history of this kind is lost.
    pub(super) fn lost_history(&self, resource: &str) {
        *lock(&self.slow_list) = Some(resource.to_owned());
    }

    /// Whether this watch begins with the list that replaces a lost history.
    pub(super) fn replaces_history(&self, resource: &str) -> bool {
        lock(&self.slow_list).take_if(|lost| lost == resource).is_some()
    }

    pub(super) fn saw(&self, what: &str) {
        lock(&self.seen).push(what.to_owned());
    }

    /// What this write is answered with for now, in the server's place.
    pub(super) fn persists(&self, what: &str) -> Option<Answer> {
        let persists = lock(&self.persists);
        let (key, refusal, until) = persists.as_ref()?;
        (key == what && Instant::now() < *until).then_some(*refusal)
    }

    /// Until when things of this kind are shown as they were.
    pub(super) fn is_stale(&self, resource: &str) -> Option<Instant> {
        let (kind, until) = (*lock(&self.stale))?;
        (kind.is_none_or(|kind| kind == resource) && Instant::now() < until).then_some(until)
    }

    /// Whether the fault that is armed is one of events that come to pass, and not of a list at the head of a watch.
    pub(super) fn spares_lists(&self) -> bool {
        lock(&self.armed)
            .as_ref()
            .is_some_and(|(_, fault)| *fault == Fault::Lose)
    }

    pub(super) fn kill(&self) {
        let pid = self.target.swap(0, Ordering::SeqCst);
        if pid > 0 {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = self.target.load(Ordering::SeqCst);
        if pid > 0 {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

/// What the mutex guards, also after a panic of somebody who held it.
pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

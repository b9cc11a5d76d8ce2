//! State shared by the connections of one proxy: the armed fault, the record, and lasting effects.

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

/// Record of the proxy since it was last armed.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The subject of each write and read that the server accepted, and of each event of a watch, in order.
    pub seen: Vec<String>,
    /// Whether the fault struck.
    pub fired: bool,
    /// When its effect ends, if it struck and has a length.
    pub lasts_until: Option<Instant>,
    /// How often another writer undid a write, for the object with the most undone writes.
    pub undone: usize,
    /// Whether the proxy showed old state.
    pub stale: bool,
    /// Whether a watch that the fault ended is not open yet. The operator's reaction to it is then still outstanding.
    pub watch_is_shut: bool,
}

/// The current effect on every request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Outage {
    /// No effect.
    #[default]
    None,
    /// The connection ends.
    Refuse,
    /// The request waits.
    Hang,
    /// The proxy answers with this.
    Answer(Answer),
    /// The request is answered, but watches are silent.
    Lag,
    /// The request waits this long.
    Slow(Duration),
    /// A request with any other token gets 401.
    Token(String),
}

/// State shared by the connections; see the module.
pub(super) struct Shared {
    pub(super) upstream: Client,
    /// Targets of a fault beyond the connection.
    pub(super) targets: FaultTargets,
    /// The process of the operator, for a fault that ends it.
    pub(super) target: AtomicI32,
    armed: Mutex<Option<(Trigger, Fault)>>,
    counts: Mutex<HashMap<String, u32>>,
    seen: Mutex<Vec<String>>,
    pub(super) fired: AtomicBool,
    until: Mutex<Option<Instant>>,
    pub(super) outage: watch::Sender<Outage>,
    /// The original rules, while one of them is missing.
    pub(super) rights: Mutex<Option<(Vec<Value>, Vec<Value>)>>,
    /// The kind whose next streamed list is slow.
    slow_list: Mutex<Option<String>>,
    /// The kind of the watch that a fault ended, until it is open again.
    shut: Mutex<Option<String>>,
    /// The version of the store before users acted.
    pub(super) begun: AtomicU64,
    /// The kinds with old state, and until when.
    pub(super) stale: Mutex<Option<(Option<&'static str>, Instant)>>,
    /// The object whose writes are undone (every account, if it names none), and until when.
    pub(super) undoes: Mutex<Option<(Option<String>, Instant)>>,
    /// How often, by subject.
    pub(super) undone: Mutex<HashMap<String, usize>>,
    /// The subject with a persistent answer, the answer, and until when.
    pub(super) persists: Mutex<Option<(String, Answer, Instant)>>,
    /// Whether the process that died must stay down.
    pub(super) stays_dead: AtomicBool,
    /// Whether the server lacks streamed lists and has small pages.
    pub(super) paged: AtomicBool,
    /// Whether all versions appear much higher than they are.
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

    /// Begins a record, with or without a fault. It ends all earlier faults.
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

    /// Returns the events since the proxy was armed.
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

    /// Counts the next request or event, and returns the fault that strikes there.
    pub(super) fn strikes(&self, what: &str) -> Option<Fault> {
        let mut counts = lock(&self.counts);
        let count = counts.entry(what.to_owned()).or_default();
        *count += 1;
        let mut armed = lock(&self.armed);
        let strikes = armed
            .as_ref()
            .is_some_and(|(trigger, _)| trigger.what == what && trigger.occurrence == *count);
        let (_, fault) = if strikes { armed.take() } else { None }?;
        // A fault of all requests has struck when a request met it.
        self.fired.store(what != ACT, Ordering::SeqCst);
        self.lasts(fault.lasts());
        Some(fault)
    }

    /// Extends the effect of the fault to at least this length.
    pub(super) fn lasts(&self, length: Duration) {
        let mut until = lock(&self.until);
        *until = (*until).max(Some(Instant::now() + length));
    }

    /// Records that a fault ends a watch of this kind.
    pub(super) fn shuts(&self, resource: &str) {
        *lock(&self.shut) = Some(resource.to_owned());
    }

    /// Records that a watch of this kind is open.
    pub(super) fn opened(&self, resource: &str) {
        lock(&self.shut).take_if(|shut| shut == resource);
    }

    /// Records that the history of this kind is lost.
    pub(super) fn lost_history(&self, resource: &str) {
        *lock(&self.slow_list) = Some(resource.to_owned());
    }

    /// Returns whether this watch begins with the list that replaces a lost history.
    pub(super) fn replaces_history(&self, resource: &str) -> bool {
        lock(&self.slow_list).take_if(|lost| lost == resource).is_some()
    }

    pub(super) fn saw(&self, what: &str) {
        lock(&self.seen).push(what.to_owned());
    }

    /// Returns the current persistent answer to this write.
    pub(super) fn persists(&self, what: &str) -> Option<Answer> {
        let persists = lock(&self.persists);
        let (key, refusal, until) = persists.as_ref()?;
        (key == what && Instant::now() < *until).then_some(*refusal)
    }

    /// Returns until when this kind shows old state.
    pub(super) fn is_stale(&self, resource: &str) -> Option<Instant> {
        let (kind, until) = (*lock(&self.stale))?;
        (kind.is_none_or(|kind| kind == resource) && Instant::now() < until).then_some(until)
    }

    /// Returns whether the armed fault affects events only, and not the list at the head of a watch.
    pub(super) fn spares_lists(&self) -> bool {
        lock(&self.armed)
            .as_ref()
            .is_some_and(|(_, fault)| *fault == Fault::Lose)
    }

    pub(super) fn kill(&self) {
        let pid = self.target.swap(0, Ordering::SeqCst);
        if pid > 0 {
            // The process may have ended by itself.
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

/// Locks the mutex, also after a panic of an earlier holder.
pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

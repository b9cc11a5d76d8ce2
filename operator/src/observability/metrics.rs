//! Metrics served on `/metrics` in `OpenMetrics` format. `config/monitoring/metrics.md` lists them, and is generated
//! from here.
//!
//! # Guarantees
//!
//! - Labels never hold a namespace, an account or content of a Secret. The only variable label is the name of an
//!   object, whose series end with the object.
//! - An event or a write never allocates. Counters exist from the start, and derived values are computed per scrape.
//! - A standby reports its own state: it sees the objects and their status, writes none, and does not lead.

mod catalogue;
mod object;
mod process;
mod serve;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use crd::FailureReason;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

use crate::api::watch_health::WatchHealth;
use crate::leadership::Leadership;
use crate::queue::Depth;
use crate::work::Provisioned;
use catalogue::Catalogue;
pub use catalogue::table;
use object::Objects;
pub use object::{Facts, State};
pub use serve::serve;

type One = [(&'static str, &'static str); 1];
type Two = [(&'static str, &'static str); 2];
type Seconds = Gauge<f64, AtomicU64>;

/// Kinds of writes, the values of the label `kind`.
pub const WRITES: [&str; 13] = [
    "create",
    "update",
    "reclaim",
    "assign",
    "release",
    "delete",
    "empty",
    "account",
    "pod",
    "finalizer",
    "status",
    "state",
    "event",
];

/// Results of writes, the values of the label `result`.
pub const RESULTS: [&str; 6] = ["done", "conflict", "gone", "throttled", "refused", "unavailable"];

const REASONS: [FailureReason; 11] = [
    FailureReason::SecretConflict,
    FailureReason::Forbidden,
    FailureReason::QuotaExceeded,
    FailureReason::AdmissionDenied,
    FailureReason::NameNotPermitted,
    FailureReason::SourceName,
    FailureReason::Contended,
    FailureReason::TooLarge,
    FailureReason::HeldByFinalizer,
    FailureReason::NotRestrained,
    FailureReason::ServerError,
];

/// Buckets from one or two writes on an idle server to a namespace that waits for another controller.
const PROVISION_BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
/// Buckets from one namespace to tens of thousands.
const RECONCILE_BUCKETS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];

/// The text is rendered at most once in this time, for any number of scrapes.
const RENDER_INTERVAL: Duration = Duration::from_millis(100);

/// The metrics of the operator. All clones share them.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    writes: Family<Two, Counter>,
    failures: Family<One, Gauge>,
    secrets_provisioned: Histogram,
    accounts_provisioned: Histogram,
    reconciled: Histogram,
    fresh: Gauge,
    bulk: Gauge,
    delayed: Gauge,
    in_flight: Gauge,
    leads: Gauge,
    restraint_missing: Gauge,
    watch_age: Family<One, Seconds>,
    process: process::Gauges,
    objects: Objects,
    /// Facts by object name, as the object controller reports them.
    facts: Mutex<BTreeMap<Arc<str>, Facts>>,
    /// The latest text, and when it was rendered. The lock is held until the next text is complete, so that concurrent
    /// scrapes do not render twice.
    rendered: Mutex<Option<(Instant, Bytes)>>,
    leadership: Leadership,
    watch_health: WatchHealth,
}

impl Metrics {
    /// Starts all metrics at zero. Leadership and the ages of watches are read from the arguments at each scrape.
    pub fn new(leadership: Leadership, watch_health: WatchHealth) -> Self {
        Self(Arc::new(Inner::new(
            &mut Catalogue::default(),
            leadership,
            watch_health,
        )))
    }

    /// Returns [`Metrics::wrote`] as a function for a writer.
    pub fn counter(&self) -> impl Fn(&'static str, &'static str) + Send + Sync + 'static {
        let metrics = self.clone();
        move |kind, result| metrics.wrote(kind, result)
    }

    /// Counts a finished write. See [`WRITES`] and [`RESULTS`].
    pub fn wrote(&self, kind: &'static str, result: &'static str) {
        self.0.writes.get_or_create(&two(kind, result)).inc();
    }

    /// Records how long a copy or reference was missing before it existed.
    pub fn provisioned(&self, what: Provisioned, after: Duration) {
        let histogram = match what {
            Provisioned::Secret => &self.0.secrets_provisioned,
            Provisioned::Account => &self.0.accounts_provisioned,
        };
        histogram.observe(after.as_secs_f64());
    }

    /// Records how long a change took until it was applied everywhere.
    pub fn reconciled(&self, after: Duration) {
        self.0.reconciled.observe(after.as_secs_f64());
    }

    /// Records the depth of the namespace controller's queue, and its writes in flight.
    pub fn queue(&self, depth: Depth, in_flight: usize) {
        self.0.fresh.set(count(depth.fresh));
        self.0.bulk.set(count(depth.bulk));
        self.0.delayed.set(count(depth.delayed));
        self.0.in_flight.set(count(in_flight));
    }

    /// Records the number of failed copies and references per reason.
    pub fn failures(&self, of: impl Fn(FailureReason) -> usize) {
        for reason in REASONS {
            let series = [("reason", reason.as_str())];
            self.0.failures.get_or_create(&series).set(count(of(reason)));
        }
    }

    /// Records the facts of an object.
    pub fn object(&self, name: &Arc<str>, facts: Facts) {
        lock(&self.0.facts).insert(Arc::clone(name), facts);
    }

    /// Drops the series of a deleted object.
    pub fn forget_object(&self, name: &str) {
        lock(&self.0.facts).remove(name);
    }

    /// Returns the metrics as text, rendered at most `RENDER_INTERVAL` ago.
    pub fn text(&self) -> Bytes {
        let mut rendered = lock(&self.0.rendered);
        let now = Instant::now();
        if let Some((at, text)) = &*rendered
            && now < *at + RENDER_INTERVAL
        {
            return text.clone();
        }
        let text = Bytes::from(self.render());
        *rendered = Some((now, text.clone()));
        text
    }

    /// Renders the metrics as text. The caller must prevent concurrent calls.
    pub(crate) fn render(&self) -> String {
        let Inner {
            registry,
            leads,
            restraint_missing,
            watch_age,
            process,
            objects,
            facts,
            leadership,
            watch_health,
            ..
        } = &*self.0;
        objects.show(&lock(facts));
        leads.set(leadership.holds_lease().into());
        restraint_missing.set((leadership.holds_lease() && leadership.lacks_restraint()).into());
        watch_age.clear();
        for (name, age) in watch_health.ages() {
            watch_age.get_or_create(&[("watch", name)]).set(age.as_secs_f64());
        }
        process.read();
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, registry) {
            Ok(()) => text,
            // Writing to a String cannot fail.
            Err(_) => String::new(),
        }
    }
}

impl Inner {
    /// Adds the metrics in the order of the table.
    fn new(all: &mut Catalogue, leadership: Leadership, watch_health: WatchHealth) -> Self {
        let version = Family::<One, Gauge>::default();
        version.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        let help = "Version of the operator; always 1";
        all.add("pullsecrets_build_info", None, &["version"], help, version);
        let help = "1 if this replica leads and writes, else 0; always 1 without leader election";
        let leads = all.add("pullsecrets_leader", None, &[], help, Gauge::default());
        let help = "1 if this replica leads and has no proof of the admission policies that it requires, else 0";
        let restraint_missing = all.add("pullsecrets_restraint_missing", None, &[], help, Gauge::default());
        let objects = Objects::new(all);
        let failures = add_failures(all);
        let writes = add_writes(all);
        let [secrets_provisioned, accounts_provisioned] = add_provisioned(all);
        let help = "Time from seeing a change of an object, or of its source, until it is applied everywhere";
        let name = "pullsecrets_reconcile_duration";
        let reconciled = Histogram::new(RECONCILE_BUCKETS);
        let reconciled = all.add(name, Some(Unit::Seconds), &[], help, reconciled);
        let [fresh, bulk, delayed] = add_queue(all);
        let help = "Writes into namespaces in flight, with the reads before and after them; at most --concurrency";
        let in_flight = all.add("pullsecrets_writes_in_flight", None, &[], help, Gauge::default());
        let help = "Time since a watch last received an event or a bookmark; of several watches of a kind the \
            longest. A healthy watch stays below about a minute";
        let (name, watch_age) = ("pullsecrets_watch_age", Family::default());
        let watch_age = all.add(name, Some(Unit::Seconds), &["watch"], help, watch_age);
        let process = process::Gauges::new(all);
        Self {
            registry: all.take(),
            writes,
            failures,
            secrets_provisioned,
            accounts_provisioned,
            reconciled,
            fresh,
            bulk,
            delayed,
            in_flight,
            leads,
            restraint_missing,
            watch_age,
            process,
            objects,
            facts: Mutex::default(),
            rendered: Mutex::default(),
            leadership,
            watch_health,
        }
    }
}

fn add_failures(all: &mut Catalogue) -> Family<One, Gauge> {
    let help = "Copies and references that this replica failed to apply, by reason; 0 on a standby";
    let failures = Family::<One, Gauge>::default();
    for reason in REASONS {
        failures.get_or_create(&[("reason", reason.as_str())]).set(0);
    }
    all.add("pullsecrets_failures", None, &["reason"], help, failures)
}

fn add_writes(all: &mut Catalogue) -> Family<Two, Counter> {
    let help = "Finished writes to the API server, without those of the Lease, by kind (create, update, reclaim, \
        assign, release, delete, empty: a copy; account: references of a ServiceAccount; pod: \
        the deletion of a Pod; finalizer, status: an \
        object; state: its state Secret; event) and result (done; conflict: the write lost a race or the name is \
        taken; gone: the namespace or object no longer exists; throttled: 429; refused; unavailable: no answer, \
        or an error of the server)";
    let writes = Family::<Two, Counter>::default();
    for kind in WRITES {
        for result in RESULTS {
            writes.get_or_create(&two(kind, result)).inc_by(0);
        }
    }
    all.add("pullsecrets_writes", None, &["kind", "result"], help, writes)
}

/// Returns the series of Secrets and of accounts.
fn add_provisioned(all: &mut Catalogue) -> [Histogram; 2] {
    let help = "Time from seeing that a selected namespace lacks its copy, or a selected ServiceAccount its \
        reference, until it exists; changes of objects and the start of the operator do not count";
    let provisioned = Family::<One, Histogram>::new_with_constructor(|| Histogram::new(PROVISION_BUCKETS));
    let series = ["secret", "service_account"].map(|what| provisioned.get_or_create_owned(&[("what", what)]));
    let name = "pullsecrets_serve_duration";
    all.add(name, Some(Unit::Seconds), &["what"], help, provisioned);
    series
}

/// Returns the series of the lanes fresh, bulk and delayed.
fn add_queue(all: &mut Catalogue) -> [Gauge; 3] {
    let help = "Copies and ServiceAccounts that wait for a write, by lane: fresh (adds what is missing, or \
        removes), bulk (changes what exists), delayed (retries later)";
    let queue = Family::<One, Gauge>::default();
    let series = ["fresh", "bulk", "delayed"].map(|lane| queue.get_or_create_owned(&[("lane", lane)]));
    all.add("pullsecrets_queue_depth", None, &["lane"], help, queue);
    series
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn two(kind: &'static str, result: &'static str) -> Two {
    [("kind", kind), ("result", result)]
}

#[cfg(test)]
mod tests;

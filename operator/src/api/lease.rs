//! Leader election: only the replica that holds the Lease `pullsecrets` in the operator's namespace writes.
//!
//! [`plan::election`] decides each step, and this file carries it out. Each write of the Lease carries its
//! resourceVersion.
//!
//! A leader that cannot renew exits, and the next process starts from what the cluster holds. A standby keeps its
//! caches warm.
//!
//! # Outside this module
//!
//! Fencing. A process that was suspended may still send a write after it wakes up. Each update carries the version that
//! it was planned from, so it cannot overwrite a later change.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use plan::election::{Candidate, Record, Step, Timing};
use plan::identity::ResourceVersion;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::api::call::{call_within, found};
use crate::leadership::Leadership;
use crate::outcome::ApiError;

/// The name of the Lease.
pub const LEASE: &str = "pullsecrets";

/// Deadline of one call. Two of them fit into the time in which a leader must renew.
pub const DEADLINE: Duration = Duration::from_secs(4);

/// A candidate for leadership.
pub struct Election {
    api: Api<Lease>,
    identity: String,
    candidate: Candidate,
    leadership: Leadership,
    /// The Lease as last read or written. A write keeps its foreign fields.
    seen: Option<Lease>,
    /// The newest resourceVersion of the Lease so far.
    newest: Option<ResourceVersion>,
    /// Number of consecutive answers with an older version.
    older: u8,
}

/// Number of consecutive answers with an older version after which the store counts as restored. Each answer comes from
/// the server's store, never from a cache.
const OLDER_UNTIL_BELIEVED: u8 = 2;

impl Election {
    /// `client` serves only the Lease. `identity` must differ from that of every other live process.
    pub fn new(client: Client, namespace: &str, identity: String, leadership: Leadership) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            candidate: Candidate::new(identity.as_str(), Timing::default()),
            identity,
            leadership,
            seen: None,
            newest: None,
            older: 0,
        }
    }

    /// Leads, or waits to lead, until the token is cancelled. Returns earlier after it lost leadership.
    pub async fn run(&mut self, token: &CancellationToken) {
        loop {
            if self.older >= OLDER_UNTIL_BELIEVED {
                error!(
                    identity = self.identity,
                    "the Lease has an older version than before: the store of the API server was restored from a backup. \
                     Exiting, because the caches are no longer true"
                );
                self.leadership.end();
                return;
            }
            let now = self.leadership.clock().now();
            match self.candidate.next(now) {
                Step::Wait(until) => {
                    self.leadership.end_attempt();
                    let at = self.leadership.clock().instant(until) + self.jitter();
                    tokio::select! {
                        () = token.cancelled() => return,
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
                Step::Read => self.read().await,
                Step::Resign => {
                    warn!(
                        identity = self.identity,
                        "lost the Lease: no renewal succeeded in time, or another replica acquired it"
                    );
                    self.leadership.end();
                    return;
                }
                Step::Create => self.write(None).await,
                Step::Acquire | Step::Renew => self.write(self.seen.clone()).await,
            }
        }
    }

    /// Releases the Lease, so that the next leader need not wait for it to expire. No write may be in flight when it is
    /// called.
    pub async fn release(&mut self) {
        if !self.leadership.holds_lease() {
            return;
        }
        self.leadership.end();
        let Some(mut lease) = self.seen.take() else {
            return;
        };
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(now());
        match call_within(DEADLINE, self.api.replace(LEASE, &PostParams::default(), &lease)).await {
            Ok(_) => info!("released the Lease"),
            Err(error) => warn!(setback = %error, "failed to release the Lease; it expires by itself"),
        }
    }

    /// Records the version of the Lease. A server numbers later writes higher.
    fn note(&mut self, lease: &Lease) {
        let shown = ResourceVersion::from(lease.metadata.resource_version.as_deref().unwrap_or_default());
        if self.newest.as_ref().is_some_and(|newest| shown.is_older_than(newest)) {
            self.older += 1;
        } else {
            self.older = 0;
            self.newest = Some(shown);
        }
    }

    /// Spreads the attempts of waiting replicas.
    fn jitter(&self) -> Duration {
        let most = if self.leadership.holds_lease() { 0.0 } else { 0.4 };
        Duration::from_secs(1).mul_f64(rand::Rng::random_range(&mut rand::rng(), 0.0..=most))
    }

    async fn read(&mut self) {
        let read = found(call_within(DEADLINE, self.api.get(LEASE)).await);
        let now = self.leadership.clock().now();
        match read {
            Ok(lease) => {
                if let Some(lease) = &lease {
                    self.note(lease);
                }
                self.candidate.saw(lease.as_ref().map(record), now);
                self.seen = lease;
            }
            Err(error) => {
                warn!(setback = %error, "failed to read the Lease, retrying");
                self.candidate.failed(now);
            }
        }
    }

    /// Writes our identity and the time into the Lease that was seen, or into a new one.
    async fn write(&mut self, seen: Option<Lease>) {
        let sent = self.leadership.clock().now();
        let params = PostParams::default();
        let written = match seen {
            None => {
                let lease = self.in_our_name(Lease {
                    metadata: ObjectMeta {
                        name: Some(LEASE.to_owned()),
                        ..ObjectMeta::default()
                    },
                    spec: None,
                });
                call_within(DEADLINE, self.api.create(&params, &lease)).await
            }
            Some(lease) => {
                let lease = self.in_our_name(lease);
                call_within(DEADLINE, self.api.replace(LEASE, &params, &lease)).await
            }
        };
        match written {
            Ok(lease) => {
                if !self.leadership.holds_lease() {
                    info!(identity = self.identity, "leading");
                }
                self.note(&lease);
                self.candidate.wrote(record(&lease), sent);
                self.seen = Some(lease);
                if let Some(until) = self.candidate.leads_until() {
                    self.leadership.extend(until);
                }
            }
            Err(ApiError::Conflict | ApiError::NotFound) => self.candidate.raced(self.leadership.clock().now()),
            Err(error) => {
                warn!(setback = %error, "failed to write the Lease, retrying");
                self.candidate.failed(self.leadership.clock().now());
            }
        }
    }

    fn in_our_name(&self, mut lease: Lease) -> Lease {
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.identity) {
            let transitions = spec
                .lease_transitions
                .map_or(0, |transitions| transitions.saturating_add(1));
            spec.holder_identity = Some(self.identity.clone());
            spec.lease_transitions = Some(transitions);
            spec.acquire_time = Some(now());
        }
        let seconds = i32::try_from(Timing::default().lease_duration.as_secs()).unwrap_or(i32::MAX);
        spec.lease_duration_seconds = Some(seconds);
        spec.renew_time = Some(now());
        lease
    }
}

fn record(lease: &Lease) -> Record {
    let empty = LeaseSpec::default();
    let spec = lease.spec.as_ref().unwrap_or(&empty);
    let holder = spec.holder_identity.as_deref().filter(|holder| !holder.is_empty());
    let renewed = spec.renew_time.as_ref().map(|time| time.0.to_string());
    let seconds = spec
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok());
    Record {
        holder: holder.map(Into::into),
        lease_duration: Duration::from_secs(seconds.unwrap_or_default()),
        renew_time: renewed.unwrap_or_default().into(),
    }
}

/// Returns the reference to the operator's own Lease, which Events about the operator itself are about.
pub fn reference(namespace: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("coordination.k8s.io/v1".to_owned()),
        kind: Some("Lease".to_owned()),
        name: Some(LEASE.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ObjectReference::default()
    }
}

fn now() -> MicroTime {
    MicroTime(jiff::Timestamp::now())
}

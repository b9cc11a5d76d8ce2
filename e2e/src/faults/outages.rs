//! Faults that affect all requests for a while: outages, storms, a missing token or right, a stopped process.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderMap, Request};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::answers::{Answered, Error, answered};
use super::plan::{Answer, Fault};
use super::shared::{Outage, Shared, lock};
use super::targets::{CLUSTER_ROLE, FaultTargets, role};
use crate::SYSTEM_NAMESPACE;

/// How long a right is missing.
const WITHOUT_RIGHT: Duration = Duration::from_secs(3);

/// How long the server is down while its store is restored.
const PUT_BACK_FOR: Duration = Duration::from_millis(500);

impl Shared {
    /// Begins a fault that affects all requests, and schedules its end.
    pub(super) fn begin(self: &Arc<Self>, fault: Fault) {
        let shared = Arc::clone(self);
        let millis = |millis: u32| Duration::from_millis(millis.into());
        match fault {
            Fault::Refuse(length) => self.turns(Outage::Refuse, millis(length)),
            Fault::Hang(length) => self.turns(Outage::Hang, millis(length)),
            Fault::Throttle(length) => self.turns(Outage::Answer(Answer::TooManyRequests), millis(length)),
            Fault::Fail(length) => self.turns(Outage::Answer(Answer::InternalError), millis(length)),
            Fault::Restore => {
                self.raised.store(false, Ordering::SeqCst);
                self.turns(Outage::Refuse, PUT_BACK_FOR);
            }
            Fault::Lag(length) => self.turns(Outage::Lag, millis(length)),
            Fault::Slow(length) => drop(self.outage.send_replace(Outage::Slow(millis(length)))),
            Fault::Token => {
                let FaultTargets {
                    token_file,
                    spare_token,
                    ..
                } = &self.targets;
                // If the token is missing, the run fails because it never recovers.
                let _ = std::fs::write(token_file, spare_token);
                self.outage.send_replace(Outage::Token(spare_token.clone()));
            }
            Fault::Etcd(length) => self.stands_still(self.targets.etcd, millis(length)),
            Fault::Sleep(length) => {
                let pid = self.target.load(Ordering::SeqCst);
                self.stands_still(u32::try_from(pid).unwrap_or_default(), millis(length));
            }
            Fault::Rights(rule) => {
                self.lasts(WITHOUT_RIGHT);
                tokio::spawn(async move {
                    if shared.without_right(usize::from(rule)).await.is_ok() {
                        tokio::time::sleep(WITHOUT_RIGHT).await;
                    }
                    // The cleanup before the next run tries again, and reports the error.
                    let _ = shared.restore_rights().await;
                });
            }
            _ => {}
        }
    }

    fn turns(self: &Arc<Self>, outage: Outage, length: Duration) {
        self.lasts(length);
        self.outage.send_replace(outage.clone());
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(length).await;
            // A later run may have begun an outage of its own.
            shared.outage.send_if_modified(|now| {
                let same = *now == outage;
                if same {
                    *now = Outage::None;
                }
                same
            });
        });
    }

    /// Sends SIGSTOP, and SIGCONT after a while.
    fn stands_still(&self, process: u32, length: Duration) {
        let Some(pid) = i32::try_from(process).ok().filter(|&pid| pid > 0).map(Pid::from_raw) else {
            return;
        };
        self.lasts(length);
        // A process that has just ended needs no SIGSTOP.
        if kill(pid, Signal::SIGSTOP).is_ok() {
            self.fired.store(true, Ordering::SeqCst);
        }
        tokio::spawn(async move {
            tokio::time::sleep(length).await;
            let _ = kill(pid, Signal::SIGCONT);
        });
    }

    /// Waits until the outage matches.
    pub(super) async fn becomes(&self, like: impl Fn(&Outage) -> bool) {
        // The sender lives as long as `self`.
        let _ = self.outage.subscribe().wait_for(like).await;
    }

    /// Records that a request met the outage.
    pub(super) fn met_outage(&self) {
        self.fired.store(true, Ordering::SeqCst);
    }

    /// Applies the outage to a request before it reaches the server: an answer, or `None` to let it pass. An error ends
    /// the connection.
    pub(super) async fn meets(&self, headers: &HeaderMap) -> Result<Option<Answered>, Error> {
        let outage = self.outage.borrow().clone();
        if outage == Outage::None {
            return Ok(None);
        }
        match outage {
            Outage::None | Outage::Lag => {}
            Outage::Refuse => {
                self.met_outage();
                return Err("refused".into());
            }
            Outage::Hang => {
                self.met_outage();
                self.becomes(|now| *now != Outage::Hang).await;
            }
            Outage::Answer(answer) => {
                self.met_outage();
                return Ok(Some(answered(answer)));
            }
            Outage::Slow(delay) => {
                self.met_outage();
                tokio::time::sleep(delay).await;
            }
            Outage::Token(token) => {
                let sent = headers.get(http::header::AUTHORIZATION);
                let good = sent.is_some_and(|sent| sent.as_bytes().ends_with(token.as_bytes()));
                if !good {
                    self.met_outage();
                    return Ok(Some(answered(Answer::Unauthorized)));
                }
            }
        }
        Ok(None)
    }

    async fn without_right(&self, rule: usize) -> Result<(), Error> {
        let (cluster, own) = self.targets.rules().await?;
        lock(&self.rights).get_or_insert((cluster.clone(), own.clone()));
        let (path, mut rules, at) = match rule.checked_sub(cluster.len()) {
            None => (CLUSTER_ROLE.to_owned(), cluster, rule),
            Some(at) => (role(), own, at),
        };
        if at < rules.len() {
            rules.remove(at);
        }
        self.targets.put_rules(&path, &rules).await
    }

    /// Restores the rights that a fault removed.
    pub(super) async fn restore_rights(&self) -> Result<(), Error> {
        let Some((cluster, own)) = lock(&self.rights).clone() else {
            return Ok(());
        };
        self.targets.put_rules(CLUSTER_ROLE, &cluster).await?;
        self.targets.put_rules(&role(), &own).await?;
        *lock(&self.rights) = None;
        Ok(())
    }

    /// Clears the Lease, as if it had expired.
    pub(super) fn end_lease(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let path = format!("/apis/coordination.k8s.io/v1/namespaces/{SYSTEM_NAMESPACE}/leases/pullsecrets");
            if let Ok(request) = Request::delete(path).body(Vec::new()) {
                // Without a Lease there is no leader.
                let _ = shared.targets.admin.request::<Value>(request).await;
            }
        });
    }
}

//! What goes wrong with everything for a while: outages, storms, a token or a right that is gone, a process that stands
//! still.

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

/// How long a right is gone.
const WITHOUT_RIGHT: Duration = Duration::from_secs(3);

/// How long the server is away while its store is put back.
const PUT_BACK_FOR: Duration = Duration::from_millis(500);

impl Shared {
    /// Begins what a fault does to everything, and sees to its end.
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
                // A run in which the token is not there is told as one that never comes right.
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
                    // Cleaning up for the next run tries again, and says what is wrong.
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
            // Another run may have begun, with an outage of its own.
            shared.outage.send_if_modified(|now| {
                let same = *now == outage;
                if same {
                    *now = Outage::None;
                }
                same
            });
        });
    }

    /// SIGSTOP, and SIGCONT after a while.
    fn stands_still(&self, process: u32, length: Duration) {
        let Some(pid) = i32::try_from(process).ok().filter(|&pid| pid > 0).map(Pid::from_raw) else {
            return;
        };
        self.lasts(length);
        // One that has just ended needs no SIGSTOP.
        if kill(pid, Signal::SIGSTOP).is_ok() {
            self.fired.store(true, Ordering::SeqCst);
        }
        tokio::spawn(async move {
            tokio::time::sleep(length).await;
            let _ = kill(pid, Signal::SIGCONT);
        });
    }

    /// Comes back when what goes wrong is like that.
    pub(super) async fn becomes(&self, like: impl Fn(&Outage) -> bool) {
        // The sender lives as long as this.
        let _ = self.outage.subscribe().wait_for(like).await;
    }

    /// Something met what goes wrong with everything.
    pub(super) fn met_outage(&self) {
        self.fired.store(true, Ordering::SeqCst);
    }

    /// What a request meets before it targetses the server: an answer, or nothing in its way. An error ends the connection.
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

    /// Gives the rights back that a fault took.
    pub(super) async fn restore_rights(&self) -> Result<(), Error> {
        let Some((cluster, own)) = lock(&self.rights).clone() else {
            return Ok(());
        };
        self.targets.put_rules(CLUSTER_ROLE, &cluster).await?;
        self.targets.put_rules(&role(), &own).await?;
        *lock(&self.rights) = None;
        Ok(())
    }

    /// Takes the Lease from whoever holds it, as if its time were over.
    pub(super) fn end_lease(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let path = format!("/apis/coordination.k8s.io/v1/namespaces/{SYSTEM_NAMESPACE}/leases/pullsecrets");
            if let Ok(request) = Request::delete(path).body(Vec::new()) {
                // Where there is none, nobody leads.
                let _ = shared.targets.admin.request::<Value>(request).await;
            }
        });
    }
}

//! What goes wrong with everything for a while: outages, storms, a token or a right that is gone, a process that stands
//! still.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderMap, Request};
use kube::Client;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::answers::{Answered, Error, answered};
use super::plan::{Answer, Fault};
use super::proxy::{Shared, lock};
use crate::SYSTEM_NAMESPACE;

/// How every request fares now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Weather {
    /// As the server likes.
    #[default]
    Fair,
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

/// What a fault can reach besides the connection.
pub struct Reach {
    /// Somebody who may do anything.
    pub admin: Client,
    /// The process of the store.
    pub etcd: u32,
    /// The file of the operator's token.
    pub token_file: PathBuf,
    /// A token that is as good as the one in the file.
    pub spare_token: String,
}

/// How long a right is gone.
const WITHOUT_RIGHT: Duration = Duration::from_secs(3);

/// How long the server is away while its store is put back.
const PUT_BACK_FOR: Duration = Duration::from_millis(500);

const CLUSTER_ROLE: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles/pullsecrets";

fn role() -> String {
    format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{SYSTEM_NAMESPACE}/roles/pullsecrets")
}

impl Shared {
    /// Begins what a fault does to everything, and sees to its end.
    pub(super) fn begin(self: &Arc<Self>, fault: Fault) {
        let shared = Arc::clone(self);
        let millis = |millis: u32| Duration::from_millis(millis.into());
        match fault {
            Fault::Refuse(length) => self.turns(Weather::Refuse, millis(length)),
            Fault::Hang(length) => self.turns(Weather::Hang, millis(length)),
            Fault::Throttle(length) => self.turns(Weather::Answer(Answer::TooManyRequests), millis(length)),
            Fault::Fail(length) => self.turns(Weather::Answer(Answer::InternalError), millis(length)),
            Fault::Restore => {
                self.raised.store(false, Ordering::SeqCst);
                self.turns(Weather::Refuse, PUT_BACK_FOR);
            }
            Fault::Lag(length) => self.turns(Weather::Lag, millis(length)),
            Fault::Slow(length) => drop(self.weather.send_replace(Weather::Slow(millis(length)))),
            Fault::Token => {
                let Reach {
                    token_file,
                    spare_token,
                    ..
                } = &self.reach;
                // A run in which the token is not there is told as one that never comes right.
                let _ = std::fs::write(token_file, spare_token);
                self.weather.send_replace(Weather::Token(spare_token.clone()));
            }
            Fault::Etcd(length) => self.stands_still(self.reach.etcd, millis(length)),
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

    fn turns(self: &Arc<Self>, weather: Weather, length: Duration) {
        self.lasts(length);
        self.weather.send_replace(weather.clone());
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(length).await;
            // Another run may have begun, with a weather of its own.
            shared.weather.send_if_modified(|now| {
                let same = *now == weather;
                if same {
                    *now = Weather::Fair;
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

    /// Comes back when the weather is like that.
    pub(super) async fn becomes(&self, like: impl Fn(&Weather) -> bool) {
        // The sender lives as long as this.
        let _ = self.weather.subscribe().wait_for(like).await;
    }

    /// Something met what goes wrong with everything.
    pub(super) fn met_weather(&self) {
        self.fired.store(true, Ordering::SeqCst);
    }

    /// What a request meets before it reaches the server: an answer, or nothing in its way. An error ends the connection.
    pub(super) async fn meets(&self, headers: &HeaderMap) -> Result<Option<Answered>, Error> {
        let weather = self.weather.borrow().clone();
        if weather == Weather::Fair {
            return Ok(None);
        }
        match weather {
            Weather::Fair | Weather::Lag => {}
            Weather::Refuse => {
                self.met_weather();
                return Err("refused".into());
            }
            Weather::Hang => {
                self.met_weather();
                self.becomes(|now| *now != Weather::Hang).await;
            }
            Weather::Answer(answer) => {
                self.met_weather();
                return Ok(Some(answered(answer)));
            }
            Weather::Slow(delay) => {
                self.met_weather();
                tokio::time::sleep(delay).await;
            }
            Weather::Token(token) => {
                let sent = headers.get(http::header::AUTHORIZATION);
                let good = sent.is_some_and(|sent| sent.as_bytes().ends_with(token.as_bytes()));
                if !good {
                    self.met_weather();
                    return Ok(Some(answered(Answer::Unauthorized)));
                }
            }
        }
        Ok(None)
    }

    async fn without_right(&self, rule: usize) -> Result<(), Error> {
        let (cluster, own) = self.reach.rules().await?;
        lock(&self.rights).get_or_insert((cluster.clone(), own.clone()));
        let (path, mut rules, at) = match rule.checked_sub(cluster.len()) {
            None => (CLUSTER_ROLE.to_owned(), cluster, rule),
            Some(at) => (role(), own, at),
        };
        if at < rules.len() {
            rules.remove(at);
        }
        self.reach.put_rules(&path, &rules).await
    }

    /// Gives the rights back that a fault took.
    pub(super) async fn restore_rights(&self) -> Result<(), Error> {
        let Some((cluster, own)) = lock(&self.rights).clone() else {
            return Ok(());
        };
        self.reach.put_rules(CLUSTER_ROLE, &cluster).await?;
        self.reach.put_rules(&role(), &own).await?;
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
                let _ = shared.reach.admin.request::<Value>(request).await;
            }
        });
    }
}

impl Reach {
    /// Nothing but the server.
    pub(super) fn of(admin: Client) -> Self {
        Self {
            admin,
            etcd: 0,
            token_file: PathBuf::new(),
            spare_token: String::new(),
        }
    }

    /// The rules of the operator's two roles.
    async fn rules(&self) -> Result<(Vec<Value>, Vec<Value>), Error> {
        let mut found = Vec::new();
        for path in [CLUSTER_ROLE.to_owned(), role()] {
            let role: Value = self.admin.request(Request::get(path).body(Vec::new())?).await?;
            found.push(role["rules"].as_array().cloned().unwrap_or_default());
        }
        let own = found.pop().unwrap_or_default();
        Ok((found.pop().unwrap_or_default(), own))
    }

    async fn put_rules(&self, path: &str, rules: &[Value]) -> Result<(), Error> {
        let request = Request::patch(path)
            .header(http::header::CONTENT_TYPE, "application/merge-patch+json")
            .body(json!({"rules": rules}).to_string().into_bytes())?;
        self.admin.request::<Value>(request).await?;
        Ok(())
    }
}

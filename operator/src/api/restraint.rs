//! Tries the admission policies on the operator: sends dry runs that they must refuse. [`plan::restraint`] says when,
//! and what the answers prove.
//!
//! # Guarantees
//!
//! - Every write is a dry run, and none changes anything.
//! - Every request has a connection of its own, because each API server learns of a policy by itself.
//! - Only the leader sends them: at most five a minute, except while a proof is under way.
//! - Rounds visit the namespaces of the cluster in turn, because a binding may be limited to some of them.

mod answer;
mod probe;
mod report;
mod tour;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use plan::restraint::{Proof, ROUNDS, Restraint, Round};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::api::call::DEADLINE;
use crate::api::events::{EventRecorder, ObjectEvent};
use crate::api::partial::RawClusterPullSecret;
use crate::api::{lease, replies};
use crate::leadership::Leadership;

use answer::{judge, unclear};
use probe::Probe;
use tour::Tour;

/// The name of the objects in dry runs. None exists.
const NAME: &str = "pullsecrets-restraint-probe";
/// The key of the annotation that dry runs add.
const KEY: &str = "pullsecrets.dev/restraint-probe";

/// Tries the policies whose names begin with a prefix.
pub struct Prober {
    connect: Box<dyn Fn() -> anyhow::Result<Client> + Send + Sync>,
    namespace: String,
    prefix: String,
    leadership: Leadership,
    events: EventRecorder,
    /// The only name of Secrets that the operator may write in other namespaces, or one of them.
    secret: Option<String>,
    /// The name of the operator's own Pod, if it may delete Pods.
    pod: Option<String>,
    tour: Tour,
}

impl Prober {
    /// `connect` makes a client with a connection of its own. `namespace` is the operator's. The policies are named
    /// `prefix` with `secrets`, `serviceaccounts`, `leases`, `objects` and `pods` behind it.
    pub fn new(
        connect: impl Fn() -> anyhow::Result<Client> + Send + Sync + 'static,
        namespace: &str,
        prefix: &str,
        leadership: Leadership,
        events: EventRecorder,
    ) -> Self {
        Self {
            connect: Box::new(connect),
            namespace: namespace.to_owned(),
            prefix: prefix.to_owned(),
            leadership,
            events,
            secret: None,
            pod: None,
            tour: Tour::default(),
        }
    }

    /// Tries a Secret of this name in other namespaces, because the operator has no right on others there.
    #[must_use]
    pub fn limited_to(mut self, secret: Option<&str>) -> Self {
        self.secret = secret.map(ToOwned::to_owned);
        self
    }

    /// Also tries the policy on deletions of Pods, with the operator's own Pod of this name.
    #[must_use]
    pub fn deleting_pods(mut self, own: Option<String>) -> Self {
        self.pod = own;
        self
    }

    /// Tries the policies while this process holds the Lease, and records what is known of them in its leadership,
    /// until the token is cancelled.
    pub async fn run(mut self, token: CancellationToken) {
        let clock = self.leadership.clock();
        tokio::select! {
            () = token.cancelled() => return,
            () = self.leadership.lease_held() => {}
        }
        let mut proof = Proof::new(clock.now());
        let mut reported = false;
        loop {
            tokio::select! {
                () = token.cancelled() => return,
                () = tokio::time::sleep_until(clock.instant(proof.due())) => {}
            }
            let round = tokio::select! {
                () = token.cancelled() => return,
                round = self.round() => round,
            };
            let before = proof.state().clone();
            proof.record(round, clock.now());
            if *proof.state() != before {
                self.log(&before, proof.state());
                self.leadership.set_restraint(proof.state().clone());
            }
            let is_settled = !matches!(proof.state(), Restraint::Unproven(_)) || proof.failed() >= ROUNDS.into();
            if is_settled && let Some(event) = self.event(proof.state(), &mut reported) {
                self.events.record(lease::reference(&self.namespace), event);
            }
        }
    }

    /// Sends one dry run of each kind, those on Secrets and accounts in the namespace whose turn it is. Stops at the first
    /// answer that ends the round.
    async fn round(&mut self) -> Round {
        let elsewhere = match (self.connect)() {
            Ok(client) => self.tour.namespace(replies::bounded(client)).await,
            Err(_) => None,
        };
        let round = self.round_in(elsewhere.as_deref()).await;
        self.tour.record(&round);
        round
    }

    async fn round_in(&self, elsewhere: Option<&str>) -> Round {
        let always = [Probe::Secret, Probe::ServiceAccount, Probe::Lease, Probe::Object];
        let mut skipped = false;
        for probe in always.into_iter().chain(self.pod.as_ref().map(|_| Probe::Pod)) {
            let place = elsewhere.filter(|_| probe.is_everywhere());
            match self.try_one(probe, place).await {
                Round::Refused => {}
                // A tenant of that namespace can cause such an answer, for example with a webhook.
                Round::Unclear(_) if place.is_some() => skipped = true,
                other => return other,
            }
        }
        if skipped { Round::Skipped } else { Round::Refused }
    }

    /// Sends a dry run to another namespace, or to the operator's own.
    async fn try_one(&self, probe: Probe, elsewhere: Option<&str>) -> Round {
        let policy = format!("{}{}", self.prefix, probe.policy());
        let Ok(client) = (self.connect)() else {
            return Round::Unclear("the client for dry runs could not be made".into());
        };
        let client = replies::bounded(client);
        let answer = async {
            match elsewhere {
                Some(namespace) => self.send_elsewhere(probe, client, namespace).await.map(Some),
                None => self.send(probe, client).await,
            }
        };
        match tokio::time::timeout(DEADLINE, answer).await {
            Ok(answer) => judge(&probe.describe(elsewhere), &policy, answer),
            Err(_) => unclear(&probe.describe(elsewhere), "no reply in time"),
        }
    }

    /// Sends a dry run that creates an `Opaque` Secret, or annotates the account, in another namespace.
    ///
    /// A tenant may prepare that namespace. If the Secret exists, the server refuses another type before it asks the
    /// policy. So no preparation makes the server accept the dry run.
    async fn send_elsewhere(&self, probe: Probe, client: Client, namespace: &str) -> kube::Result<()> {
        if probe == Probe::ServiceAccount {
            return annotate_account(client, namespace).await;
        }
        let name = self.secret.clone().unwrap_or_else(|| format!("{NAME}-{}", unique()));
        // Rights on one name allow to apply it, and not to create it by POST.
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque"});
        let params = PatchParams {
            dry_run: true,
            ..PatchParams::apply(NAME)
        };
        let api: Api<Secret> = Api::namespaced(client, namespace);
        api.patch_metadata(&name, &params, &Patch::Apply(body)).await.map(drop)
    }

    /// Sends a dry run. `None` if there is nothing to try it on.
    async fn send(&self, probe: Probe, client: Client) -> kube::Result<Option<()>> {
        let post = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let patch = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let metadata = ObjectMeta {
            name: Some(NAME.to_owned()),
            ..ObjectMeta::default()
        };
        match probe {
            Probe::Secret => {
                let secret = Secret {
                    metadata,
                    type_: Some("Opaque".to_owned()),
                    ..Secret::default()
                };
                let api: Api<Secret> = Api::namespaced(client, &self.namespace);
                api.create(&post, &secret).await?;
            }
            Probe::ServiceAccount => annotate_account(client, &self.namespace).await?,
            Probe::Lease => {
                let lease = Lease { metadata, spec: None };
                let api: Api<Lease> = Api::namespaced(client, &self.namespace);
                api.create(&post, &lease).await?;
            }
            Probe::Pod => match &self.pod {
                Some(name) => return self.send_deletion(client, name).await,
                None => return Ok(None),
            },
            Probe::Object => {
                let api: Api<RawClusterPullSecret> = Api::all(client);
                let Some(object) = api.list(&ListParams::default().limit(1)).await?.items.pop() else {
                    return Ok(None);
                };
                let body = json!({"spec": {"suspend": !is_suspended(&object.spec)}});
                match api
                    .patch_metadata(&object.name_any(), &patch, &Patch::Merge(body))
                    .await
                {
                    Ok(_) => {}
                    Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Some(()))
    }

    /// Sends a dry run that deletes the operator's own Pod. Without the right to delete Pods, the prober skips it.
    async fn send_deletion(&self, client: Client, name: &str) -> kube::Result<Option<()>> {
        let params = DeleteParams {
            dry_run: true,
            ..DeleteParams::default()
        };
        let api: Api<Pod> = Api::namespaced(client, &self.namespace);
        match api.delete(name, &params).await {
            Ok(_) => Ok(Some(())),
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 403 => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn log(&self, before: &Restraint, after: &Restraint) {
        let namespace = self.namespace.as_str();
        match after {
            Restraint::Unproven(why) => {
                warn!(
                    namespace,
                    "writing nothing, because the admission policies on the operator are not proven: {why}"
                );
            }
            Restraint::Lost(why) => {
                error!(
                    namespace,
                    "adding and rotating no login, because the admission policies on the operator are no longer in force: {why}"
                );
            }
            Restraint::Proven => {
                let again = matches!(before, Restraint::Lost(_));
                info!(namespace, again, "the admission policies on the operator are in force");
            }
        }
    }

    /// The Event about a change: one while the proof is missing, and one for each loss and each return.
    fn event(&self, state: &Restraint, reported: &mut bool) -> Option<ObjectEvent> {
        let missing = !matches!(state, Restraint::Proven);
        let is_change = std::mem::replace(reported, missing) != missing;
        is_change.then(|| report::describe(&self.namespace, state))
    }
}

/// A text that no tenant can have written before. The policies accept a write without a change.
fn unique() -> String {
    jiff::Timestamp::now().as_nanosecond().to_string()
}

/// Sends a dry run that annotates the `ServiceAccount` `default`.
async fn annotate_account(client: Client, namespace: &str) -> kube::Result<()> {
    let params = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let body = json!({"metadata": {"annotations": {KEY: unique()}}});
    let api: Api<ServiceAccount> = Api::namespaced(client, namespace);
    api.patch_metadata("default", &params, &Patch::Merge(body))
        .await
        .map(drop)
}

fn is_suspended(spec: &Value) -> bool {
    spec.get("suspend").and_then(Value::as_bool).unwrap_or_default()
}

#[cfg(test)]
mod tests;

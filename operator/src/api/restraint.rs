//! Tries the admission policies on the operator: sends dry runs that they must refuse. [`plan::restraint`] says when,
//! and what the answers prove.
//!
//! # Guarantees
//!
//! - Every request is a dry run in the operator's own namespace, or of an object's `spec`. None changes anything.
//! - Every request has a connection of its own, because each API server learns of a policy by itself.
//! - Only the leader sends them: at most five a minute, except while a proof is under way.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::Status;
use kube::{Api, Client, ResourceExt as _};
use plan::restraint::{Proof, ROUNDS, Restraint, Round};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::api::call::DEADLINE;
use crate::api::events::{EventRecorder, ObjectEvent};
use crate::api::partial::RawClusterPullSecret;
use crate::api::{lease, refusal, replies};
use crate::leadership::Leadership;
use crate::outcome::ApiError;

/// The name of the objects in dry runs. None exists.
const NAME: &str = "pullsecrets-restraint-probe";

/// Tries the policies whose names begin with a prefix.
pub struct Prober {
    connect: Box<dyn Fn() -> anyhow::Result<Client> + Send + Sync>,
    namespace: String,
    prefix: String,
    leadership: Leadership,
    events: EventRecorder,
    /// The name of the operator's own Pod, if it may delete Pods.
    pod: Option<String>,
}

/// A write that a policy must refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    /// A Secret that holds no pull secret.
    Secret,
    /// An annotation on the `ServiceAccount` `default`.
    ServiceAccount,
    /// A Lease that is not the operator's.
    Lease,
    /// The `spec` of a `ClusterPullSecret`.
    Object,
    /// The deletion of the operator's own Pod, which runs.
    Pod,
}

impl Probe {
    /// The end of the name of the policy that must refuse it.
    fn policy(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::ServiceAccount => "serviceaccounts",
            Self::Lease => "leases",
            Self::Object => "objects",
            Self::Pod => "pods",
        }
    }

    /// What the dry run does.
    fn describe(self) -> &'static str {
        match self {
            Self::Secret => "a dry run that creates an Opaque Secret",
            Self::ServiceAccount => "a dry run that annotates ServiceAccount default",
            Self::Lease => "a dry run that creates a foreign Lease",
            Self::Object => "a dry run that changes the spec of a ClusterPullSecret",
            Self::Pod => "a dry run that deletes the operator's own Pod",
        }
    }
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
            pod: None,
        }
    }

    /// Also tries the policy on deletions of Pods, with the operator's own Pod of this name.
    #[must_use]
    pub fn deleting_pods(mut self, own: Option<String>) -> Self {
        self.pod = own;
        self
    }

    /// Tries the policies while this process holds the Lease, and records what is known of them in its leadership,
    /// until the token is cancelled.
    pub async fn run(self, token: CancellationToken) {
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

    /// Sends one dry run of each kind. Stops at the first that the policies do not refuse.
    async fn round(&self) -> Round {
        let always = [Probe::Secret, Probe::ServiceAccount, Probe::Lease, Probe::Object];
        for probe in always.into_iter().chain(self.pod.as_ref().map(|_| Probe::Pod)) {
            match self.try_one(probe).await {
                Round::Refused => {}
                other => return other,
            }
        }
        Round::Refused
    }

    async fn try_one(&self, probe: Probe) -> Round {
        let policy = format!("{}{}", self.prefix, probe.policy());
        let Ok(client) = (self.connect)() else {
            return Round::Unclear("the client for dry runs could not be made".into());
        };
        let answer = tokio::time::timeout(DEADLINE, self.send(probe, replies::bounded(client))).await;
        match answer {
            Ok(answer) => judge(probe, &policy, answer),
            Err(_) => unclear(probe, "no reply in time"),
        }
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
            Probe::ServiceAccount => {
                let body = json!({"metadata": {"annotations": {"pullsecrets.dev/restraint-probe": "true"}}});
                let api: Api<ServiceAccount> = Api::namespaced(client, &self.namespace);
                api.patch_metadata("default", &patch, &Patch::Merge(body)).await?;
            }
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
        is_change.then(|| describe(&self.namespace, state))
    }
}

fn describe(namespace: &str, state: &Restraint) -> ObjectEvent {
    let (reason, note) = match state {
        Restraint::Unproven(why) => (
            "RestraintNotProven",
            format!("the operator in {namespace} writes nothing until the admission policies on it are proven: {why}"),
        ),
        Restraint::Lost(why) => (
            "RestraintLost",
            format!(
                "the operator in {namespace} neither adds nor rotates logins, because the admission policies on it are no longer \
                 in force: {why}"
            ),
        ),
        Restraint::Proven => (
            "RestraintProven",
            format!("the admission policies on the operator in {namespace} are in force"),
        ),
    };
    ObjectEvent {
        warning: !matches!(state, Restraint::Proven),
        reason: reason.to_owned(),
        note,
    }
}

/// Returns what the answer to a dry run shows of the policy. Without an object there is no dry run, and no doubt.
fn judge(probe: Probe, policy: &str, answer: kube::Result<Option<()>>) -> Round {
    match answer {
        Ok(None) => Round::Refused,
        Ok(Some(())) => Round::Accepted(
            format!(
                "the API server accepted {}, which ValidatingAdmissionPolicy {policy:?} must refuse: apply the policy and its \
                 binding, for example with config/admission/operator",
                probe.describe()
            )
            .into(),
        ),
        Err(kube::Error::Api(status)) if is_refused_by(&status, policy) => Round::Refused,
        Err(error) => unclear(probe, &reason(&ApiError::from(&error))),
    }
}

/// Whether the policy refused the request: code and cause are those that the server writes for a policy.
fn is_refused_by(status: &Status, policy: &str) -> bool {
    let caused = |details: &kube::core::response::StatusDetails| {
        details
            .causes
            .iter()
            .any(|cause| refusal::validating_policy(&cause.message) == Some(policy))
    };
    status.code == 422 && refusal::policy_of(status) == Some(policy) && status.details.as_ref().is_some_and(caused)
}

/// Says what the server answered instead.
fn reason(error: &ApiError) -> String {
    match error {
        ApiError::Refused(failure) if failure.reason == crd::FailureReason::Forbidden => {
            "RBAC does not allow it (403), so the policy could not refuse it: compare the operator's rights with config/rbac"
                .to_owned()
        }
        ApiError::Refused(failure) | ApiError::Postponed { failure, .. } => failure.message.to_string(),
        ApiError::NotFound => "it does not exist (404)".to_owned(),
        ApiError::Conflict => "the server reported a conflict (409)".to_owned(),
        ApiError::NamespaceTerminating => "the namespace is being deleted".to_owned(),
        ApiError::Throttled(_) => "the server asks for less (429)".to_owned(),
        ApiError::Unavailable(why) => why.clone(),
    }
}

fn unclear(probe: Probe, why: &str) -> Round {
    Round::Unclear(format!("{} proved nothing: {why}", probe.describe()).into())
}

fn is_suspended(spec: &Value) -> bool {
    spec.get("suspend").and_then(Value::as_bool).unwrap_or_default()
}

#[cfg(test)]
mod tests;

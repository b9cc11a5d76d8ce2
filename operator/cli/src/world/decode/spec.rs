//! The specs of Pods and of the objects that create them.

use serde::Deserialize;

use super::meta::Meta;
use crate::world::shared::Shared;
use crate::world::text::Text;
use crate::world::workload::{Image, PullPolicy, Role, Template};

#[derive(Deserialize)]
pub(super) struct WorkloadObject {
    pub(super) metadata: Meta,
    #[serde(default)]
    spec: Option<WorkloadSpec>,
    #[serde(default)]
    status: Option<WorkloadStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WorkloadSpec {
    #[serde(default)]
    replicas: Option<i64>,
    #[serde(default)]
    template: Option<PodTemplate>,
    #[serde(default)]
    job_template: Option<JobTemplate>,
}

#[derive(Deserialize)]
struct JobTemplate {
    #[serde(default)]
    spec: Option<JobSpec>,
}

#[derive(Deserialize)]
struct JobSpec {
    #[serde(default)]
    template: Option<PodTemplate>,
}

#[derive(Deserialize)]
struct PodTemplate {
    #[serde(default)]
    spec: Option<PodSpec>,
}

#[derive(Deserialize)]
struct WorkloadStatus {
    #[serde(default)]
    conditions: Option<Vec<Condition>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodSpec {
    service_account_name: Option<String>,
    service_account: Option<String>,
    image_pull_secrets: Option<Vec<Reference>>,
    pub(super) containers: Option<Vec<Container>>,
    pub(super) init_containers: Option<Vec<Container>>,
    pub(super) ephemeral_containers: Option<Vec<Container>>,
    volumes: Option<Vec<Volume>>,
    restart_policy: Option<String>,
    pub(super) node_name: Option<String>,
}

/// An element of `imagePullSecrets`, which may be `{}`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Container {
    pub(super) name: String,
    image: Option<String>,
    image_pull_policy: Option<String>,
    restart_policy: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Volume {
    name: String,
    image: Option<ImageVolume>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ImageVolume {
    reference: Option<String>,
    pull_policy: Option<String>,
}

impl WorkloadObject {
    pub(super) fn template(&self) -> Option<&PodSpec> {
        let spec = self.spec.as_ref()?;
        let of_jobs = || spec.job_template.as_ref()?.spec.as_ref()?.template.as_ref();
        spec.template.as_ref().or_else(of_jobs)?.spec.as_ref()
    }

    pub(super) fn replicas(&self) -> Option<i64> {
        self.spec.as_ref()?.replicas
    }

    /// Only Jobs have these conditions.
    pub(super) fn is_finished(&self) -> bool {
        let status = self.status.as_ref();
        let mut conditions = status
            .and_then(|status| status.conditions.as_ref())
            .into_iter()
            .flatten();
        conditions
            .any(|condition| matches!(condition.type_.as_str(), "Complete" | "Failed") && condition.status == "True")
    }
}

impl Reference {
    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

impl Container {
    /// An init container that runs as long as the Pod, and is restarted like a container.
    pub(super) fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

impl PodSpec {
    /// Returns whether a container of the Pod starts again after it ended with this exit code.
    pub(super) fn restarts_after(&self, exit_code: i64) -> bool {
        match self.restart_policy.as_deref() {
            Some("Never") => false,
            Some("OnFailure") => exit_code != 0,
            _ => true,
        }
    }

    pub(super) fn reduced(&self, shared: &mut Shared) -> Template {
        let account = self.service_account_name.as_deref().filter(|name| !name.is_empty());
        let account = account.or(self.service_account.as_deref().filter(|name| !name.is_empty()));
        let secrets = self.image_pull_secrets.iter().flatten();
        Template {
            account: shared.text(account.unwrap_or("default")),
            secrets: secrets.map(|reference| shared.text(reference.name())).collect(),
            images: self.images(shared),
            restarts: self.restarts_after(1),
        }
    }

    fn images(&self, shared: &mut Shared) -> Box<[Image]> {
        let containers = [
            (Role::Container, &self.containers),
            (Role::InitContainer, &self.init_containers),
            (Role::EphemeralContainer, &self.ephemeral_containers),
        ];
        let mut images = Vec::new();
        for (role, containers) in containers {
            for Container {
                name,
                image,
                image_pull_policy,
                ..
            } in containers.iter().flatten()
            {
                images.extend(used(shared, role, name, image.as_deref(), image_pull_policy.as_deref()));
            }
        }
        for Volume { name, image } in self.volumes.iter().flatten() {
            if let Some(ImageVolume { reference, pull_policy }) = image {
                images.extend(used(
                    shared,
                    Role::Volume,
                    name,
                    reference.as_deref(),
                    pull_policy.as_deref(),
                ));
            }
        }
        images.into()
    }
}

/// A template may leave an image empty for another controller to fill in. It is no use of an image yet.
fn used(shared: &mut Shared, role: Role, user: &str, image: Option<&str>, policy: Option<&str>) -> Option<Image> {
    let reference: Text = shared.text(image.filter(|image| !image.is_empty())?);
    Some(Image {
        policy: policy_of(policy, &reference),
        reference,
        user: shared.text(user),
        role,
    })
}

/// Stored objects have a policy. Files that people write may leave it out; then the server sets it by the tag.
fn policy_of(policy: Option<&str>, image: &str) -> PullPolicy {
    match policy {
        Some("Always") => PullPolicy::Always,
        Some("Never") => PullPolicy::Never,
        Some("IfNotPresent") => PullPolicy::IfNotPresent,
        _ => {
            let name = image.rsplit('/').next().unwrap_or_default();
            let tag = name.split_once(':').map(|(_, tag)| tag);
            if !name.contains('@') && tag.is_none_or(|tag| tag == "latest") {
                PullPolicy::Always
            } else {
                PullPolicy::IfNotPresent
            }
        }
    }
}

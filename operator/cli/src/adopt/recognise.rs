//! What a Secret is, by what it carries.
//!
//! Evidence in order of weight: an owner, a label or an annotation, the name with what the tool writes into it. Names of
//! field managers such as `controller` are no evidence alone.

use std::collections::BTreeMap;

use crd::names::{ANNOTATION_ADOPTED, DOCKER_CONFIG_TYPE, LABEL_OBJECT, LEGACY_CONFIG_TYPE};
use serde::{Deserialize, Serialize};

use super::about::about;
use super::leftovers::{Leftovers, Meta, Owner, Secret};
use super::role::{Found, Role, State};
use super::tool::Tool;

/// What `adopt` records on a Secret or an account when it takes the marks off. With it a run goes on where another one ended, and
/// `--undo` puts the marks back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    /// The name of the tool in JSON.
    pub(super) from: String,
    /// It was what the tool copied from.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) source: bool,
    /// The labels that were taken off.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
    /// The annotations that were taken off, without those that hold logins.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
    /// The owners that were taken off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) owners: Vec<Owner>,
}

/// Names that only one tool gives to pull secrets.
const UPMC: [&str; 4] = ["awsecr-cred", "dpr-secret", "acr-secret", "gcr-secret"];
const NABSUL: &str = "k8s-ecr-login-renew-docker-secret";

const MANAGED: &str = "app.kubernetes.io/managed-by";

impl Meta {
    /// Returns the record of an earlier run.
    pub(super) fn record(&self) -> Option<Record> {
        serde_json::from_str(self.annotation(ANNOTATION_ADOPTED)?).ok()
    }
}

impl Secret {
    /// Returns the record of an earlier run.
    pub(super) fn record(&self) -> Option<Record> {
        self.meta.record()
    }

    /// Returns how far the adoption is.
    pub(super) fn state(&self) -> State {
        match (self.meta.labels.contains_key(LABEL_OBJECT), self.record().is_some()) {
            (true, _) => State::Adopted,
            (false, true) => State::Detached,
            (false, false) => State::Left,
        }
    }

    /// Returns whether it holds, or should hold, a docker config.
    pub(super) fn is_pull_secret(&self) -> bool {
        matches!(self.type_.as_str(), DOCKER_CONFIG_TYPE | LEGACY_CONFIG_TYPE)
    }
}

/// Returns the tool that left the Secret. A pull secret without any mark is by a script or a person. Other Secrets are
/// none of ours.
pub(super) fn recognise(seen: &Leftovers, secret: &Secret) -> Option<Found> {
    let recorded = secret.record().and_then(|record| {
        let tool = Tool::of_name(&record.from)?;
        let role = if record.source { Role::Source } else { Role::Copy };
        Some(found(tool, role, format!("annotation {ANNOTATION_ADOPTED}")))
    });
    // A tool may have put its marks on again since.
    let marked = platform(secret)
        .or_else(|| by_owner(&secret.meta))
        .or_else(|| by_mark(&secret.meta))
        .or_else(|| by_name(seen, secret))
        .or(recorded)
        .or_else(|| by_manager(&secret.meta));
    let any = || found(Tool::Script, Role::Copy, "nothing marks it");
    let unmarked = marked.or_else(|| secret.is_pull_secret().then(any))?;
    // IMPS, carvel, JFrog and External Secrets also make Secrets that are none of images.
    let counts = secret.is_pull_secret() || unmarked.tool == Tool::UpmcRegistryCreds;
    counts.then_some(unmarked)
}

fn found(tool: Tool, role: Role, evidence: impl Into<String>) -> Found {
    Found {
        tool,
        role,
        evidence: evidence.into(),
    }
}

/// Secrets of a platform, which restores them.
fn platform(secret: &Secret) -> Option<Found> {
    let meta = &secret.meta;
    let openshift = [
        "openshift.io/internal-registry-auth-token.service-account",
        "openshift.io/internal-registry-auth-token.binding",
        "openshift.io/token-secret.name",
    ];
    if let Some(key) = openshift.into_iter().find(|key| meta.annotations.contains_key(*key)) {
        return Some(found(Tool::OpenShift, Role::Copy, format!("annotation {key}")));
    }
    let is_of = |manager: &&String| manager.starts_with("openshift.io/image-registry-pull-secrets");
    if let Some(manager) = meta.managers.iter().find(is_of) {
        return Some(found(Tool::OpenShift, Role::Copy, format!("field manager {manager}")));
    }
    let rancher = [
        "management.cattle.io/project-scoped-secret",
        "management.cattle.io/rancher-managed-pull-secret",
        "management.cattle.io/helm-op-pull-secret",
        "management.cattle.io/helm-op-release",
    ];
    let label = rancher.into_iter().find(|key| meta.labels.contains_key(*key))?;
    Some(found(Tool::Rancher, Role::Copy, format!("label {label}")))
}

fn by_owner(meta: &Meta) -> Option<Found> {
    let with = [
        Tool::RegistryCreds,
        Tool::Imps,
        Tool::CarvelImport,
        Tool::Jfrog,
        Tool::ExternalSecrets,
        Tool::AcrPull,
    ];
    for owner in &meta.owners {
        let of = |tool: &Tool| about(*tool).owners.contains(&owner.group());
        if let Some(tool) = with.into_iter().find(of) {
            let kind = &owner.kind;
            return Some(found(
                tool,
                Role::Copy,
                format!("owner {kind}.{} {}", owner.group(), owner.name),
            ));
        }
    }
    None
}

fn by_mark(meta: &Meta) -> Option<Found> {
    let label = |tool: Tool, role: Role, key: &str, value: Option<&str>| {
        meta.is_labelled(key, value)
            .then(|| found(tool, role, format!("label {key}")))
    };
    let annotation = |tool: Tool, role: Role, key: &str| {
        let has = meta.annotations.contains_key(key);
        has.then(|| found(tool, role, format!("annotation {key}")))
    };
    let (copy, source) = (Role::Copy, Role::Source);
    let kyverno = if meta.labels.contains_key("generate.kyverno.io/rule-name") {
        Tool::KyvernoGenerate
    } else {
        Tool::KyvernoGeneratingPolicy
    };
    label(kyverno, copy, "generate.kyverno.io/policy-name", None)
        .or_else(|| label(Tool::KyvernoGenerate, source, "generate.kyverno.io/clone-source", None))
        .or_else(|| label(Tool::Imps, copy, "images.banzaicloud.io/owner-uid", None))
        .or_else(|| {
            label(
                Tool::ExternalSecrets,
                copy,
                "reconcile.external-secrets.io/managed",
                Some("true"),
            )
        })
        .or_else(|| label(Tool::Pfnet, copy, "imagepullsecrets.preferred.jp/service-account", None))
        .or_else(|| label(Tool::AcrPull, copy, "acr.microsoft.com/binding", None))
        .or_else(|| annotation(Tool::CarvelPlaceholder, copy, "secretgen.carvel.dev/image-pull-secret"))
        .or_else(|| annotation(Tool::Reflector, copy, "reflector.v1.k8s.emberstack.com/reflects"))
        .or_else(|| {
            annotation(
                Tool::Reflector,
                source,
                "reflector.v1.k8s.emberstack.com/reflection-allowed",
            )
        })
        .or_else(|| replicated(meta))
        .or_else(|| label(Tool::TamcorePatcher, copy, MANAGED, Some("imagepullsecret-patcher")))
        .or_else(|| {
            let is_patcher = meta.annotation(MANAGED) == Some("imagepullsecret-patcher");
            is_patcher.then(|| found(Tool::TitansoftPatcher, copy, format!("annotation {MANAGED}")))
        })
}

/// The replicator writes `replicated-at` on copies, and its users `replicate-to` and `replication-allowed` on sources.
fn replicated(meta: &Meta) -> Option<Found> {
    let copies = [
        "replicator.v1.mittwald.de/replicated-from-version",
        "replicator.v1.mittwald.de/replicated-at",
        "replicator.v1.mittwald.de/replicate-from",
    ];
    let sources = [
        "replicator.v1.mittwald.de/replicate-to",
        "replicator.v1.mittwald.de/replicate-to-matching",
        "replicator.v1.mittwald.de/replication-allowed",
    ];
    let has = |key: &&str| meta.annotations.contains_key(*key);
    let copy = copies.into_iter().find(has).map(|key| (Role::Copy, key));
    let (role, key) = copy.or_else(|| sources.into_iter().find(has).map(|key| (Role::Source, key)))?;
    Some(found(Tool::Replicator, role, format!("annotation {key}")))
}

/// Tools without marks write what no person would, under names of their own.
fn by_name(seen: &Leftovers, secret: &Secret) -> Option<Found> {
    let (name, meta) = (secret.meta.name.as_str(), &secret.meta);
    let email = secret.content.email;
    if UPMC.contains(&name) {
        let by_manager = meta.managers.contains("registry-creds");
        let installed = || about(Tool::UpmcRegistryCreds).workloads(seen).next().is_some();
        if by_manager || email == Some("none") || installed() {
            return Some(found(Tool::UpmcRegistryCreds, Role::Copy, format!("name {name}")));
        }
    }
    let by_manager = meta.managers.contains("k8s-ecr-login-renew");
    let renewed = name == NABSUL || email == Some("awsregrenew@demo.test") || by_manager;
    renewed.then(|| found(Tool::EcrLoginRenew, Role::Copy, "what it writes into the entry"))
}

/// Names that are those of one tool, after a detach took its marks.
fn by_manager(meta: &Meta) -> Option<Found> {
    for manager in &meta.managers {
        let tool = match manager.as_str() {
            "secretgen-controller" => Tool::CarvelImport,
            "image-pull-secrets-provisioner" => Tool::Pfnet,
            "imagepullsecret-patcher" => Tool::TitansoftPatcher,
            name if name.starts_with("externalsecrets.external-secrets.io/") => Tool::ExternalSecrets,
            _ => continue,
        };
        return Some(found(tool, Role::Copy, format!("field manager {manager}")));
    }
    None
}

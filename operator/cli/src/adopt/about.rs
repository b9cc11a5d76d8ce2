//! What is known of each tool: its marks, and how it runs.

use super::keys::BANZAI_LAST_APPLIED;
use super::leftovers::{Leftovers, Meta, Workload};
use super::tool::Tool;

/// A key of a label or an annotation that a tool writes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    /// This key.
    Key(&'static str),
    /// This key, if it has this value.
    Value(&'static str, &'static str),
    /// All keys with this beginning.
    Prefix(&'static str),
}

impl Mark {
    fn is(self, key: &str, value: &str) -> bool {
        match self {
            Self::Key(mark) => key == mark,
            Self::Value(mark, wanted) => key == mark && value == wanted,
            Self::Prefix(mark) => key.starts_with(mark),
        }
    }
}

/// What is known of a tool.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct About {
    /// Labels that it writes on copies and sources.
    pub(super) labels: &'static [Mark],
    /// Annotations that it writes on copies and sources.
    pub(super) annotations: &'static [Mark],
    /// The API groups of the owners that it gives to copies. The empty group is that of accounts.
    pub(super) owners: &'static [&'static str],
    /// The names of its images, after the last but one `/`.
    images: &'static [&'static str],
    /// Labels of its workloads or their Pods.
    workloads: &'static [(&'static str, &'static str)],
    /// Its namespace, where its labels are those of many controllers.
    namespace: Option<&'static str>,
    /// Its Leases.
    leases: &'static [&'static str],
    /// Its copies hold logins of hours, which only the tool renews.
    pub(super) short_lived: bool,
}

const MANAGED: &str = "app.kubernetes.io/managed-by";

const PATCHER: Mark = Mark::Value(MANAGED, "imagepullsecret-patcher");

const NOTHING: About = About {
    labels: &[],
    annotations: &[],
    owners: &[],
    images: &[],
    workloads: &[],
    namespace: None,
    leases: &[],
    short_lived: false,
};

const NAME: &str = "app.kubernetes.io/name";
const COMPONENT: &str = "app.kubernetes.io/component";

/// Returns what is known of a tool.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn about(tool: Tool) -> About {
    match tool {
        Tool::TitansoftPatcher => About {
            annotations: &[PATCHER],
            images: &["titansoft/imagepullsecret-patcher"],
            workloads: &[("name", "imagepullsecret-patcher")],
            ..NOTHING
        },
        Tool::TamcorePatcher => About {
            labels: &[PATCHER],
            annotations: &[PATCHER],
            images: &["tamcore/imagepullsecret-patcher"],
            workloads: &[(NAME, "imagepullsecret-patcher")],
            leases: &["tamcore.github.com-imagepullsecret-patcher"],
            ..NOTHING
        },
        Tool::RegistryCreds => About {
            owners: &["ops.alexellis.io"],
            images: &["alexellis/registry-creds", "alexellis2/registry-creds"],
            workloads: &[("control-plane", "registry-creds-controller")],
            leases: &["8bdecb1a.alexellis.io"],
            ..NOTHING
        },
        Tool::UpmcRegistryCreds => About {
            images: &["upmcenterprises/registry-creds", "k8s-minikube/registry-creds"],
            workloads: &[
                ("name", "registry-creds"),
                ("kubernetes.io/minikube-addons", "registry-creds"),
            ],
            ..NOTHING
        },
        Tool::Imps => About {
            labels: &[Mark::Key("images.banzaicloud.io/owner-uid")],
            annotations: &[Mark::Key(BANZAI_LAST_APPLIED)],
            owners: &["images.banzaicloud.io"],
            images: &["banzaicloud/imagepullsecrets", "banzaicloud/imagepullsecrets-refresher"],
            workloads: &[(COMPONENT, "imagepullsecret-controller")],
            leases: &["73de1ad9.banzaicloud.io"],
            ..NOTHING
        },
        Tool::KyvernoGenerate | Tool::KyvernoGeneratingPolicy => About {
            labels: &[Mark::Prefix("generate.kyverno.io/"), Mark::Value(MANAGED, "kyverno")],
            images: &["kyverno/background-controller"],
            workloads: &[(COMPONENT, "background-controller")],
            leases: &["kyverno-background-controller"],
            ..NOTHING
        },
        Tool::CarvelPlaceholder | Tool::CarvelImport => About {
            annotations: &[Mark::Prefix("secretgen.carvel.dev/")],
            owners: &["secretgen.carvel.dev"],
            workloads: &[("app", "secretgen-controller")],
            ..NOTHING
        },
        Tool::Jfrog => About {
            owners: &["apps.jfrog.com"],
            images: &["jfrog/jfrog-registry-operator"],
            workloads: &[("app", "jfrog-operator")],
            leases: &["524bb1e7.jfrog.com"],
            short_lived: true,
            ..NOTHING
        },
        Tool::Reflector => About {
            annotations: &[Mark::Prefix("reflector.v1.k8s.emberstack.com/")],
            images: &["emberstack/kubernetes-reflector"],
            workloads: &[(NAME, "reflector")],
            ..NOTHING
        },
        Tool::Replicator => About {
            annotations: &[Mark::Prefix("replicator.v1.mittwald.de/")],
            images: &["mittwald/kubernetes-replicator"],
            workloads: &[(NAME, "kubernetes-replicator")],
            ..NOTHING
        },
        Tool::ExternalSecrets => About {
            labels: &[Mark::Prefix("reconcile.external-secrets.io/")],
            annotations: &[Mark::Prefix("reconcile.external-secrets.io/")],
            owners: &["external-secrets.io"],
            images: &["external-secrets/external-secrets"],
            workloads: &[(NAME, "external-secrets")],
            leases: &["external-secrets-controller"],
            ..NOTHING
        },
        Tool::Pfnet => About {
            labels: &[Mark::Prefix("imagepullsecrets.preferred.jp/")],
            annotations: &[Mark::Prefix("imagepullsecrets.preferred.jp/")],
            owners: &[""],
            images: &["pfnet/image-pull-secrets-provisioner"],
            workloads: &[("control-plane", "controller-manager")],
            namespace: Some("image-pull-secrets-provisioner-system"),
            leases: &["b1b11bb0.preferred.jp"],
            short_lived: true,
        },
        Tool::AcrPull => About {
            labels: &[Mark::Key("acr.microsoft.com/binding")],
            annotations: &[Mark::Prefix("acr.microsoft.com/")],
            owners: &["acrpull.microsoft.com", "msi-acrpull.microsoft.com"],
            workloads: &[(NAME, "acrpull")],
            leases: &["aks.azure.com"],
            short_lived: true,
            ..NOTHING
        },
        Tool::EcrLoginRenew => About {
            images: &["nabsul/k8s-ecr-login-renew"],
            short_lived: true,
            ..NOTHING
        },
        Tool::OpenShift | Tool::Rancher | Tool::Script => NOTHING,
    }
}

impl About {
    /// Returns the labels of an object that are marks of the tool.
    pub(super) fn marked_labels<'a>(&self, meta: &'a Meta) -> Vec<(&'a String, &'a String)> {
        let is_mark = |(key, value): &(&String, &String)| self.labels.iter().any(|mark| mark.is(key, value));
        meta.labels.iter().filter(is_mark).collect()
    }

    /// Returns the annotations of an object that are marks of the tool.
    pub(super) fn marked_annotations<'a>(&self, meta: &'a Meta) -> Vec<(&'a String, &'a String)> {
        let is_mark = |(key, value): &(&String, &String)| self.annotations.iter().any(|mark| mark.is(key, value));
        meta.annotations.iter().filter(is_mark).collect()
    }

    /// Returns the workloads of the tool, also those without Pods.
    pub(super) fn workloads<'a>(&'a self, seen: &'a Leftovers) -> impl Iterator<Item = &'a Workload> {
        seen.workloads.iter().filter(|workload| self.is_workload(workload))
    }

    fn is_workload(&self, workload: &Workload) -> bool {
        let ends = |image: &String| {
            let named = |name: &&str| image.strip_suffix(*name).is_some_and(|before| before.ends_with('/'));
            self.images.iter().any(named)
        };
        if workload.images.iter().any(ends) {
            return true;
        }
        let has = |(key, value): &(&str, &str)| {
            let is = |labels: &std::collections::BTreeMap<String, String>| {
                labels.get(*key).is_some_and(|found| found == value)
            };
            is(&workload.meta.labels) || is(&workload.pod_labels)
        };
        let here = self
            .namespace
            .is_none_or(|namespace| workload.meta.namespace == namespace);
        here && self.workloads.iter().any(has)
    }

    /// Returns what shows that the tool runs, in words.
    pub(super) fn running(&self, seen: &Leftovers) -> Option<String> {
        let workload = self.workloads(seen).find(|workload| workload.runs);
        if let Some(workload) = workload {
            return Some(format!("{} {} runs", workload.kind, workload.meta.place()));
        }
        let held =
            |lease: &&super::leftovers::Lease| self.leases.contains(&lease.name.as_str()) && lease.is_held(seen.now);
        let lease = seen.leases.iter().find(held)?;
        Some(format!("Lease {}/{} is held", lease.namespace, lease.name))
    }
}

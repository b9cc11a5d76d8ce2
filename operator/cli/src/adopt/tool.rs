//! The tools that leave pull secrets in clusters.

use std::fmt;

use serde::Serialize;

/// A tool that leaves pull secrets in a cluster. The names in JSON are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Tool {
    /// `titansoft-pte-ltd/imagepullsecret-patcher`.
    TitansoftPatcher,
    /// `tamcore/imagepullsecret-patcher`.
    TamcorePatcher,
    /// `alexellis/registry-creds`.
    RegistryCreds,
    /// `upmc-enterprises/registry-creds`, also as an addon of minikube.
    UpmcRegistryCreds,
    /// `banzaicloud/imps`.
    Imps,
    /// A rule of a Kyverno `ClusterPolicy` or `Policy`.
    KyvernoGenerate,
    /// A Kyverno `GeneratingPolicy`.
    KyvernoGeneratingPolicy,
    /// A placeholder of carvel's secretgen-controller.
    CarvelPlaceholder,
    /// A `SecretImport` of carvel's secretgen-controller.
    CarvelImport,
    /// `jfrog/jfrog-registry-operator`.
    Jfrog,
    /// `emberstack/kubernetes-reflector`.
    Reflector,
    /// `mittwald/kubernetes-replicator`.
    Replicator,
    /// `external-secrets/external-secrets`.
    ExternalSecrets,
    /// `pfnet/image-pull-secrets-provisioner`.
    Pfnet,
    /// `Azure/msi-acrpull`.
    AcrPull,
    /// `nabsul/k8s-ecr-login-renew`.
    EcrLoginRenew,
    /// The platform `OpenShift`.
    OpenShift,
    /// Rancher.
    Rancher,
    /// A script or a person: it has no mark.
    Script,
}

impl Tool {
    /// All tools.
    pub const ALL: [Self; 19] = [
        Self::TitansoftPatcher,
        Self::TamcorePatcher,
        Self::RegistryCreds,
        Self::UpmcRegistryCreds,
        Self::Imps,
        Self::KyvernoGenerate,
        Self::KyvernoGeneratingPolicy,
        Self::CarvelPlaceholder,
        Self::CarvelImport,
        Self::Jfrog,
        Self::Reflector,
        Self::Replicator,
        Self::ExternalSecrets,
        Self::Pfnet,
        Self::AcrPull,
        Self::EcrLoginRenew,
        Self::OpenShift,
        Self::Rancher,
        Self::Script,
    ];

    /// Returns the word of `--from`. Two tools of one family share it.
    pub fn key(self) -> &'static str {
        match self {
            Self::TitansoftPatcher | Self::TamcorePatcher => "patcher",
            Self::RegistryCreds | Self::UpmcRegistryCreds => "registry-creds",
            Self::Imps => "imps",
            Self::KyvernoGenerate | Self::KyvernoGeneratingPolicy => "kyverno",
            Self::CarvelPlaceholder | Self::CarvelImport => "carvel",
            Self::Jfrog => "jfrog",
            Self::Reflector => "reflector",
            Self::Replicator => "replicator",
            Self::ExternalSecrets => "external-secrets",
            Self::Pfnet => "pfnet",
            Self::AcrPull => "msi-acrpull",
            Self::EcrLoginRenew => "ecr-login-renew",
            Self::OpenShift => "openshift",
            Self::Rancher => "rancher",
            Self::Script => "script",
        }
    }

    /// Returns the tool with this name in JSON.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| format!("{tool:?}") == name)
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TitansoftPatcher => "titansoft imagepullsecret-patcher",
            Self::TamcorePatcher => "tamcore imagepullsecret-patcher",
            Self::RegistryCreds => "alexellis registry-creds",
            Self::UpmcRegistryCreds => "upmc registry-creds",
            Self::Imps => "IMPS",
            Self::KyvernoGenerate => "Kyverno policy",
            Self::KyvernoGeneratingPolicy => "Kyverno GeneratingPolicy",
            Self::CarvelPlaceholder => "secretgen-controller placeholder",
            Self::CarvelImport => "secretgen-controller SecretImport",
            Self::Jfrog => "JFrog registry operator",
            Self::Reflector => "reflector",
            Self::Replicator => "kubernetes-replicator",
            Self::ExternalSecrets => "External Secrets",
            Self::Pfnet => "pfnet image-pull-secrets-provisioner",
            Self::AcrPull => "msi-acrpull",
            Self::EcrLoginRenew => "k8s-ecr-login-renew",
            Self::OpenShift => "OpenShift",
            Self::Rancher => "Rancher",
            Self::Script => "a script or a person",
        })
    }
}

//! Keys of labels and annotations.

use crate::world::LAST_APPLIED;

/// Annotations whose values hold a login. Their values are never kept, and their removal cannot be undone.
pub(super) const WITH_LOGINS: [&str; 2] = [BANZAI_LAST_APPLIED, LAST_APPLIED];

/// What IMPS keeps of a Secret.
pub(super) const BANZAI_LAST_APPLIED: &str = "banzaicloud.com/last-applied";

/// Annotations on a namespace that stop a patcher in it.
pub(super) const STOPS: [&str; 2] = [
    "k8s.titansoft.com/imagepullsecret-patcher-exclude",
    "pborn.eu/imagepullsecret-patcher-exclude",
];

/// Beginnings of the annotations whose values decide.
const KNOWN: [&str; 17] = [
    "app.kubernetes.io/managed-by",
    "acr.microsoft.com/",
    "argocd.argoproj.io/tracking-id",
    BANZAI_LAST_APPLIED,
    "field.cattle.io/projectId",
    "generate.kyverno.io/",
    "imagepullsecrets.preferred.jp/",
    "k8s.titansoft.com/",
    LAST_APPLIED,
    "management.cattle.io/",
    "meta.helm.sh/",
    "openshift.io/",
    "pborn.eu/",
    "pullsecrets.dev/",
    "reconcile.external-secrets.io/",
    "reflector.v1.k8s.emberstack.com/",
    "replicator.v1.mittwald.de/",
];

/// Further beginnings, of tools whose marks are on Secrets that packages make.
const PACKAGES: [&str; 2] = ["secretgen.carvel.dev/", "kapp.k14s.io/"];

/// Returns whether the annotation decides about anything.
pub(super) fn is_known(key: &str) -> bool {
    KNOWN.iter().chain(&PACKAGES).any(|known| key.starts_with(known))
}

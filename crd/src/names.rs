//! Every string that others can see: labels, annotations, field managers, types and keys.
//!
//! These are part of the API. A changed value orphans what an earlier version marked, so none is ever reused or renamed.

/// The API group of `ClusterPullSecret`, and the prefix of every label and annotation of this project.
pub const GROUP: &str = "pullsecrets.dev";

/// Label on each copy: the name of the `ClusterPullSecret` that decides its content. The watch on copies selects by it.
pub const LABEL_OBJECT: &str = "pullsecrets.dev/cluster-pull-secret";

/// Label on each copy and each state Secret, as recommended by Kubernetes; its value is [`MANAGED_BY`].
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Value of [`LABEL_MANAGED_BY`].
pub const MANAGED_BY: &str = "pullsecrets";

/// Label set by users on a namespace or a service account: with the value `"true"` it is left out of every selection.
pub const LABEL_EXCLUDE: &str = "pullsecrets.dev/exclude";

/// Annotation on a service account: the names of the pull secrets that the operator added to it, comma-separated.
/// Written in the same call as the entries, so that only recorded entries are ever removed.
pub const ANNOTATION_ATTACHED: &str = "pullsecrets.dev/attached";

/// Annotation on a Secret that was kept by `deletionPolicy: Retain`: the name of the object that wrote it.
pub const ANNOTATION_RETAINED: &str = "pullsecrets.dev/retained";

/// Annotation set by users on a `ClusterPullSecret`: any new value asks for an immediate reconciliation. The operator
/// echoes the value in `status.lastHandledReconcileAt`.
pub const ANNOTATION_RECONCILE: &str = "pullsecrets.dev/reconcile-requested-at";

/// Annotation set by users on a `ClusterPullSecret`, to hand it over: the installation that is to act for it, as
/// `namespace/name`. The installation that acts is in `status.installation`.
pub const ANNOTATION_INSTALLATION: &str = "pullsecrets.dev/installation";

/// Finalizer on a `ClusterPullSecret`, and on nothing else.
pub const FINALIZER: &str = "pullsecrets.dev/cleanup";

/// Field manager of every write to copies, accounts and objects.
pub const FIELD_MANAGER: &str = "pullsecrets";

/// Field manager of a write of `imagePullSecrets` after which the list has entries with names of objects that the
/// operator did not record, or no record at all. Lists under [`FIELD_MANAGER`] are thereby proof of a lost record.
pub const FIELD_MANAGER_UNPROVEN: &str = "pullsecrets-unproven";

/// Field manager of status writes. It is another one, so that an apply of the one never gives up fields of the other.
pub const FIELD_MANAGER_STATUS: &str = "pullsecrets-status";

/// Type of the Secret in the operator's own namespace that holds the last good entries of one object.
pub const STATE_TYPE: &str = "pullsecrets.dev/state";

/// How the names of those Secrets begin; the uid of the object follows. No copy may have such a name.
pub const STATE_NAME_PREFIX: &str = "pullsecrets-state-";

/// The data key of [`DOCKER_CONFIG_TYPE`]: the only one that the kubelet reads.
pub const DOCKER_CONFIG_KEY: &str = ".dockerconfigjson";

/// Type of every copy, and of a source of `dockerConfig`.
pub const DOCKER_CONFIG_TYPE: &str = "kubernetes.io/dockerconfigjson";

/// Type of a Secret with a docker config in the older form, which kubelets still read. A source only, never a copy.
pub const LEGACY_CONFIG_TYPE: &str = "kubernetes.io/dockercfg";

/// The data key of [`LEGACY_CONFIG_TYPE`].
pub const LEGACY_CONFIG_KEY: &str = ".dockercfg";

/// The usual type of a source of `basicAuth`; its keys are the defaults of `usernameKey` and `passwordKey`.
pub const BASIC_AUTH_TYPE: &str = "kubernetes.io/basic-auth";

/// Namespaces of the cluster itself: selected by an exact entry in `spec.namespaces.names` only, never by a label
/// selector or a glob. The operator's own and the source namespaces follow the same rule; they are known at run time.
pub const SYSTEM_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// On a copy: the keys of `spec.secret.labels` and `spec.secret.annotations` as they were last applied, so that one
/// taken out of the spec is told from one that somebody else added.
pub const ANNOTATION_DECLARED: &str = "pullsecrets.dev/declared";

/// The keys by which Kubernetes describes an object, as far as a copy takes them from `spec.secret.labels` and
/// `spec.secret.annotations`.
pub const COPY_KEYS: [&str; 3] = [
    "app.kubernetes.io/component",
    "app.kubernetes.io/name",
    "app.kubernetes.io/version",
];

/// How the prefix of every other key begins that a copy takes.
pub const COPY_KEY_PREFIX: &str = "pull-secret.";

/// Whether a copy takes this key: whatever has another key may make another controller act.
pub fn is_copy_key(key: &str) -> bool {
    COPY_KEYS.contains(&key) || (key.starts_with(COPY_KEY_PREFIX) && key.contains('/'))
}

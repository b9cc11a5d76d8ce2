//! Public names: labels, annotations, field managers, types and keys.
//!
//! These are part of the API. A changed value orphans what an earlier version marked, so none is ever reused or
//! renamed.

/// The API group of `ClusterPullSecret`, and the prefix of every label and annotation of this project.
pub const GROUP: &str = "pullsecrets.dev";

/// Label on each copy: the name of the `ClusterPullSecret` that decides its content. The watch on copies selects by it.
pub const LABEL_OBJECT: &str = "pullsecrets.dev/cluster-pull-secret";

/// Label on each copy and each state Secret, as recommended by Kubernetes; its value is [`MANAGED_BY`].
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Value of [`LABEL_MANAGED_BY`].
pub const MANAGED_BY: &str = "pullsecrets";

/// Label that users set on a namespace or a service account. The value `"true"` excludes it from every selection.
pub const LABEL_EXCLUDE: &str = "pullsecrets.dev/exclude";

/// Annotation on a service account: the names of the pull secrets that the operator added to it, comma-separated. The
/// operator writes it in the same call as the entries, because it removes only recorded entries.
pub const ANNOTATION_ATTACHED: &str = "pullsecrets.dev/attached";

/// Annotation on a Secret that `deletionPolicy: Retain` kept: the name of the object that wrote it.
pub const ANNOTATION_RETAINED: &str = "pullsecrets.dev/retained";

/// Annotation that `kubectl pullsecrets adopt` sets on a Secret: the marks of another tool that it took off. On a source it
/// says that the command made it. The operator never reads it.
pub const ANNOTATION_ADOPTED: &str = "pullsecrets.dev/adopted";

/// Annotation that users set on a `ClusterPullSecret` to request an immediate reconciliation; any new value counts. The
/// operator echoes the value in `status.lastHandledReconcileAt`.
pub const ANNOTATION_RECONCILE: &str = "pullsecrets.dev/reconcile-requested-at";

/// Annotation that users set on a `ClusterPullSecret` to hand it over: the `namespace/name` of the installation that
/// must act for it. `status.installation` names the installation that acts.
pub const ANNOTATION_INSTALLATION: &str = "pullsecrets.dev/installation";

/// Finalizer on each `ClusterPullSecret`. The operator adds it to no other kind.
pub const FINALIZER: &str = "pullsecrets.dev/cleanup";

/// Field manager of every write to copies, accounts and objects.
pub const FIELD_MANAGER: &str = "pullsecrets";

/// Field manager of a write of `imagePullSecrets` that leaves entries without a record, although they have names of
/// objects. Under [`FIELD_MANAGER`], a list without a record therefore proves that its record was lost.
pub const FIELD_MANAGER_UNPROVEN: &str = "pullsecrets-unproven";

/// Field manager of status writes. A separate manager keeps an apply of the object from giving up fields of the status,
/// and the reverse.
pub const FIELD_MANAGER_STATUS: &str = "pullsecrets-status";

/// Type of the Secret in the operator's own namespace that holds the last good entries of one object.
pub const STATE_TYPE: &str = "pullsecrets.dev/state";

/// Prefix of the names of those Secrets; the uid of the object follows. No copy may have such a name.
pub const STATE_NAME_PREFIX: &str = "pullsecrets-state-";

/// The data key of [`DOCKER_CONFIG_TYPE`]: the only one that the kubelet reads.
pub const DOCKER_CONFIG_KEY: &str = ".dockerconfigjson";

/// Type of every copy, and of a source of `dockerConfig`.
pub const DOCKER_CONFIG_TYPE: &str = "kubernetes.io/dockerconfigjson";

/// Type of a Secret with a docker config in the older form, which kubelets still read. Only sources have it, never
/// copies.
pub const LEGACY_CONFIG_TYPE: &str = "kubernetes.io/dockercfg";

/// The data key of [`LEGACY_CONFIG_TYPE`].
pub const LEGACY_CONFIG_KEY: &str = ".dockercfg";

/// The usual type of a source of `basicAuth`; its keys are the defaults of `usernameKey` and `passwordKey`.
pub const BASIC_AUTH_TYPE: &str = "kubernetes.io/basic-auth";

/// Namespaces of the cluster itself. Only an exact entry in `spec.namespaces.names` selects them; label selectors and
/// globs do not. The operator's own and the source namespaces follow the same rule, but are known only at run time.
pub const SYSTEM_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// Annotation on a copy: the keys of `spec.secret.labels` and `spec.secret.annotations` as last applied. With it the
/// operator distinguishes a key that left the spec from a key that another writer added.
pub const ANNOTATION_DECLARED: &str = "pullsecrets.dev/declared";

/// Keys by which Kubernetes describes an object and that `spec.secret.labels` and `spec.secret.annotations` may
/// contain.
pub const COPY_KEYS: [&str; 3] = [
    "app.kubernetes.io/component",
    "app.kubernetes.io/name",
    "app.kubernetes.io/version",
];

/// Prefix of all other keys that a copy may have.
pub const COPY_KEY_PREFIX: &str = "pull-secret.";

/// Returns whether a copy may have this key. Any other key may make another controller act on the copy.
pub fn is_copy_key(key: &str) -> bool {
    COPY_KEYS.contains(&key) || (key.starts_with(COPY_KEY_PREFIX) && key.contains('/'))
}

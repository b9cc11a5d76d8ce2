//! Desired state: what users write. `kubectl explain` prints the doc comments of the fields.

#![expect(
    unreachable_pub,
    reason = "KubeSchema repeats each type inside a function, where no type is reachable"
)]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{rules, schema, status::ClusterPullSecretStatus};

/// Desired state. The operator puts the logins for `registries` into one pull secret, the copy, in each namespace that
/// `namespaces` selects. It adds an entry for the copy, the reference, to `imagePullSecrets` of each service account
/// that `serviceAccounts` selects there.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "pullsecrets.dev",
    version = "v1alpha1",
    kind = "ClusterPullSecret",
    plural = "clusterpullsecrets",
    shortname = "cps",
    status = "ClusterPullSecretStatus",
    derive = "PartialEq",
    doc = "ClusterPullSecret keeps one image pull secret in each selected namespace, and one reference to it in each selected ServiceAccount, for as long as it exists.",
    validation = rules::NAME_FITS_A_LABEL,
    validation = rules::SECRET_NAME_IS_IMMUTABLE,
    validation = kube::core::Rule::from(rules::DEFAULT_SECRET_NAME_IS_NOT_RESERVED).optional_old_self(true),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(
        name = "Namespaces",
        type_ = "string",
        json_path = ".status.namespaces.summary",
        description = "Namespaces that hold the current copy, of those selected"
    ),
    printcolumn(
        name = "Accounts",
        type_ = "string",
        json_path = ".status.serviceAccounts.summary",
        description = "ServiceAccounts that refer to the copy, of those selected"
    ),
    printcolumn(
        name = "Registries",
        type_ = "string",
        json_path = ".status.registriesReady",
        description = "Registries whose credentials are resolved, of those declared",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = rules::SERVERS_ARE_DISTINCT,
    validation = rules::DOCKER_HUB_IS_DISTINCT,
    validation = rules::WHOLE_CONFIGS_ARE_DISTINCT
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPullSecretSpec {
    /// Registries to log in to, 1 to 16, each server at most once. If a docker config that is taken whole contains the
    /// `server` of another entry, that entry wins. If two such docker configs contain the same server, the earlier one
    /// in this list wins. If the source of an entry fails, the copies keep the last good login of that entry.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub registries: Vec<Registry>,

    /// The namespaces that get a copy: all that match `selectors` or `names`, of which at least one must be given. The
    /// label `pullsecrets.dev/exclude: "true"` always excludes a namespace. Only their exact name in `names` selects
    /// `kube-system`, `kube-public`, `kube-node-lease`, the operator's own namespace and the namespaces of sources.
    pub namespaces: NamespaceSelection,

    /// The service accounts in those namespaces that get a reference to the copy: all that match `names` or
    /// `selectors`. Without both, it is the account `default`. The label `pullsecrets.dev/exclude: "true"` always
    /// excludes an account.
    #[serde(default)]
    pub service_accounts: ServiceAccountSelection,

    /// Name, labels and annotations of the copies, and what to do about a name conflict.
    #[serde(default)]
    pub secret: SecretTemplate,

    /// What happens to copies and references when this object is deleted, or when a namespace is no longer selected.
    /// `Delete` removes both. `Retain` keeps both, and the operator no longer updates these copies. It marks them with
    /// the annotation `pullsecrets.dev/retained`. Default: `Delete`.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// Set to true to stop all writes of copies and references for this object. New namespaces then get no copy, and
    /// existing copies keep their login. The operator still updates the status, and deletion still works. Default:
    /// false.
    #[serde(default)]
    pub suspend: bool,
}

/// One registry and the source of its credentials.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = rules::SERVER_IS_GIVEN)]
#[serde(rename_all = "camelCase")]
pub struct Registry {
    /// The registry as `host[:port][/path]` in lower case, for example `harbor.example.com`,
    /// `registry.example.com:5000`, `ghcr.io/acme`, or `docker.io` for Docker Hub. The port must be the one in the
    /// image names. A path is a plain prefix of image names: `ghcr.io/acme` also matches `ghcr.io/acme-other`. A `*`
    /// matches one label of the host, or a part of one: `*.dkr.ecr.eu-west-1.amazonaws.com`. The API server refuses a
    /// value that no image can match. Only `dockerConfig` works without a server. The operator then takes every entry
    /// of that docker config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::server")]
    pub server: Option<String>,

    /// The source of the user name and password: exactly one of `basicAuth` and `dockerConfig`.
    pub credentials: Credentials,
}

/// Exactly one source of credentials.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = rules::EXACTLY_ONE_SOURCE)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// A Secret with a user name and a password, usually of type `kubernetes.io/basic-auth`. It needs `server`. Any
    /// type of Secret works, except service account tokens, bootstrap tokens, TLS and SSH keys, Helm releases and the
    /// operator's own Secrets. If a key is missing or empty, the registry reports `SourceInvalid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuthSource>,

    /// A Secret with a docker config, of type `kubernetes.io/dockerconfigjson` or `kubernetes.io/dockercfg`, or under
    /// another `key`. Any type of Secret works, except service account tokens, bootstrap tokens, TLS and SSH keys, Helm
    /// releases and the operator's own Secrets. With `server`, the operator takes the entry of that server. Without it,
    /// the operator takes every entry that kubelets can use. If there is no such entry, the registry reports
    /// `SourceInvalid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_config: Option<DockerConfigSource>,
}

impl Credentials {
    /// Returns the Secrets that these credentials come from. The schema allows exactly one.
    pub fn references(&self) -> impl Iterator<Item = &SecretReference> {
        let basic = self.basic_auth.iter().map(|source| &source.secret_ref);
        basic.chain(self.docker_config.iter().map(|source| &source.secret_ref))
    }
}

/// A Secret with a user name and a password under configurable keys.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BasicAuthSource {
    /// The Secret to read, by name and namespace.
    pub secret_ref: SecretReference,

    /// The key in the data of the Secret that holds the user name. Default: `username`.
    #[serde(default = "default_username_key")]
    #[schemars(schema_with = "schema::data_key")]
    pub username_key: String,

    /// The key in the data of the Secret that holds the password or token. Default: `password`.
    #[serde(default = "default_password_key")]
    #[schemars(schema_with = "schema::data_key")]
    pub password_key: String,
}

fn default_username_key() -> String {
    "username".to_owned()
}

fn default_password_key() -> String {
    "password".to_owned()
}

/// A Secret with a docker config.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DockerConfigSource {
    /// The Secret to read, by name and namespace.
    pub secret_ref: SecretReference,

    /// The key in the data of the Secret that holds the docker config, for example `config.json`. The operator reads no
    /// other key. The value has an object `auths`. Only under the key `.dockercfg`, it has the older form without
    /// `auths`. Default: `.dockerconfigjson`, or `.dockercfg` in a Secret of type `kubernetes.io/dockercfg`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::data_key")]
    pub key: Option<String>,
}

/// Name and namespace of a source Secret.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct SecretReference {
    /// The name of the Secret. It may be created later: until then the registry reports `SourceNotFound`.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,

    /// The namespace of the Secret. Default: the namespace of the operator. The operator reads another namespace only
    /// if its flag `--source-namespaces` lists it. Otherwise the registry reports `SourceNamespaceNotAllowed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::namespace_name")]
    pub namespace: Option<String>,
}

/// Selects namespaces by at least one of `selectors` and `names`. `kube-system`, `kube-public`, `kube-node-lease`, the
/// operator's own namespace and the source namespaces need an exact entry in `names`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = rules::NAMESPACES_ARE_GIVEN)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelection {
    /// Label selectors, at most 64. A namespace is selected if it matches at least one of them. `[{}]` selects every
    /// namespace, except those that need their exact name in `names`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::selectors")]
    pub selectors: Vec<LabelSelector>,

    /// Names or globs of namespaces, at most 64, in addition to the selectors, for example `ci-*`. A `*` matches any
    /// number of characters, and a `?` matches one. A namespace that does not exist yet is selected when it is created.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::globs")]
    pub names: Vec<String>,

    /// Names or globs of namespaces that are never selected, at most 64, for example `ci-sandbox`. `excluded` wins over
    /// `selectors` and `names`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::globs")]
    pub excluded: Vec<String>,
}

/// Selects service accounts in the selected namespaces. Without `names` and `selectors` it selects the account
/// `default`. The label `pullsecrets.dev/exclude: "true"` always excludes an account.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountSelection {
    /// `Attach` adds the copy to the `imagePullSecrets` of the selected accounts. `None` adds it to no account, and
    /// each Pod must name the secret itself. A change to `None` removes the references that the operator added.
    /// Default: `Attach`.
    #[serde(default)]
    pub mode: AttachMode,

    /// Names or globs of accounts, at most 64, for example `build-*`. A `*` matches any number of characters, and a `?`
    /// matches one. `["*"]` selects every account. If you set `names` or `selectors`, list `default` as well if it
    /// should get the reference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::globs")]
    pub names: Vec<String>,

    /// Label selectors, at most 64, in addition to the names. An account is selected if it matches at least one of
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::selectors")]
    pub selectors: Vec<LabelSelector>,

    /// Names or globs of accounts that are never selected, at most 64. `excluded` wins over `selectors` and `names`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::globs")]
    pub excluded: Vec<String>,
}

/// Whether service accounts get a reference to the copy.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttachMode {
    /// The selected accounts get a reference.
    #[default]
    Attach,
    /// No account is changed.
    None,
}

/// Name, labels and annotations of the copies, and what to do about a name conflict.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretTemplate {
    /// The name of the copy in every namespace. Default: the name of this object. The resulting name is immutable. To
    /// change it, create a second object, and delete this one when the second is ready. Names that start with
    /// `pullsecrets-state-` are reserved for the operator. If a namespace has a source Secret of the same name, the
    /// operator makes no copy there and reports `SourceName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::copy_name")]
    pub name: Option<String>,

    /// Labels for the copies, at most 16. Allowed keys: `app.kubernetes.io/component`, `app.kubernetes.io/name`,
    /// `app.kubernetes.io/version`, and keys with a prefix that begins with `pull-secret.`, for example
    /// `pull-secret.example.com/team`. The API server refuses any other key, because it may make another controller act
    /// on the copies.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::copy_labels")]
    pub labels: BTreeMap<String, String>,

    /// Annotations for the copies, at most 16, each of at most 1024 characters. The allowed keys are those of `labels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::copy_annotations")]
    pub annotations: BTreeMap<String, String>,

    /// What to do if a Secret of that name exists and the operator does not manage it. `Fail` leaves it as it is and
    /// reports `SecretConflict`. `Adopt` overwrites its login and manages it from then on. It does so only for a Secret
    /// of type `kubernetes.io/dockerconfigjson` that is mutable, has no controller, and is no source of an object.
    /// Default: `Fail`.
    #[serde(default)]
    pub conflict_policy: ConflictPolicy,
}

/// What to do with a Secret of the same name that the operator does not manage.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConflictPolicy {
    /// The operator leaves it as it is and reports the conflict.
    #[default]
    Fail,
    /// The operator takes it over if that is safe.
    Adopt,
}

/// What happens to copies and references that are no longer wanted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionPolicy {
    /// The operator removes both.
    #[default]
    Delete,
    /// The operator keeps both.
    Retain,
}

impl ClusterPullSecret {
    /// Returns the name of the copy in every namespace: `spec.secret.name`, else `metadata.name`.
    ///
    /// It is empty only for an object that was never stored and has no name.
    pub fn effective_secret_name(&self) -> &str {
        self.spec
            .secret
            .name
            .as_deref()
            .or(self.metadata.name.as_deref())
            .unwrap_or_default()
    }
}

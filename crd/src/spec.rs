//! What a user declares. The doc comments of the fields are the text of `kubectl explain`.

#![expect(
    unreachable_pub,
    reason = "KubeSchema repeats each type inside a function, where nothing is reachable"
)]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{rules, schema, status::ClusterPullSecretStatus};

/// Which registries, where their credentials come from, and which namespaces and service accounts may use them.
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
    validation = rules::DOCKER_HUB_IS_DISTINCT
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPullSecretSpec {
    /// Registries to log in to, 1 to 16, each server at most once. Where two sources give an entry for the same server,
    /// the one that names the server wins, then the earlier one in this list.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub registries: Vec<Registry>,

    /// The namespaces that get a copy. A namespace labelled `pullsecrets.dev/exclude: "true"` is always left out.
    pub namespaces: NamespaceSelection,

    /// The service accounts in those namespaces that get a reference to the copy. Default: the account `default`.
    #[serde(default)]
    pub service_accounts: ServiceAccountSelection,

    /// How the copies look.
    #[serde(default)]
    pub secret: SecretTemplate,

    /// What becomes of copies and references when this object is deleted, or a namespace is no longer selected.
    /// `Delete` takes both away. `Retain` leaves both, and marks the copies as retained. Default: `Delete`.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// Set to true to stop all writes for this object. The status goes on to tell what is seen, and deletion still
    /// works. Default: false.
    #[serde(default)]
    pub suspend: bool,
}

/// One registry and the source of its credentials.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = rules::SERVER_IS_GIVEN)]
#[serde(rename_all = "camelCase")]
pub struct Registry {
    /// The registry as `host[:port][/path]` in lower case, for example `harbor.example.com`, `registry.example.com:5000`
    /// or `ghcr.io/acme`. A path is a plain prefix of image names: `ghcr.io/acme` also serves `ghcr.io/acme-other`. A
    /// `*` stands for one label of the host, or part of it: `*.dkr.ecr.eu-west-1.amazonaws.com`. May be left out with
    /// `dockerConfig` only: then every entry of that docker config is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::server")]
    pub server: Option<String>,

    /// Where the user name and the password come from: exactly one source.
    pub credentials: Credentials,
}

/// Exactly one source of credentials.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = rules::EXACTLY_ONE_SOURCE)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// A Secret with a user name and a password, of type `kubernetes.io/basic-auth` or any other but those of tokens,
    /// keys, Helm releases and this operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuthSource>,

    /// A Secret with a docker config under `.dockerconfigjson`, of any type but those of tokens, keys, Helm releases and
    /// this operator; or one of type `kubernetes.io/dockercfg`. With `server`, the entry of that server is taken; without it, every entry that kubelets can use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_config: Option<DockerConfigSource>,
}

impl Credentials {
    /// The Secrets that these credentials are read from: one, as the schema has it.
    pub fn references(&self) -> impl Iterator<Item = &SecretReference> {
        let basic = self.basic_auth.iter().map(|source| &source.secret_ref);
        basic.chain(self.docker_config.iter().map(|source| &source.secret_ref))
    }
}

/// A Secret with a user name and a password under keys of its own.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BasicAuthSource {
    /// The Secret to read.
    pub secret_ref: SecretReference,

    /// The data key that holds the user name. Default: `username`.
    #[serde(default = "default_username_key")]
    #[schemars(schema_with = "schema::data_key")]
    pub username_key: String,

    /// The data key that holds the password or token. Default: `password`.
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

/// A Secret with a docker config under `.dockerconfigjson`.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DockerConfigSource {
    /// The Secret to read.
    pub secret_ref: SecretReference,
}

/// The name of a source Secret.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct SecretReference {
    /// The name of the Secret.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,

    /// The namespace of the Secret. Default: the namespace of the operator. Another one must be allowed when the
    /// operator is started (`--source-namespaces`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::namespace_name")]
    pub namespace: Option<String>,
}

/// Which namespaces: at least one of `selectors` and `names`. `kube-system`, `kube-public`, `kube-node-lease`, the
/// operator's own and the source namespaces are selected by an exact entry in `names` only.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = rules::NAMESPACES_ARE_GIVEN)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelection {
    /// Label selectors; a namespace that matches one of them is selected. `[{}]` means every namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::selectors")]
    pub selectors: Vec<LabelSelector>,

    /// Names or globs of namespaces, in addition to the selectors: `*` stands for any characters, `?` for one.
    /// For example `ci-*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::globs")]
    pub names: Vec<String>,

    /// Names or globs of namespaces that are never selected, whatever else says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::globs")]
    pub excluded: Vec<String>,
}

/// Which service accounts of the selected namespaces. With neither `names` nor `selectors`: the account `default`. An
/// account labelled `pullsecrets.dev/exclude: "true"` is always left out.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountSelection {
    /// `Attach` adds the copy to the `imagePullSecrets` of the selected accounts. `None` touches no account: each Pod
    /// must name the secret itself. Default: `Attach`.
    #[serde(default)]
    pub mode: AttachMode,

    /// Names or globs of accounts: `*` stands for any characters, `?` for one. `["*"]` means every account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::globs")]
    pub names: Vec<String>,

    /// Label selectors, in addition to the names; an account that matches one of them is selected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::selectors")]
    pub selectors: Vec<LabelSelector>,

    /// Names or globs of accounts that are never selected, whatever else says so.
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
    /// No account is touched.
    None,
}

/// The looks of the copies.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretTemplate {
    /// The name of the copy in every namespace. Default: the name of this object. The resulting name cannot be changed
    /// later: create a second object instead, and delete this one when the second is ready. Names that start with
    /// `pullsecrets-state-` are the operator's own. Under the name of a Secret that any object calls a source, no copy is
    /// made in the namespace of that source (`SourceName`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::copy_name")]
    pub name: Option<String>,

    /// Labels for the copies, at most 16. Keys: `app.kubernetes.io/component`, `app.kubernetes.io/name`,
    /// `app.kubernetes.io/version`, and those of a prefix that begins with `pull-secret.`, for example
    /// `pull-secret.example.com/team`. Any other key may make another controller act on the copies, and is refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::copy_labels")]
    pub labels: BTreeMap<String, String>,

    /// Annotations for the copies, at most 16, with the keys that `labels` may have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::copy_annotations")]
    pub annotations: BTreeMap<String, String>,

    /// What to do where a Secret of that name exists and is not managed by the operator. `Fail` leaves it alone and
    /// reports `SecretConflict`. `Adopt` takes it over if it is of type `kubernetes.io/dockerconfigjson`, has no
    /// controller, is not immutable and is no object's source. Default: `Fail`.
    #[serde(default)]
    pub conflict_policy: ConflictPolicy,
}

/// What to do with a Secret of the same name that is not ours.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConflictPolicy {
    /// Leave it alone and report it.
    #[default]
    Fail,
    /// Take it over where that is safe.
    Adopt,
}

/// What becomes of copies and references that are no longer wanted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionPolicy {
    /// Both are taken away.
    #[default]
    Delete,
    /// Both stay.
    Retain,
}

impl ClusterPullSecret {
    /// The name of the copy in every namespace: `spec.secret.name`, else `metadata.name`.
    ///
    /// Empty only for an object that was never stored and has no name.
    pub fn effective_secret_name(&self) -> &str {
        self.spec
            .secret
            .name
            .as_deref()
            .or(self.metadata.name.as_deref())
            .unwrap_or_default()
    }
}

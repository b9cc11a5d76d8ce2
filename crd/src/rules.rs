//! Rules over several fields, checked by the API server: each is a CEL expression with the message of its refusal.
//!
//! The API server prints the path of the value before the message, so a message says what to do and not where. Rules
//! over one value are next to its type in `schema`.
//!
//! A rule must not assume that a field is present, required or not. An older schema may have accepted an object without
//! it. The rule would then fail with an error, which the API server does not ratchet, and the object could not even be
//! deleted.

/// A CEL expression that must be true, and the message when it is not.
pub(crate) type Rule = (&'static str, &'static str);

/// Root rule: must never be tightened.
pub(crate) const NAME_FITS_A_LABEL: Rule = (
    "size(self.metadata.name) <= 63",
    "metadata.name must have at most 63 characters: it becomes the value of a label",
);

/// Root rule: must never be tightened. It compares the effective name, because removing the field and setting it again
/// would pass a rule on the field alone.
pub(crate) const SECRET_NAME_IS_IMMUTABLE: Rule = (
    "(has(self.spec.secret.name) ? self.spec.secret.name : self.metadata.name) == \
     (has(oldSelf.spec.secret.name) ? oldSelf.spec.secret.name : oldSelf.metadata.name)",
    "spec.secret.name (default: metadata.name) cannot be changed: create a second object with the new name, and delete \
     this one when the second is ready",
);

/// Root rule that the API server evaluates on creation only, so it never blocks a status or the removal of a finalizer.
/// Copies take the name of the object where the spec gives none.
pub(crate) const DEFAULT_SECRET_NAME_IS_NOT_RESERVED: Rule = (
    "oldSelf.hasValue() || has(self.spec.secret.name) || !self.metadata.name.startsWith('pullsecrets-state-')",
    "metadata.name must not start with pullsecrets-state-, which is reserved for the operator's own Secrets: set \
     spec.secret.name, or give the object another name",
);

/// Reserves the names of the operator's own Secrets.
pub(crate) const SECRET_NAME_IS_NOT_RESERVED: Rule = (
    "!self.startsWith('pullsecrets-state-')",
    "must not start with pullsecrets-state-, which is reserved for the operator's own Secrets: choose another name",
);

/// The host of a server, with a `/`. The rules must not replace, cut or collect, because the API server would estimate the
/// cost of that as unbounded.
macro_rules! host {
    ($server:literal) => {
        concat!("(", $server, " + '/').find('[^/]*[^/:]/')")
    };
}

/// The path of a server, with the `/` before it. It is empty if there is no more than that `/`.
macro_rules! path {
    ($server:literal) => {
        concat!($server, ".find('[^/:]/.+$').find('/.*$')")
    };
}

/// The path of a server without the leading `/v1` or `/v2` that the kubelet drops.
macro_rules! kubelet_path {
    ($server:literal) => {
        concat!(
            "(",
            path!($server),
            ".matches('^/v[12]/') ? ",
            path!($server),
            ".find('[12]/.*$').find('/.+$') : ",
            path!($server),
            ")"
        )
    };
}

/// Whether two paths are one to the kubelet.
macro_rules! one_path {
    () => {
        concat!(kubelet_path!("other.server"), " == ", kubelet_path!("r.server"))
    };
}

/// The hosts of Docker Hub.
macro_rules! hub {
    () => {
        r"^(index\.|registry-1\.)?docker\.io/$"
    };
}

/// Compares servers as the kubelet does, which ignores the scheme.
pub(crate) const SERVERS_ARE_DISTINCT: Rule = (
    concat!(
        "!has(self.registries) || self.registries.all(r, !has(r.server) || self.registries.exists_one(other, \
         has(other.server) && ",
        host!("other.server"),
        " == ",
        host!("r.server"),
        " && ",
        one_path!(),
        "))",
    ),
    "registries must name each server at most once: the kubelet drops a scheme, and /v1/ or /v2/ before the path, so two \
     entries that differ only in these are one server; remove the second entry, or give it another path",
);

/// Docker Hub has several hosts.
pub(crate) const DOCKER_HUB_IS_DISTINCT: Rule = (
    concat!(
        "!has(self.registries) || self.registries.all(r, !has(r.server) || !",
        host!("r.server"),
        ".matches(r'",
        hub!(),
        "') || \
         self.registries.exists_one(other, has(other.server) && ",
        host!("other.server"),
        ".matches(r'",
        hub!(),
        "') && ",
        one_path!(),
        "))",
    ),
    "registries must name Docker Hub at most once: docker.io, index.docker.io and registry-1.docker.io are one server, \
     with or without a scheme, /v1/ or /v2/; remove the second entry, or give it another path",
);

/// Two entries for one docker config are equal.
pub(crate) const WHOLE_CONFIGS_ARE_DISTINCT: Rule = (
    "!has(self.registries) || self.registries.all(r, has(r.server) || !has(r.credentials) || \
     self.registries.exists_one(other, !has(other.server) && has(other.credentials) && other.credentials == r.credentials))",
    "registries must name each docker config without a server at most once: remove the second entry",
);

pub(crate) const SERVER_IS_GIVEN: Rule = (
    "has(self.server) || !has(self.credentials) || has(self.credentials.dockerConfig)",
    "server is required with basicAuth: only with dockerConfig it may be absent, and the operator then takes every entry of that docker config",
);

pub(crate) const EXACTLY_ONE_SOURCE: Rule = (
    "has(self.basicAuth) != has(self.dockerConfig)",
    "exactly one of basicAuth and dockerConfig must be given: add one, or remove one",
);

pub(crate) const NAMESPACES_ARE_GIVEN: Rule = (
    "(has(self.selectors) && size(self.selectors) > 0) || (has(self.names) && size(self.names) > 0)",
    "at least one of selectors and names must be given; selectors: [{}] selects every namespace",
);

/// Requires values for the operators that compare with values.
pub(crate) const OPERATOR_HAS_VALUES: Rule = (
    "!has(self.operator) || !(self.operator in ['In', 'NotIn']) || (has(self.values) && size(self.values) > 0)",
    "the operators In and NotIn need at least one entry in values",
);

/// Refuses values that the operator of the expression would ignore.
pub(crate) const OPERATOR_HAS_NO_VALUES: Rule = (
    "!has(self.operator) || !(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values) || size(self.values) == 0",
    "the operators Exists and DoesNotExist take no values: remove them, or use In or NotIn",
);

/// Pattern of a label key, for the schema of Kubernetes' own fields and for the expression below.
macro_rules! label_key {
    () => {
        r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
    };
}

/// Pattern of a label key, with or without a prefix.
pub(crate) const LABEL_KEY: &str = label_key!();

/// A schema cannot bound the keys of a map, so the rule bounds their length.
pub(crate) const KEYS_ARE_VALID: Rule = (
    concat!("self.all(key, size(key) <= 317 && key.matches(r'", label_key!(), "'))"),
    "each key must be a name of at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends; \
     an optional prefix is a domain in lower case and a '/', as in example.com/team",
);

/// Other controllers act on a Secret because of its labels and annotations, and no list knows every controller. So the
/// rule lists what is allowed: the keys by which Kubernetes describes an object, and keys under a prefix that no
/// controller uses. Only a controller made for the copies can react to that prefix. The policy on the operator
/// (`config/admission/operator/secrets.yaml`) allows the same keys.
pub(crate) const KEYS_ARE_ALLOWED: Rule = (
    "self.all(key, key in ['app.kubernetes.io/component', 'app.kubernetes.io/name', 'app.kubernetes.io/version'] \
     || (key.startsWith('pull-secret.') && key.contains('/')))",
    "each key must be app.kubernetes.io/component, app.kubernetes.io/name or app.kubernetes.io/version, or have a prefix that \
     begins with pull-secret., as in pull-secret.example.com/team: any other key may make another controller act on the copies",
);

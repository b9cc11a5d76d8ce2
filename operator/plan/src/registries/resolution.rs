//! What one declared registry takes from its source.

use std::collections::BTreeMap;

use crd::names::{BASIC_AUTH_TYPE, DOCKER_CONFIG_KEY, DOCKER_CONFIG_TYPE, LEGACY_CONFIG_KEY, LEGACY_CONFIG_TYPE};
use crd::{BasicAuthSource, Credentials, DockerConfigSource, Reason, Registry, SecretReference};

use super::problem::{Problem, invalid, invalid_spec};
use super::remembered::Origin;
use super::source::{Lookup, Source, display, find};
use crate::credential::{Credential, Entries, Part};
use crate::docker_config::{DockerConfig, EntryName};
use crate::server::{Server, ServerError};

/// The prefix of the [`Resolution::key`] of a docker config that is taken whole.
pub(super) const WHOLE: &str = "secret:";

/// The credentials that a source has for one declared registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceContent {
    /// Its entries.
    pub entries: Entries,
    /// How messages name the entries of a docker config taken whole, by their key.
    pub names: BTreeMap<String, EntryName>,
    /// Entries of the source that cannot be used, by key, and how messages name them.
    pub left_out: BTreeMap<String, EntryName>,
    /// What its author should know, for a message.
    pub warning: Option<String>,
}

/// One declared registry, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Identifies the registry within the object, independent of its place in the list.
    ///
    /// It is the canonical server, or the Secret whose docker config is taken whole, with the key if one is named.
    pub key: String,
    /// As declared.
    pub server: Option<String>,
    /// What it reads, if the declaration says so.
    pub origin: Option<Origin>,
    /// The credentials of its source, or why there are none now.
    pub result: Result<SourceContent, Problem>,
}

/// Resolves one declared registry.
///
/// `own` is the operator's namespace, to which a reference without namespace points. `lookup` finds a source, and is
/// called once at most.
pub fn resolve<'a>(registry: &Registry, own: &str, lookup: impl FnOnce(&SecretReference) -> Lookup<'a>) -> Resolution {
    let declared = registry.server.clone();
    let server = match declared.as_deref().map(Server::parse).transpose() {
        Ok(server) => server,
        Err(error) => return unresolved(declared.unwrap_or_default(), error),
    };
    let key = server
        .as_ref()
        .map_or_else(|| whole(&registry.credentials), ToString::to_string);
    let result = entries(&registry.credentials, server.as_ref(), own, lookup);
    Resolution {
        key,
        server: declared,
        origin: origin(&registry.credentials, own),
        result,
    }
}

/// The resolution of a registry whose server cannot be parsed.
fn unresolved(declared: String, error: ServerError) -> Resolution {
    let shown: String = declared.chars().take(253).collect();
    Resolution {
        key: declared.clone(),
        server: Some(declared),
        origin: None,
        result: Err(Problem {
            reason: Reason::InvalidSpec,
            message: format!("server: {shown:?}: {error}"),
        }),
    }
}

fn origin(credentials: &Credentials, own: &str) -> Option<Origin> {
    let (reference, keys) = match (&credentials.basic_auth, &credentials.docker_config) {
        (Some(basic), None) => (
            &basic.secret_ref,
            vec![basic.username_key.clone(), basic.password_key.clone()],
        ),
        (None, Some(docker)) => {
            let key = docker.key.as_deref().unwrap_or(DOCKER_CONFIG_KEY);
            (&docker.secret_ref, vec![key.to_owned()])
        }
        (Some(_), Some(_)) | (None, None) => return None,
    };
    Some(Origin {
        namespace: reference.namespace.as_deref().unwrap_or(own).to_owned(),
        name: reference.name.clone(),
        keys,
    })
}

fn whole(credentials: &Credentials) -> String {
    let Some(DockerConfigSource { secret_ref, key }) = &credentials.docker_config else {
        return String::new();
    };
    let whole = match &secret_ref.namespace {
        Some(namespace) => format!("{WHOLE}{namespace}/{}", secret_ref.name),
        None => format!("{WHOLE}{}", secret_ref.name),
    };
    match key {
        // No name and no key has a colon.
        Some(key) => format!("{whole}:{key}"),
        None => whole,
    }
}

fn entries<'a>(
    credentials: &Credentials,
    server: Option<&Server>,
    own: &str,
    lookup: impl FnOnce(&SecretReference) -> Lookup<'a>,
) -> Result<SourceContent, Problem> {
    match (&credentials.basic_auth, &credentials.docker_config, server) {
        (Some(basic), None, Some(server)) => {
            let source = find(&basic.secret_ref, own, lookup)?;
            let name = display(&basic.secret_ref, own);
            Ok(content_for(server, basic_auth(basic, &name, source)?, &name))
        }
        (None, Some(docker), server) => {
            let source = find(&docker.secret_ref, own, lookup)?;
            docker_config(docker, &display(&docker.secret_ref, own), source, server)
        }
        (Some(_), None, None) => Err(invalid_spec(
            "server: required, because basicAuth does not name a registry",
        )),
        (Some(_), Some(_), _) | (None, None, _) => Err(invalid_spec(
            "credentials: exactly one of basicAuth and dockerConfig must be given",
        )),
    }
}

fn content_for(server: &Server, credential: Credential, name: &str) -> SourceContent {
    SourceContent {
        warning: credential
            .warning()
            .map(|warning| format!("secret {name:?}: {warning}")),
        entries: BTreeMap::from([(server.to_string(), credential)]),
        ..SourceContent::default()
    }
}

fn basic_auth(declared: &BasicAuthSource, name: &str, source: &Source) -> Result<Credential, Problem> {
    let value = |key: &str, field: &str| {
        let value = source.data.get(key).map(Vec::as_slice);
        value.ok_or_else(|| missing(name, source, key, field))
    };
    let username = value(&declared.username_key, "basicAuth.usernameKey")?;
    let password = value(&declared.password_key, "basicAuth.passwordKey")?;
    Credential::from_bytes(username, password).map_err(|error| {
        let key = match error.part() {
            Part::Username => &declared.username_key,
            Part::Password => &declared.password_key,
        };
        invalid(format!("secret {name:?}, key {key:?}: {error}"))
    })
}

/// The problem of a source without the key that `field` of the object names. The type of the Secret may say that it is
/// declared under the wrong kind of source.
fn missing(name: &str, source: &Source, key: &str, field: &str) -> Problem {
    let is_basic = field.starts_with("basicAuth.");
    let what_to_do = match source.type_.as_str() {
        type_ @ (DOCKER_CONFIG_TYPE | LEGACY_CONFIG_TYPE) if is_basic => {
            format!("type is {type_:?}, which holds a docker config: name it under dockerConfig instead of basicAuth")
        }
        type_ @ BASIC_AUTH_TYPE if !is_basic => {
            format!("type is {type_:?}, which holds one login: name it under basicAuth instead of dockerConfig")
        }
        _ => format!("{}: add that key, or set {field} to another one", source.keys),
    };
    invalid(format!("secret {name:?}: key {key:?} is missing; {what_to_do}"))
}

fn docker_config(
    declared: &DockerConfigSource,
    name: &str,
    source: &Source,
    server: Option<&Server>,
) -> Result<SourceContent, Problem> {
    // Kubelets read the older form in a Secret of its own type only. In another type the author names its key.
    let is_of_older_type = source.type_ == LEGACY_CONFIG_TYPE && !source.data.contains_key(DOCKER_CONFIG_KEY);
    let key = match declared.key.as_deref() {
        Some(key) => key,
        None if is_of_older_type => LEGACY_CONFIG_KEY,
        None => DOCKER_CONFIG_KEY,
    };
    let bytes = source.data.get(key);
    let bytes = bytes.ok_or_else(|| missing(name, source, key, "dockerConfig.key"))?;
    let wrong = |error| invalid(format!("secret {name:?}, key {key:?}: {error}"));
    // Like kubelets and docker, it decides the form by the name, never by the content.
    let parse = if key == LEGACY_CONFIG_KEY {
        DockerConfig::parse_legacy
    } else {
        DockerConfig::parse
    };
    let config = parse(bytes).map_err(wrong)?;
    if let Some(server) = server {
        let credential = config.entry_for(server).map_err(wrong)?;
        return Ok(content_for(server, credential.clone(), name));
    }
    let whole = config.whole().map_err(wrong)?;
    Ok(SourceContent {
        entries: whole.entries,
        names: whole.names,
        left_out: whole.left_out,
        warning: (!whole.warnings.is_empty()).then(|| format!("secret {name:?}: {}", whole.warnings)),
    })
}

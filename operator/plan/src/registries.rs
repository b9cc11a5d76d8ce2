//! From the declared registries and their source Secrets to the one docker config of an object.

use std::collections::BTreeMap;
use std::fmt;

use crd::names::{BASIC_AUTH_TYPE, DOCKER_CONFIG_KEY, DOCKER_CONFIG_TYPE, LABEL_OBJECT, STATE_TYPE};
use crd::{BasicAuthSource, Credentials, Reason, Registry, RegistryState, RegistryStatus, SecretReference};

use crate::credential::{Credential, Part};
use crate::docker_config::DockerConfig;
use crate::keyring;
use crate::labels::Labels;
use crate::server::Server;

/// Entries of a docker config by their key.
pub type Entries = BTreeMap<String, Credential>;

/// The entries that each registry gave when its source was last good, by [`Resolution::key`].
pub type LastGood = BTreeMap<String, Entries>;

/// A source Secret as read.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// Its `type`.
    pub type_: String,
    /// Its labels: one that carries ours is a copy, never a source.
    pub labels: Labels,
    /// Its data, decoded from base64.
    pub data: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("type_", &self.type_)
            .field("data", &format_args!("{} keys, redacted", self.data.len()))
            .finish_non_exhaustive()
    }
}

/// What is known of a source Secret.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'a> {
    /// It was read.
    Found(&'a Source),
    /// There is none of that name.
    Missing,
    /// The operator does not read Secrets of that namespace.
    NotAllowed,
}

/// Why a registry gives no credentials now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One of the reasons of `CredentialsReady`.
    pub reason: Reason,
    /// Names the Secret, the key and the position; never a value.
    pub message: String,
}

impl Problem {
    /// As it is told: what is wrong with the declaration itself, with the path of the registry at this place.
    fn located(&self, at: usize) -> Self {
        let message = match self.reason {
            Reason::InvalidSpec => format!("spec.registries[{at}].{}", self.message),
            _ => self.message.clone(),
        };
        Self {
            reason: self.reason,
            message,
        }
    }
}

/// What one declared registry gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Tells a registry from the others of the object, whatever its place in the list: the canonical server, or the
    /// Secret whose docker config is taken whole.
    pub key: String,
    /// As declared.
    pub server: Option<String>,
    /// Its entries, or why there are none now.
    pub result: Result<Entries, Problem>,
}

/// Resolves one declared registry. `own` is the operator's namespace, where a reference without one points to.
/// `lookup` finds a source, and is asked once at most.
pub fn resolve<'a>(registry: &Registry, own: &str, lookup: impl FnOnce(&SecretReference) -> Lookup<'a>) -> Resolution {
    let declared = registry.server.clone();
    let server = match declared.as_deref().map(Server::parse).transpose() {
        Ok(server) => server,
        Err(error) => {
            let shown: String = declared.iter().flat_map(|server| server.chars()).take(253).collect();
            let message = format!("server: {shown:?}: {error}");
            let problem = Problem {
                reason: Reason::InvalidSpec,
                message,
            };
            let key = declared.clone().unwrap_or_default();
            return Resolution {
                key,
                server: declared,
                result: Err(problem),
            };
        }
    };
    let key = server
        .as_ref()
        .map_or_else(|| whole(&registry.credentials), ToString::to_string);
    let result = entries(&registry.credentials, server.as_ref(), own, lookup);
    Resolution {
        key,
        server: declared,
        result,
    }
}

fn whole(credentials: &Credentials) -> String {
    let reference = credentials.docker_config.as_ref().map(|source| &source.secret_ref);
    reference.map_or_else(String::new, |reference| match &reference.namespace {
        Some(namespace) => format!("secret:{namespace}/{}", reference.name),
        None => format!("secret:{}", reference.name),
    })
}

fn entries<'a>(
    credentials: &Credentials,
    server: Option<&Server>,
    own: &str,
    lookup: impl FnOnce(&SecretReference) -> Lookup<'a>,
) -> Result<Entries, Problem> {
    match (&credentials.basic_auth, &credentials.docker_config, server) {
        (Some(basic), None, Some(server)) => {
            let source = find(&basic.secret_ref, own, lookup)?;
            let credential = basic_auth(basic, &display(&basic.secret_ref, own), source)?;
            Ok(BTreeMap::from([(server.to_string(), credential)]))
        }
        (None, Some(docker), server) => {
            let source = find(&docker.secret_ref, own, lookup)?;
            docker_config(&display(&docker.secret_ref, own), source, server)
        }
        (Some(_), None, None) => Err(invalid_spec("server: required, since basicAuth does not name one")),
        (Some(_), Some(_), _) | (None, None, _) => Err(invalid_spec(
            "credentials: exactly one of basicAuth and dockerConfig must be given",
        )),
    }
}

const MANAGED: &str = "it is managed by pullsecrets and cannot be a source";

fn find<'a>(
    reference: &SecretReference,
    own: &str,
    lookup: impl FnOnce(&SecretReference) -> Lookup<'a>,
) -> Result<&'a Source, Problem> {
    let problem = |reason, what: &str| {
        Err(Problem {
            reason,
            message: format!("secret {:?}: {what}", display(reference, own)),
        })
    };
    match lookup(reference) {
        Lookup::Missing => problem(Reason::SourceNotFound, "not found"),
        Lookup::NotAllowed => problem(
            Reason::SourceNamespaceNotAllowed,
            &format!(
                "sources are read in {own:?}, the operator's own namespace, and in those of --source-namespaces only"
            ),
        ),
        Lookup::Found(source) if source.type_ == STATE_TYPE => problem(Reason::SourceInvalid, MANAGED),
        Lookup::Found(source) => match source.labels.get(LABEL_OBJECT) {
            Some(owner) => problem(
                Reason::SourceInvalid,
                &format!("{MANAGED}: it is a copy that ClusterPullSecret {owner:?} keeps"),
            ),
            None => Ok(source),
        },
    }
}

fn basic_auth(declared: &BasicAuthSource, name: &str, source: &Source) -> Result<Credential, Problem> {
    if source.type_ != BASIC_AUTH_TYPE && source.type_ != "Opaque" {
        return Err(invalid(format!(
            "secret {name:?}: type is {:?}, basicAuth needs {BASIC_AUTH_TYPE} or Opaque",
            source.type_
        )));
    }
    let value = |key: &str| {
        let value = source.data.get(key).map(Vec::as_slice);
        value.ok_or_else(|| invalid(format!("secret {name:?}: key {key:?} is missing")))
    };
    let (username, password) = (value(&declared.username_key)?, value(&declared.password_key)?);
    Credential::from_bytes(username, password).map_err(|error| {
        let key = match error.part() {
            Part::Username => &declared.username_key,
            Part::Password => &declared.password_key,
        };
        invalid(format!("secret {name:?}, key {key:?}: {error}"))
    })
}

fn docker_config(name: &str, source: &Source, server: Option<&Server>) -> Result<Entries, Problem> {
    if source.type_ != DOCKER_CONFIG_TYPE {
        return Err(invalid(format!(
            "secret {name:?}: type is {:?}, dockerConfig needs {DOCKER_CONFIG_TYPE}",
            source.type_
        )));
    }
    let Some(bytes) = source.data.get(DOCKER_CONFIG_KEY) else {
        return Err(invalid(format!(
            "secret {name:?}: key {DOCKER_CONFIG_KEY:?} is missing"
        )));
    };
    let config = DockerConfig::parse(bytes)
        .map_err(|error| invalid(format!("secret {name:?}, key {DOCKER_CONFIG_KEY:?}: {error}")))?;
    let Some(server) = server else {
        return Ok(config.whole());
    };
    let entry = config.entry_for(server).ok_or_else(|| {
        invalid(format!(
            "secret {name:?}, key {DOCKER_CONFIG_KEY:?}: no entry for server {server}"
        ))
    })?;
    Ok(BTreeMap::from([(server.to_string(), entry.clone())]))
}

/// Where to look, so with the namespace, also where the reference leaves it out.
fn display(reference: &SecretReference, own: &str) -> String {
    let namespace = reference.namespace.as_deref().unwrap_or(own);
    format!("{namespace}/{}", reference.name)
}

fn invalid(message: String) -> Problem {
    Problem {
        reason: Reason::SourceInvalid,
        message,
    }
}

fn invalid_spec(message: &str) -> Problem {
    Problem {
        reason: Reason::InvalidSpec,
        message: message.to_owned(),
    }
}

/// What all registries of an object together give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// What the copies hold.
    pub entries: Entries,
    /// What is to be remembered: for each declared registry the entries that it gave last.
    pub last_good: LastGood,
    /// In the order of the declaration.
    pub registries: Vec<RegistryStatus>,
    /// The first problem, in the order of the declaration.
    pub problem: Option<Problem>,
    /// A registry gave nothing now, and nothing is remembered of it.
    pub incomplete: bool,
}

/// Merges what the registries give now with what they gave when they last gave something.
///
/// One registry's failure does not touch the others. An explicit server beats an entry of a docker config that is
/// taken whole, then the earlier one in the list wins; the loser is told in its status.
pub fn merge(resolutions: &[Resolution], last_good: &LastGood) -> Merged {
    let mut merged = Merged {
        entries: Entries::new(),
        last_good: LastGood::new(),
        registries: Vec::new(),
        problem: None,
        incomplete: false,
    };
    let explicit: Vec<Server> = resolutions
        .iter()
        .filter(|resolution| resolution.server.is_some())
        .filter_map(|resolution| Server::parse(&resolution.key).ok())
        .collect();
    let mut owners: BTreeMap<Vec<u8>, &str> = BTreeMap::new();
    let mut served: Vec<&str> = Vec::new();
    for (at, resolution) in resolutions.iter().enumerate() {
        let key = resolution.key.as_str();
        let duplicate = served.contains(&key);
        served.push(key);
        let remembered = last_good.get(key);
        let entries = resolution.result.as_ref().ok().or(remembered);
        let mut beaten: Vec<&str> = Vec::new();
        if duplicate {
            beaten.push(key);
        } else if let Some(entries) = entries {
            merged.last_good.insert(key.to_owned(), entries.clone());
            for (server, credential) in entries {
                // Compared as the kubelet reads a key, which may be spelled in many ways.
                let normal = keyring::normalised(server).unwrap_or_else(|| server.clone().into_bytes());
                let declared = explicit.iter().find(|declared| {
                    declared.is_spelled(server) || keyring::normalised(declared.as_str()).as_ref() == Some(&normal)
                });
                let owner = declared.map_or_else(|| *owners.entry(normal).or_insert(key), Server::as_str);
                if owner == key {
                    merged.entries.insert(server.clone(), credential.clone());
                } else {
                    beaten.push(server);
                }
            }
        } else {
            merged.incomplete = true;
        }
        let problem = resolution.result.as_ref().err().map(|problem| problem.located(at));
        let status = status(resolution, problem.as_ref(), &beaten, remembered.is_some());
        merged.registries.push(status);
        merged.problem = merged.problem.or(problem);
    }
    merged
}

fn status(resolution: &Resolution, problem: Option<&Problem>, beaten: &[&str], remembered: bool) -> RegistryStatus {
    let (state, reason, message) = match problem {
        None if !beaten.is_empty() => {
            let message = format!(
                "declared more than once, another declaration decides: {}",
                beaten.join(", ")
            );
            (RegistryState::Ready, Reason::Superseded, Some(message))
        }
        None => (RegistryState::Ready, Reason::Resolved, None),
        Some(problem) => {
            let still = if remembered {
                "; the last good credentials stay"
            } else {
                ""
            };
            let message = format!("{}{still}", problem.message);
            (RegistryState::NotReady, problem.reason, Some(message))
        }
    };
    RegistryStatus::new(resolution.server.clone(), state, reason, message)
}

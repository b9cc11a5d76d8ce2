//! From the declared registries and their source Secrets to the one docker config of an object.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crd::names::{BASIC_AUTH_TYPE, DOCKER_CONFIG_KEY, DOCKER_CONFIG_TYPE, LABEL_OBJECT, STATE_TYPE};
use serde::{Deserialize, Serialize};

use crd::{BasicAuthSource, Credentials, Reason, Registry, RegistryState, RegistryStatus, SecretReference};

use crate::credential::{Credential, Part};
use crate::docker_config::DockerConfig;
use crate::keyring;
use crate::labels::Labels;
use crate::server::Server;

/// Entries of a docker config by their key.
pub type Entries = BTreeMap<String, Credential>;

/// What each registry gave when its source was last good, by [`Resolution::key`].
pub type LastGood = BTreeMap<String, Remembered>;

/// What a registry gave when its source was last good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Where it came from. None if an earlier version wrote it, which did not say so: then it belongs to no reference.
    pub origin: Option<Origin>,
    /// The entries.
    pub entries: Entries,
}

/// What a credential is read from: a Secret, and the keys of its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The namespace of the Secret, given or not.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// In the order of their meaning.
    pub keys: Vec<String>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The start of the [`Resolution::key`] of a docker config that is taken whole.
const WHOLE: &str = "secret:";

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
    /// What it reads; none where it does not say so.
    pub origin: Option<Origin>,
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
                origin: None,
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
        origin: origin(&registry.credentials, own),
        result,
    }
}

fn origin(credentials: &Credentials, own: &str) -> Option<Origin> {
    let (reference, keys) = match (&credentials.basic_auth, &credentials.docker_config) {
        (Some(basic), None) => (
            &basic.secret_ref,
            vec![basic.username_key.clone(), basic.password_key.clone()],
        ),
        (None, Some(docker)) => (&docker.secret_ref, vec![DOCKER_CONFIG_KEY.to_owned()]),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    Some(Origin {
        namespace: reference.namespace.as_deref().unwrap_or(own).to_owned(),
        name: reference.name.clone(),
        keys,
    })
}

fn whole(credentials: &Credentials) -> String {
    let reference = credentials.docker_config.as_ref().map(|source| &source.secret_ref);
    reference.map_or_else(String::new, |reference| match &reference.namespace {
        Some(namespace) => format!("{WHOLE}{namespace}/{}", reference.name),
        None => format!("{WHOLE}{}", reference.name),
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
    /// The keys of those entries that stay in the copies which hold them and go to no other: they were read by a reference
    /// that is no longer declared, and the declared one does not resolve.
    pub tied: BTreeSet<String>,
    /// What is to be remembered: for each declared registry the entries that it gave last.
    pub last_good: LastGood,
    /// In the order of the declaration.
    pub registries: Vec<RegistryStatus>,
    /// The first problem, in the order of the declaration.
    pub problem: Option<Problem>,
    /// A registry gave nothing now, and nothing is remembered of it.
    pub incomplete: bool,
}

/// What is known of a registry's entries.
enum Known<'a> {
    /// It gives them now, or gave them by the reference that is declared now.
    Own(&'a Entries),
    /// Other references gave them. Each with the key that it is remembered by.
    Tied(Vec<(&'a String, &'a Remembered)>),
    /// None.
    Unknown,
}

/// Merges what the registries give now with what they gave when they last gave something.
///
/// One registry's failure does not touch the others. An explicit server beats an entry of a docker config that is
/// taken whole, then the earlier one in the list wins; the loser is told in its status. A remembered login belongs to the
/// server, the reference and the keys that it was read by: for another reference it is tied, see [`Merged::tied`].
pub fn merge(resolutions: &[Resolution], last_good: &LastGood) -> Merged {
    let mut merging = Merging::new(resolutions);
    for (at, resolution) in resolutions.iter().enumerate() {
        let key = resolution.key.as_str();
        let duplicate = merging.served.contains(&key);
        merging.served.push(key);
        let known = known(resolution, resolutions, last_good, &merging.merged.last_good);
        let beaten = match &known {
            _ if duplicate => vec![key.to_owned()],
            Known::Own(entries) => {
                let (origin, entries) = (resolution.origin.clone(), (*entries).clone());
                let remembered = Remembered { origin, entries };
                merging.add(key, key, remembered, false)
            }
            Known::Tied(held) => {
                let each = held.iter();
                each.flat_map(|(held, remembered)| merging.add(key, held, (*remembered).clone(), true))
                    .collect()
            }
            Known::Unknown => {
                merging.merged.incomplete = true;
                Vec::new()
            }
        };
        let problem = resolution.result.as_ref().err().map(|problem| problem.located(at));
        let status = status(resolution, problem.as_ref(), &beaten, &known);
        let merged = &mut merging.merged;
        merged.registries.push(status);
        merged.problem = merged.problem.take().or(problem);
    }
    merging.merged
}

/// `taken` is what the registries before this one have.
fn known<'a>(resolution: &'a Resolution, all: &[Resolution], last_good: &'a LastGood, taken: &LastGood) -> Known<'a> {
    if let Ok(entries) = &resolution.result {
        return Known::Own(entries);
    }
    let whole = resolution.server.is_none();
    let same = |held: &Remembered| held.origin.is_some() && held.origin == resolution.origin;
    if let Some(held) = last_good.get_key_value(&resolution.key) {
        // The key of a config that is taken whole is its reference.
        return if same(held.1) || whole && held.1.origin.is_none() {
            Known::Own(&held.1.entries)
        } else {
            Known::Tied(vec![held])
        };
    }
    if !whole {
        return Known::Unknown;
    }
    // Of a config that is taken whole another reference is another key. Which of them became which is not said.
    let is_left = |key: &String| {
        key.starts_with(WHOLE) && !taken.contains_key(key) && all.iter().all(|declared| declared.key != *key)
    };
    let left = last_good.iter().filter(|(key, _)| is_left(key));
    if let Some((_, held)) = left.clone().find(|(_, held)| same(held)) {
        return Known::Own(&held.entries);
    }
    let of_another = |held: &Remembered| {
        let mut origins = all.iter().map(|declared| &declared.origin);
        held.origin.is_none() || origins.all(|origin| *origin != held.origin)
    };
    let left: Vec<_> = left.filter(|(_, held)| of_another(held)).collect();
    if left.is_empty() {
        Known::Unknown
    } else {
        Known::Tied(left)
    }
}

struct Merging<'a> {
    merged: Merged,
    explicit: Vec<Server>,
    /// By a key as a kubelet reads it, the registry that it comes from.
    owners: BTreeMap<Vec<u8>, String>,
    /// The keys of the registries so far.
    served: Vec<&'a str>,
}

impl Merging<'_> {
    fn new(resolutions: &[Resolution]) -> Self {
        let explicit = resolutions.iter().filter(|resolution| resolution.server.is_some());
        Self {
            merged: Merged {
                entries: Entries::new(),
                tied: BTreeSet::new(),
                last_good: LastGood::new(),
                registries: Vec::new(),
                problem: None,
                incomplete: false,
            },
            explicit: explicit
                .filter_map(|resolution| Server::parse(&resolution.key).ok())
                .collect(),
            owners: BTreeMap::new(),
            served: Vec::new(),
        }
    }

    /// Adds what the registry `key` gives, and what is to be remembered under the key `held`. Returns the servers for which
    /// another registry decides.
    fn add(&mut self, key: &str, held: &str, remembered: Remembered, tied: bool) -> Vec<String> {
        let mut beaten = Vec::new();
        for (server, credential) in &remembered.entries {
            // Compared as the kubelet reads a key, which may be spelled in many ways.
            let normal = keyring::normalised(server).unwrap_or_else(|| server.clone().into_bytes());
            let declared = self.explicit.iter().find(|declared| {
                declared.is_spelled(server) || keyring::normalised(declared.as_str()).as_ref() == Some(&normal)
            });
            let owner = declared.map_or_else(
                || self.owners.entry(normal).or_insert_with(|| key.to_owned()).as_str(),
                Server::as_str,
            );
            if owner == key {
                self.merged.entries.insert(server.clone(), credential.clone());
                if tied {
                    self.merged.tied.insert(server.clone());
                }
            } else {
                beaten.push(server.clone());
            }
        }
        self.merged.last_good.insert(held.to_owned(), remembered);
        beaten
    }
}

fn status(resolution: &Resolution, problem: Option<&Problem>, beaten: &[String], known: &Known<'_>) -> RegistryStatus {
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
            let still = match known {
                Known::Own(_) => "; the last good credentials stay".to_owned(),
                Known::Tied(held) => {
                    let origin = held.iter().find_map(|(_, held)| held.origin.as_ref());
                    let from = origin.map_or_else(
                        || "before the operator noted their source".to_owned(),
                        |origin| format!("from secret {:?}", origin.to_string()),
                    );
                    format!("; the credentials that came {from} stay where they are, and go to no other namespace")
                }
                Known::Unknown => String::new(),
            };
            let message = format!("{}{still}", problem.message);
            (RegistryState::NotReady, problem.reason, Some(message))
        }
    };
    RegistryStatus::new(resolution.server.clone(), state, reason, message)
}

//! From the declared registries and their source Secrets to the one docker config of an object.

mod size;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crd::names::{DOCKER_CONFIG_KEY, LABEL_OBJECT, LEGACY_CONFIG_KEY, LEGACY_CONFIG_TYPE, STATE_TYPE};
use serde::{Deserialize, Serialize};

use crd::{BasicAuthSource, Credentials, Reason, Registry, RegistryState, RegistryStatus, SecretReference};

use crate::credential::{Credential, Part};
use crate::docker_config::{DockerConfig, EntryName};
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
    /// The Secrets of that namespace could not be listed yet.
    Unread,
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

/// What a source gives for one declared registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Its entries.
    pub entries: Entries,
    /// How messages name the entries of a docker config taken whole, by their key.
    pub names: BTreeMap<String, EntryName>,
    /// The keys of entries that stand in the source and cannot be used, and how messages name them.
    pub left_out: BTreeMap<String, EntryName>,
    /// What its author should know of it, for a message.
    pub remark: Option<String>,
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
    /// What its source gives, or why that is nothing now.
    pub result: Result<Given, Problem>,
}

/// What the content of a Secret of this type is, if it must not leave its namespace. Every other type may be a source.
pub fn confined(type_: &str) -> Option<&'static str> {
    match type_ {
        "kubernetes.io/service-account-token" => Some("tokens of service accounts"),
        "bootstrap.kubernetes.io/token" => Some("bootstrap tokens"),
        "kubernetes.io/tls" => Some("TLS keys"),
        "kubernetes.io/ssh-auth" => Some("SSH keys"),
        type_ if type_.starts_with("helm.sh/") => Some("Helm releases"),
        _ => None,
    }
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
) -> Result<Given, Problem> {
    match (&credentials.basic_auth, &credentials.docker_config, server) {
        (Some(basic), None, Some(server)) => {
            let source = find(&basic.secret_ref, own, lookup)?;
            let name = display(&basic.secret_ref, own);
            Ok(given_for(server, basic_auth(basic, &name, source)?, &name))
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
        Lookup::Unread => problem(
            Reason::SourceNamespaceNotAllowed,
            "the secrets of its namespace cannot be listed: give the operator the Role for sources there, as in \
             config/rbac",
        ),
        Lookup::NotAllowed => problem(
            Reason::SourceNamespaceNotAllowed,
            &format!(
                "sources are read in {own:?}, the operator's own namespace, and in those of --source-namespaces only"
            ),
        ),
        Lookup::Found(source) if source.type_ == STATE_TYPE => problem(Reason::SourceInvalid, MANAGED),
        Lookup::Found(source) => match (source.labels.get(LABEL_OBJECT), confined(&source.type_)) {
            (Some(owner), _) => problem(
                Reason::SourceInvalid,
                &format!("{MANAGED}: it is a copy that ClusterPullSecret {owner:?} keeps"),
            ),
            (None, Some(content)) => problem(
                Reason::SourceInvalid,
                &format!("type is {:?}: {content} must not leave their namespace", source.type_),
            ),
            (None, None) => Ok(source),
        },
    }
}

fn given_for(server: &Server, credential: Credential, name: &str) -> Given {
    Given {
        remark: credential.oddity().map(|oddity| format!("secret {name:?}: {oddity}")),
        entries: BTreeMap::from([(server.to_string(), credential)]),
        ..Given::default()
    }
}

fn basic_auth(declared: &BasicAuthSource, name: &str, source: &Source) -> Result<Credential, Problem> {
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

fn docker_config(name: &str, source: &Source, server: Option<&Server>) -> Result<Given, Problem> {
    // Kubelets read the older form in a Secret of its own type only.
    let is_legacy = source.type_ == LEGACY_CONFIG_TYPE && !source.data.contains_key(DOCKER_CONFIG_KEY);
    let key = if is_legacy {
        LEGACY_CONFIG_KEY
    } else {
        DOCKER_CONFIG_KEY
    };
    let Some(bytes) = source.data.get(key) else {
        return Err(invalid(format!("secret {name:?}: key {key:?} is missing")));
    };
    let wrong = |error| invalid(format!("secret {name:?}, key {key:?}: {error}"));
    let parse = if is_legacy {
        DockerConfig::parse_legacy
    } else {
        DockerConfig::parse
    };
    let config = parse(bytes).map_err(wrong)?;
    if let Some(server) = server {
        let credential = config.entry_for(server).map_err(wrong)?;
        return Ok(given_for(server, credential.clone(), name));
    }
    let whole = config.whole().map_err(wrong)?;
    Ok(Given {
        entries: whole.entries,
        names: whole.names,
        left_out: whole.left_out,
        remark: (!whole.remarks.is_empty()).then(|| format!("secret {name:?}: {}", whole.remarks)),
    })
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

/// What one registry gives, with what is known of it so far.
struct Offer<'a> {
    resolution: &'a Resolution,
    /// What it gives now, with the last good entries of what is left out of it.
    now: Option<Entries>,
    problem: Option<Problem>,
}

impl<'a> Offer<'a> {
    fn of(at: usize, resolution: &'a Resolution, last_good: &LastGood) -> Self {
        let mut offer = Self {
            resolution,
            now: None,
            problem: None,
        };
        match &resolution.result {
            Ok(given) => offer.take(given, last_of(resolution, last_good)),
            Err(problem) => offer.problem = Some(problem.located(at)),
        }
        offer
    }

    /// An entry that is left out now and was good once stays as it was.
    fn take(&mut self, given: &Given, last: Option<&Remembered>) {
        let mut entries = given.entries.clone();
        let mut stale = Vec::new();
        for (key, name) in &given.left_out {
            let last = last.and_then(|last| last.entries.get(key));
            if let Some(last) = last.filter(|_| !entries.contains_key(key)) {
                entries.insert(key.clone(), last.clone());
                stale.push(name.shown());
            }
        }
        self.now = Some(entries);
        if !stale.is_empty() {
            let remark = given.remark.as_deref().unwrap_or_default();
            let stale = stale.join(", ");
            // First, because a long message is cut at its end.
            self.problem = Some(invalid(format!("the last good credentials stay for {stale}: {remark}")));
        }
    }

    /// How messages name the entry with this key, which is at this place of what is remembered.
    fn name(&self, key: &str, place: usize) -> EntryName {
        let given = self.resolution.result.as_ref().ok();
        let known = given.and_then(|given| given.names.get(key).or_else(|| given.left_out.get(key)));
        known.cloned().unwrap_or_else(|| EntryName::of(key, place))
    }

    fn remark(&self) -> Option<&str> {
        self.resolution.result.as_ref().ok()?.remark.as_deref()
    }

    /// The servers that a docker config taken whole gives, as far as they may be shown.
    fn servers(&self, known: &Known<'_>) -> Vec<String> {
        match known {
            Known::Own(entries) if self.resolution.server.is_none() => {
                let keys = entries.keys().enumerate();
                keys.map(|(at, key)| self.name(key, at + 1).listed()).collect()
            }
            Known::Own(_) | Known::Tied(_) | Known::Unknown => Vec::new(),
        }
    }
}

/// What the same reference gave last.
fn last_of<'a>(resolution: &Resolution, last_good: &'a LastGood) -> Option<&'a Remembered> {
    let same = |held: &Remembered| held.origin.is_some() && held.origin == resolution.origin;
    let whole = resolution.server.is_none();
    let by_key = last_good.get(&resolution.key);
    let by_key = by_key.filter(|held| same(held) || whole && held.origin.is_none());
    by_key.or_else(|| {
        let mut others = last_good.iter().filter(|(key, _)| whole && key.starts_with(WHOLE));
        Some(others.find(|(_, held)| same(held))?.1)
    })
}

/// Merges what the registries give now with what they gave when they last gave something.
///
/// One registry's failure does not touch the others, nor one entry's of a docker config that is taken whole. An explicit
/// server beats an entry of such a config, then the earlier one in the list wins; the loser is told in its status. What
/// does not fit into a Secret beside the rest is not taken. A remembered login belongs to the server, the reference and
/// the keys that it was read by: for another reference it is tied, see [`Merged::tied`].
pub fn merge(resolutions: &[Resolution], last_good: &LastGood) -> Merged {
    let offers = resolutions.iter().enumerate();
    let mut offers: Vec<Offer<'_>> = offers
        .map(|(at, resolution)| Offer::of(at, resolution, last_good))
        .collect();
    size::fit(&mut offers, last_good);
    let mut merging = Merging::new(resolutions);
    let mut told = Vec::new();
    for offer in &offers {
        let key = offer.resolution.key.as_str();
        let duplicate = merging.served.contains(&key);
        merging.served.push(key);
        let known = known(offer, resolutions, last_good, &merging.merged.last_good);
        let superseded = match &known {
            _ if duplicate => vec![key.to_owned()],
            Known::Own(entries) => {
                let (origin, entries) = (offer.resolution.origin.clone(), (*entries).clone());
                let remembered = Remembered { origin, entries };
                merging.add(offer, key, remembered, false)
            }
            Known::Tied(held) => {
                let each = held.iter();
                each.flat_map(|(held, remembered)| merging.add(offer, held, (*remembered).clone(), true))
                    .collect()
            }
            Known::Unknown => {
                merging.merged.incomplete = true;
                Vec::new()
            }
        };
        told.push((offer, known, superseded));
    }
    let mut merged = merging.merged;
    let useless = match_nothing(&merged.entries);
    for (offer, known, superseded) in &told {
        let useless = || useless.then(|| unmatched(offer.remark()));
        let problem = offer.problem.clone().or_else(useless);
        merged
            .registries
            .push(status(offer, problem.as_ref(), superseded, known));
        merged.problem = merged.problem.or(problem);
    }
    merged
}

/// Credentials that no kubelet would ever use are not ready, though they are there.
fn match_nothing(entries: &Entries) -> bool {
    !entries.is_empty() && entries.keys().all(|key| keyring::image_for(key).is_none())
}

fn unmatched(remark: Option<&str>) -> Problem {
    invalid(format!(
        "no image can match any entry: {}",
        remark.unwrap_or("the keys are too long")
    ))
}

/// `taken` is what the registries before this one have.
fn known<'a>(offer: &'a Offer<'_>, all: &[Resolution], last_good: &'a LastGood, taken: &LastGood) -> Known<'a> {
    if let Some(entries) = &offer.now {
        return Known::Own(entries);
    }
    let resolution = offer.resolution;
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
    explicit: Explicit<'a>,
    /// By a key as a kubelet reads it, the registry that it comes from.
    owners: BTreeMap<Vec<u8>, String>,
    /// The keys of the registries so far.
    served: Vec<&'a str>,
}

impl<'a> Merging<'a> {
    fn new(resolutions: &'a [Resolution]) -> Self {
        Self {
            merged: Merged {
                entries: Entries::new(),
                tied: BTreeSet::new(),
                last_good: LastGood::new(),
                registries: Vec::new(),
                problem: None,
                incomplete: false,
            },
            explicit: Explicit::of(resolutions),
            owners: BTreeMap::new(),
            served: Vec::new(),
        }
    }

    /// Adds what the registry of this offer gives, and what is to be remembered under the key `held`. Returns the servers
    /// for which another registry decides.
    fn add(&mut self, offer: &Offer<'_>, held: &str, remembered: Remembered, tied: bool) -> Vec<String> {
        let key = offer.resolution.key.as_str();
        let mut superseded = Vec::new();
        for (at, (server, credential)) in remembered.entries.iter().enumerate() {
            // Compared as the kubelet reads a key, which may be spelled in many ways.
            let normal = keyring::normalised(server).unwrap_or_else(|| server.clone().into_bytes());
            let declared = self.explicit.find(server, &normal);
            let owner = declared.unwrap_or_else(|| self.owners.entry(normal).or_insert_with(|| key.to_owned()));
            if owner == key {
                self.merged.entries.insert(server.clone(), credential.clone());
                if tied {
                    self.merged.tied.insert(server.clone());
                }
            } else {
                superseded.push(offer.name(server, at + 1).shown());
            }
        }
        self.merged.last_good.insert(held.to_owned(), remembered);
        superseded
    }
}

/// The servers that are declared, by all that they are found by.
struct Explicit<'a> {
    by_server: BTreeMap<Server, &'a str>,
    by_normal: BTreeMap<Vec<u8>, &'a str>,
}

impl<'a> Explicit<'a> {
    fn of(resolutions: &'a [Resolution]) -> Self {
        let declared = resolutions.iter().filter(|resolution| resolution.server.is_some());
        let mut explicit = Self {
            by_server: BTreeMap::new(),
            by_normal: BTreeMap::new(),
        };
        for key in declared.map(|resolution| resolution.key.as_str()) {
            if let Ok(server) = Server::parse(key) {
                let normal = keyring::normalised(server.as_str());
                explicit.by_server.insert(server, key);
                explicit.by_normal.extend(normal.map(|normal| (normal, key)));
            }
        }
        explicit
    }

    /// The key of the declared server that a key of a docker config means.
    fn find(&self, key: &str, normal: &[u8]) -> Option<&'a str> {
        let server = Server::parse(key).ok();
        let found = server.and_then(|server| self.by_server.get(&server));
        found.or_else(|| self.by_normal.get(normal)).copied()
    }
}

fn status(offer: &Offer<'_>, problem: Option<&Problem>, superseded: &[String], known: &Known<'_>) -> RegistryStatus {
    let remark = offer.remark().map(str::to_owned);
    let (state, reason, message) = match problem {
        None if !superseded.is_empty() => {
            let message = format!(
                "declared more than once, another declaration decides: {}",
                superseded.join(", ")
            );
            let message = remark.map_or(message.clone(), |remark| format!("{message}; {remark}"));
            (RegistryState::Ready, Reason::Superseded, Some(message))
        }
        None => (RegistryState::Ready, Reason::Resolved, remark),
        Some(problem) => {
            let still = match known {
                Known::Own(_) if offer.now.is_some() => String::new(),
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
    let status = RegistryStatus::new(offer.resolution.server.clone(), state, reason, message);
    status.with_servers(offer.servers(known))
}

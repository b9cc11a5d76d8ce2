//! The pull secrets that an author would attach to a pod by hand, one for each registry. Each step then applies one way
//! in which the design departs from them.

use std::collections::BTreeMap;

use crd::Reason;
use plan::registries::Resolution;

use crate::case::{Case, Content};
use crate::configs::{Entry, text_of};
use e2e::keyring::Secret;

const HUB: &str = "https://index.docker.io/v1/";
const HUB_HOSTS: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// The kubelet's normal form of every key in a case.
pub(crate) type Normal = BTreeMap<String, String>;

/// One pull secret: the entries that a registry takes from its source, unchanged.
#[derive(Clone)]
struct Attached {
    /// The declared server, in its normal form.
    server: Option<String>,
    entries: Vec<(String, Entry)>,
}

/// For each source, which of its entries have a login that we may use.
pub(crate) type Usable = BTreeMap<String, Vec<bool>>;

/// The pull secrets of all registries with an accepted source.
#[derive(Clone)]
pub(crate) struct Attachment<'a> {
    normal: &'a Normal,
    usable: &'a Usable,
    attached: Vec<Attached>,
}

/// A way in which the design departs from the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    OneOfEqualKeys,
    OneSpelling,
    DeclaredHub,
    OneHub,
    ExplicitWins,
    EarlierWins,
    BrokenWins,
    HubKey,
}

pub(crate) const STEPS: [Step; 8] = [
    Step::OneSpelling,
    Step::OneOfEqualKeys,
    Step::DeclaredHub,
    Step::OneHub,
    Step::ExplicitWins,
    Step::EarlierWins,
    Step::BrokenWins,
    Step::HubKey,
];

impl<'a> Attachment<'a> {
    pub(crate) fn of(case: &Case, resolved: &[Resolution], normal: &'a Normal, usable: &'a Usable) -> Self {
        let mut all = Self {
            normal,
            usable,
            attached: Vec::new(),
        };
        for (registry, resolution) in case.registries.iter().zip(resolved) {
            // A server that is refused counts as none.
            let declared = registry.server.as_deref();
            let server = declared
                .filter(|_| !matches!(&resolution.result, Err(problem) if problem.reason == Reason::InvalidSpec));
            let server = server.map(|server| all.server(server));
            let entries = match (&resolution.result, case.source(registry)) {
                (Ok(_), Some((name, written))) => all.taken(declared, name, &written.content),
                _ => Vec::new(),
            };
            all.attached.push(Attached { server, entries });
        }
        all
    }

    /// The entries that a registry takes from its source: all usable ones, or those of its server.
    fn taken(&self, declared: Option<&str>, source: &str, content: &Content) -> Vec<(String, Entry)> {
        match (content, declared) {
            (Content::DockerConfig(config), declared) => {
                let server = declared.map(|server| self.server(server));
                let is_last = |at: usize| {
                    config.entries[at + 1..]
                        .iter()
                        .all(|(key, _)| *key != config.entries[at].0)
                };
                let is_usable = |at: usize| is_last(at) && self.usable[source][at];
                let belongs = |key: &str| server.as_ref().is_none_or(|server| self.server(key) == *server);
                let entries = config.entries.iter().enumerate();
                let taken = entries.filter(|(at, (key, _))| is_usable(*at) && belongs(key));
                taken
                    .map(|(_, (key, entry))| (key.clone(), entry.less_what_is_not_copied()))
                    .collect()
            }
            (Content::BasicAuth { username, password }, Some(server)) => {
                let field = |name: &str, value: &str| (name.to_owned(), serde_json::Value::from(value).to_string());
                let fields = vec![field("username", username), field("password", password)];
                vec![(server.to_owned(), Entry::Fields(fields))]
            }
            (Content::BasicAuth { .. }, None) => Vec::new(),
        }
    }

    /// The server that a key means: what the kubelet reads, with one name for Docker Hub. Only kubelets read a key with
    /// escapes, and they know no other name of Docker Hub.
    fn server(&self, key: &str) -> String {
        let normal = self.normal.get(key).map_or(key, String::as_str);
        let (host, path) = normal.split_at(normal.find('/').unwrap_or(normal.len()));
        let host = if HUB_HOSTS.contains(&host) && !key.contains('%') {
            "docker.io"
        } else {
            host
        };
        format!("{host}{path}")
    }

    /// Whether the kubelet reads the key as the whole of Docker Hub.
    fn is_hub(&self, key: &str) -> bool {
        let normal = self.normal.get(key).map_or(key, String::as_str);
        HUB_HOSTS[..2].contains(&normal) && !key.contains('%')
    }

    pub(crate) fn secrets(&self) -> Vec<Secret> {
        let text = |one: &Attached| text_of(one.entries.iter().map(|(key, entry)| (key.as_str(), entry.text())));
        self.attached
            .iter()
            .map(|one| Secret::docker_config(text(one)))
            .collect()
    }

    pub(crate) fn after(&self, step: Step) -> Self {
        let mut after = self.clone();
        match step {
            Step::OneOfEqualKeys => after.one_of_equal_keys(),
            Step::OneSpelling => after.one_spelling(),
            Step::DeclaredHub => after.declared_hub(),
            Step::OneHub => after.one_hub(),
            Step::ExplicitWins => after.explicit_wins(),
            Step::EarlierWins => after.earlier_wins(),
            Step::BrokenWins => after.broken_wins(),
            Step::HubKey => after.hub_key(),
        }
        after
    }

    pub(crate) fn entries(&self) -> Vec<(&String, String)> {
        let entries = self.attached.iter().flat_map(|one| &one.entries);
        entries.map(|(key, entry)| (key, entry.text())).collect()
    }

    /// Among keys of one config that differ only in parts that kubelets drop, the key without such parts stays. If
    /// there is none, the last in byte order stays.
    fn one_of_equal_keys(&mut self) {
        for one in &mut self.attached {
            let rank = |key: &String| (*key == less_what_kubelets_drop(key), key.clone());
            let entries = one.entries.clone();
            let beaten = |key: &String| {
                let equal = entries.iter().map(|(other, _)| other);
                let mut equal = equal.filter(|other| less_what_kubelets_drop(other) == less_what_kubelets_drop(key));
                equal.any(|other| rank(other) > rank(key))
            };
            one.entries.retain(|(key, _)| !beaten(key));
        }
    }

    /// Among the spellings of a declared server, its own key stays, else the first in byte order.
    fn one_spelling(&mut self) {
        for one in &mut self.attached {
            let Some(server) = &one.server else { continue };
            let own = if server == "docker.io" { HUB } else { server };
            // Only kubelets read a key with escapes alike.
            let key = |(key, _): &&(String, Entry)| (key.contains('%'), key != own, key.clone());
            one.entries = one.entries.iter().min_by_key(key).cloned().into_iter().collect();
        }
    }

    /// A declared server of Docker Hub means Docker Hub, by any of its hosts.
    fn declared_hub(&mut self) {
        let pure: Vec<bool> = self
            .attached
            .iter()
            .map(|one| one.entries.iter().all(|(key, _)| self.is_hub(key)))
            .collect();
        for (one, pure) in self.attached.iter_mut().zip(pure) {
            if let Some(server) = one.server.as_deref().filter(|server| server.starts_with("docker.io")) {
                let is_hub_host = server == "docker.io" || server.starts_with("docker.io/");
                one.entries
                    .iter_mut()
                    .filter(|_| is_hub_host && !pure)
                    .for_each(|(key, _)| server.clone_into(key));
            }
        }
    }

    /// Among several names of Docker Hub in one config, the one that the kubelet would try stays.
    fn one_hub(&mut self) {
        for at in 0..self.attached.len() {
            let entries = &self.attached[at].entries;
            let hubs = entries.iter().map(|(key, _)| key).filter(|key| self.is_hub(key));
            let best = hubs.max_by_key(|key| (self.normal.get(*key).is_some_and(|normal| normal == "docker.io"), *key));
            let best = best.cloned();
            let kept = |key: &String| !self.is_hub(key) || Some(key) == best.as_ref();
            let entries = entries.iter().filter(|(key, _)| kept(key)).cloned().collect();
            self.attached[at].entries = entries;
        }
    }

    /// A declared server wins over an entry of a docker config that is taken whole.
    fn explicit_wins(&mut self) {
        let gives = |one: &&Attached| !one.entries.is_empty();
        let declared = self.attached.iter().filter(gives);
        let servers: Vec<String> = declared.filter_map(|one| one.server.clone()).collect();
        self.drop_from_whole(&servers);
    }

    /// A declared server keeps its place while its source provides no login.
    fn broken_wins(&mut self) {
        let mut broken = Vec::new();
        for one in &mut self.attached {
            match &one.server {
                Some(server) if broken.contains(server) => one.entries.clear(),
                Some(server) if one.entries.is_empty() => broken.push(server.clone()),
                _ => {}
            }
        }
        self.drop_from_whole(&broken);
    }

    fn drop_from_whole(&mut self, servers: &[String]) {
        for at in 0..self.attached.len() {
            if self.attached[at].server.is_none() {
                let entries = self.attached[at].entries.clone().into_iter();
                self.attached[at].entries = entries
                    .filter(|(key, _)| !servers.contains(&self.server(key)))
                    .collect();
            }
        }
    }

    /// Between two declared servers, or two docker configs taken whole, the earlier wins.
    fn earlier_wins(&mut self) {
        let mut taken: Vec<(usize, String)> = Vec::new();
        for at in 0..self.attached.len() {
            let one = &self.attached[at];
            let name = |key: &str| match &one.server {
                Some(server) => format!("declared: {server}"),
                None if self.is_hub(key) => HUB.to_owned(),
                None => self.normal.get(key).map_or(key, String::as_str).to_owned(),
            };
            let earlier = |name: &String| taken.iter().any(|(place, other)| *place < at && other == name);
            let entries = one.entries.iter();
            let kept: Vec<(String, Entry)> = entries.filter(|(key, _)| !earlier(&name(key))).cloned().collect();
            let names: Vec<String> = kept.iter().map(|(key, _)| name(key)).collect();
            taken.extend(names.into_iter().map(|name| (at, name)));
            self.attached[at].entries = kept;
        }
    }

    /// Docker Hub's key is the one that all readers know. It is the kubelet's last resort.
    fn hub_key(&mut self) {
        for at in 0..self.attached.len() {
            let mut entries = self.attached[at].entries.clone();
            let hubs = entries.iter_mut().filter(|(key, _)| self.is_hub(key));
            hubs.for_each(|(key, _)| HUB.clone_into(key));
            self.attached[at].entries = entries;
        }
    }
}

/// Removes what kubelets drop: a user before the host, a query and a fragment.
fn less_what_kubelets_drop(key: &str) -> String {
    let (scheme, address) = key.split_at(key.find("://").map_or(0, |at| at + 3));
    let address = address.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    format!("{scheme}{}{path}", host.rsplit('@').next().unwrap_or_default())
}

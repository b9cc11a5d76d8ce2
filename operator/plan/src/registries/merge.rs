//! Merging all registries of an object into one docker config.

use std::collections::{BTreeMap, BTreeSet};

use crd::RegistryStatus;

use super::contribution::{Contribution, Known, known};
use super::problem::{Problem, invalid};
use super::remembered::{LastGood, Remembered};
use super::resolution::Resolution;
use super::size;
use super::status::status;
use crate::credential::Entries;
use crate::keyring;
use crate::server::Server;

/// The merged registries of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// The entries of the copies.
    pub entries: Entries,
    /// The keys of entries that stay in the copies which have them, and go to no other copy.
    ///
    /// A reference that is no longer declared read them, and the declared one does not resolve.
    pub tied: BTreeSet<String>,
    /// The last good entries of each declared registry, to be saved.
    pub last_good: LastGood,
    /// The status of each registry, in the order of the declaration.
    pub registries: Vec<RegistryStatus>,
    /// The first problem, in the order of the declaration.
    pub problem: Option<Problem>,
    /// A registry has no entries now, and none are remembered.
    pub incomplete: bool,
}

/// Merges the entries that registries have now with those that were last good.
///
/// - A registry that fails does not affect the others. An unusable entry of a config taken whole does not either.
/// - An explicit server wins over an entry of such a config, then the earlier registry wins. The status names the loser.
/// - An entry that does not fit into the Secret is not taken.
/// - A remembered login belongs to the server, the reference and the keys with which it was read. For another reference
///   it is tied, see [`Merged::tied`].
pub fn merge(resolutions: &[Resolution], last_good: &LastGood) -> Merged {
    let numbered = resolutions.iter().enumerate();
    let mut contributions: Vec<Contribution<'_>> = numbered
        .map(|(at, resolution)| Contribution::of(at, resolution, last_good))
        .collect();
    size::fit(&mut contributions, last_good);
    let mut merging = Merging::new(resolutions);
    let mut outcomes = Vec::new();
    for contribution in &contributions {
        let key = contribution.resolution.key.as_str();
        let duplicate = merging.served.contains(&key);
        merging.served.push(key);
        let known = known(contribution, resolutions, last_good, &merging.merged.last_good);
        let superseded = match &known {
            _ if duplicate => vec![key.to_owned()],
            Known::Own(entries) => {
                let (origin, entries) = (contribution.resolution.origin.clone(), (*entries).clone());
                let remembered = Remembered { origin, entries };
                merging.add(contribution, key, remembered, false)
            }
            Known::Tied(saved) => {
                let each = saved.iter();
                each.flat_map(|(saved, remembered)| merging.add(contribution, saved, (*remembered).clone(), true))
                    .collect()
            }
            Known::Unknown => {
                merging.merged.incomplete = true;
                Vec::new()
            }
        };
        outcomes.push((contribution, known, superseded));
    }
    let mut merged = merging.merged;
    let useless = match_nothing(&merged.entries);
    for (contribution, known, superseded) in &outcomes {
        let useless = || useless.then(|| unmatched(contribution.warning()));
        let problem = contribution.problem.clone().or_else(useless);
        merged
            .registries
            .push(status(contribution, problem.as_ref(), superseded, known));
        merged.problem = merged.problem.or(problem);
    }
    merged
}

/// Credentials that no kubelet would ever use are not ready, though they are there.
fn match_nothing(entries: &Entries) -> bool {
    !entries.is_empty() && entries.keys().all(|key| keyring::image_for(key).is_none())
}

fn unmatched(warning: Option<&str>) -> Problem {
    invalid(format!(
        "no image can match any entry: {}",
        warning.unwrap_or("the keys are too long")
    ))
}

/// The state of a merge.
struct Merging<'a> {
    merged: Merged,
    explicit: Explicit<'a>,
    /// The registry that decides an entry, by its key as kubelets read it.
    owners: BTreeMap<Vec<u8>, String>,
    /// The keys of the registries so far.
    served: Vec<&'a str>,
}

impl<'a> Merging<'a> {
    fn new(resolutions: &'a [Resolution]) -> Self {
        Self {
            merged: Merged::default(),
            explicit: Explicit::of(resolutions),
            owners: BTreeMap::new(),
            served: Vec::new(),
        }
    }

    /// Adds the entries of a registry, and remembers them under the key `saved_as`. Returns the servers that another
    /// registry decides.
    fn add(
        &mut self,
        contribution: &Contribution<'_>,
        saved_as: &str,
        remembered: Remembered,
        tied: bool,
    ) -> Vec<String> {
        let key = contribution.resolution.key.as_str();
        let mut superseded = Vec::new();
        for (at, (server, credential)) in remembered.entries.iter().enumerate() {
            // A key has many spellings, so it is compared as kubelets read it.
            let normal = keyring::normalised(server).unwrap_or_else(|| server.clone().into_bytes());
            let declared = self.explicit.find(server, &normal);
            let owner = declared.unwrap_or_else(|| self.owners.entry(normal).or_insert_with(|| key.to_owned()));
            if owner == key {
                self.merged.entries.insert(server.clone(), credential.clone());
                if tied {
                    self.merged.tied.insert(server.clone());
                }
            } else {
                superseded.push(contribution.name(server, at + 1).shown());
            }
        }
        self.merged.last_good.insert(saved_as.to_owned(), remembered);
        superseded
    }
}

/// The keys of registries with a declared server, by that server and by its key as kubelets read it.
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

    /// Returns the key of the declared server that a key of a docker config means.
    fn find(&self, key: &str, normal: &[u8]) -> Option<&'a str> {
        let server = Server::parse(key).ok();
        let found = server.and_then(|server| self.by_server.get(&server));
        found.or_else(|| self.by_normal.get(normal)).copied()
    }
}

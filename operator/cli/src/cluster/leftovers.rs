//! What other tools left in one cluster, and what of them runs.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crd::names::{DOCKER_CONFIG_TYPE, LEGACY_CONFIG_TYPE};
use futures::{TryStreamExt as _, stream};
use serde::Deserialize;

use super::client::Connected;
use super::failure::Failure;
use super::lists::{LISTS_AT_ONCE, Progress};
use super::path::{escaped, path};
use super::request::{JSON, PAGE};
use crate::adopt::{CUSTOMS, Leftovers};
use crate::world::Kind;

/// A list to read.
struct List {
    group: &'static str,
    kind: &'static str,
    plural: String,
    path: String,
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    versions: Vec<Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    group_version: String,
}

#[derive(Deserialize)]
struct Resources {
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    name: String,
}

impl Connected {
    /// Reads everything that decides about an adoption. `random` is the key of all digests, and `now` the time in seconds of
    /// Unix time. What may not be read is in [`Leftovers::unread`]. The error is one of the whole context.
    pub async fn leftovers(&self, random: [u8; 16], now: i64, progress: &dyn Progress) -> Result<Leftovers, Failure> {
        let mut seen = Leftovers::new(random, now);
        let mut lists = vec![list(Kind::Namespace), list(Kind::ServiceAccount)];
        for type_ in [DOCKER_CONFIG_TYPE, LEGACY_CONFIG_TYPE] {
            let mut secrets = list(Kind::Secret);
            secrets.path = format!("{}?fieldSelector=type%3D{}", secrets.path, escaped(type_));
            lists.push(secrets);
        }
        lists.extend(self.tool_lists(&mut seen).await?);
        self.read_lists(&mut seen, lists, progress).await?;
        match self.cluster_pull_secrets().await {
            Ok(objects) => seen.objects.extend(
                objects
                    .into_iter()
                    .map(|object| (object.metadata.name.clone().unwrap_or_default(), object)),
            ),
            // Where the definition is not installed, there is no object.
            Err(Failure::NotFound) => {}
            Err(failure) => unread(&mut seen, Kind::ClusterPullSecret.plural(), failure)?,
        }
        Ok(seen)
    }

    /// Reads again what runs.
    pub async fn tools(&self, seen: &mut Leftovers, now: i64, progress: &dyn Progress) -> Result<(), Failure> {
        seen.now = now;
        seen.forget_tools();
        let lists = self.tool_lists(seen).await?;
        self.read_lists(seen, lists, progress).await
    }

    async fn tool_lists(&self, seen: &mut Leftovers) -> Result<Vec<List>, Failure> {
        let kinds = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::CronJob];
        let mut lists: Vec<List> = kinds.into_iter().map(list).collect();
        lists.push(List {
            group: "coordination.k8s.io",
            kind: "Lease",
            plural: "leases".to_owned(),
            // Those of nodes are as many as the nodes.
            path: "/apis/coordination.k8s.io/v1/leases?fieldSelector=metadata.namespace%21%3Dkube-node-lease"
                .to_owned(),
        });
        match self.customs().await {
            Ok(customs) => lists.extend(customs),
            Err(failure) => unread(seen, "the API groups", failure)?,
        }
        Ok(lists)
    }

    /// Returns the lists of other tools that this cluster has.
    async fn customs(&self) -> Result<Vec<List>, Failure> {
        let groups: Groups = self.read_one("/apis", JSON).await?;
        let mut versions: BTreeMap<(String, String), String> = BTreeMap::new();
        let is_known = |group: &&Group| CUSTOMS.iter().any(|(known, _, _)| *known == group.name);
        for group in groups.groups.iter().filter(is_known) {
            for version in &group.versions {
                let path = format!("/apis/{}", version.group_version);
                let resources: Resources = self.read_one(&path, JSON).await?;
                for resource in resources.resources {
                    let key = (group.name.clone(), resource.name);
                    versions.entry(key).or_insert_with(|| version.group_version.clone());
                }
            }
        }
        let served = CUSTOMS.into_iter().filter_map(|(group, plural, kind)| {
            let version = versions.get(&(group.to_owned(), plural.to_owned()))?;
            Some(List {
                group,
                kind,
                plural: format!("{plural}.{group}"),
                path: format!("/apis/{version}/{plural}"),
            })
        });
        Ok(served.collect())
    }

    async fn read_lists(&self, seen: &mut Leftovers, lists: Vec<List>, progress: &dyn Progress) -> Result<(), Failure> {
        progress.lists(lists.len());
        let shared = RefCell::new(seen);
        stream::iter(lists.into_iter().map(Ok))
            .try_for_each_concurrent(LISTS_AT_ONCE, async |list| {
                if let Err(failure) = self.read_list(&list, &shared).await {
                    unread(&mut shared.borrow_mut(), &list.plural, failure)?;
                }
                progress.list();
                Ok::<_, Failure>(())
            })
            .await
    }

    async fn read_list(&self, list: &List, seen: &RefCell<&mut Leftovers>) -> Result<(), Failure> {
        let joint = if list.path.contains('?') { '&' } else { '?' };
        let path = format!("{}{joint}limit={PAGE}", list.path);
        let read = self.whole(&path, |body| {
            Ok(seen.borrow_mut().add_page(list.group, list.kind, body)?)
        });
        match read.await {
            // The definition went away.
            Err(Failure::NotFound) => Ok(()),
            done => done,
        }
    }
}

fn list(kind: Kind) -> List {
    List {
        group: kind.group(),
        kind: kind.as_str(),
        plural: kind.plural().to_owned(),
        path: path(kind, None),
    }
}

/// Notes what could not be read. A failure of the whole context ends the reading.
fn unread(seen: &mut Leftovers, what: &str, failure: Failure) -> Result<(), Failure> {
    if failure.is_of_the_context() {
        return Err(failure);
    }
    seen.unread.push(format!("{what}: {failure}"));
    Ok(())
}

//! The lists of one cluster, in pages.

use std::cell::RefCell;

use futures::{TryStreamExt as _, stream};

use super::client::Connected;
use super::failure::Failure;
use super::path::{escaped, path};
use super::request::PAGE;
use crate::args::Namespaces;
use crate::world::{Kind, Unseen, World};

/// Lists of one cluster at a time. Each is a connection.
pub(super) const LISTS_AT_ONCE: usize = 2;

/// What is read of a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The namespaces.
    pub namespaces: &'a Namespaces,
    /// A selector for workloads and Pods.
    pub labels: Option<&'a str>,
}

/// Hears of what was read.
pub trait Progress {
    /// There are this many lists.
    fn lists(&self, count: usize);
    /// A page of a list was read, with this many objects.
    fn page(&self, kind: Kind, objects: usize);
    /// A list was read.
    fn list(&self);
}

/// A list to read: its kind, and its namespace or all.
pub(super) type List<'a> = (Kind, Option<&'a str>);

impl Connected {
    /// Reads everything that decides about pulls. What may not be read is in [`World::unseen`]. The error is one of the
    /// whole context.
    pub async fn read(&self, scope: Scope<'_>, progress: &dyn Progress) -> Result<World, Failure> {
        let world = RefCell::new(World::default());
        let lists = lists(scope.namespaces);
        progress.lists(lists.len() + 1);
        self.namespaces(scope, &world).await?;
        stream::iter(lists.into_iter().map(Ok))
            .try_for_each_concurrent(LISTS_AT_ONCE, async |list| {
                let parameters = parameters(list.0, scope.labels);
                if let Err(failure) = self.list(list, &parameters, &world, progress).await {
                    noted(&world, list, None, failure)?;
                }
                progress.list();
                Ok::<_, Failure>(())
            })
            .await?;
        let mut world = world.into_inner();
        keep(&mut world, scope.namespaces);
        self.secrets(scope, &mut world, progress).await?;
        keep(&mut world, scope.namespaces);
        progress.list();
        Ok(world)
    }

    /// Namespaces that are given by name are read one by one: that needs no right to list them.
    async fn namespaces(&self, scope: Scope<'_>, world: &RefCell<World>) -> Result<(), Failure> {
        for name in scope.namespaces.exact().into_iter().flatten() {
            match self.object(Kind::Namespace, None, name).await {
                Ok(body) => world.borrow_mut().add(Kind::Namespace, &String::from_utf8_lossy(&body)),
                Err(failure) => noted(world, (Kind::Namespace, None), Some(name), failure)?,
            }
        }
        Ok(())
    }

    /// Reads one list into the snapshot.
    pub(super) async fn list(
        &self,
        (kind, namespace): List<'_>,
        parameters: &str,
        world: &RefCell<World>,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let path = format!("{}?limit={PAGE}{parameters}", path(kind, namespace));
        self.whole(&path, |body| {
            let page = world.borrow_mut().add_page(kind, body)?;
            progress.page(kind, page.items);
            Ok(page.next)
        })
        .await
    }
}

/// All lists but those of Secrets.
fn lists(namespaces: &Namespaces) -> Vec<List<'_>> {
    let mut lists = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Secret) {
        match namespaces.exact() {
            Some(_) if kind == Kind::Namespace => {}
            Some(names) if kind.is_namespaced() => {
                lists.extend(
                    names
                        .iter()
                        .filter(|name| namespaces.selects(name))
                        .map(|name| (kind, Some(name.as_str()))),
                );
            }
            _ => lists.push((kind, None)),
        }
    }
    lists
}

fn parameters(kind: Kind, labels: Option<&str>) -> String {
    let labels = labels.filter(|_| kind.has_template() || kind == Kind::Pod);
    labels
        .map(|labels| format!("&labelSelector={}", escaped(labels)))
        .unwrap_or_default()
}

/// Records that a list could not be read. A failure of the whole context ends the reading.
pub(super) fn noted(
    world: &RefCell<World>,
    (kind, namespace): List<'_>,
    name: Option<&str>,
    failure: Failure,
) -> Result<(), Failure> {
    if failure.is_of_the_context() {
        return Err(failure);
    }
    // Where the definition is not installed, there is no object.
    if kind == Kind::ClusterPullSecret && failure == Failure::NotFound {
        return Ok(());
    }
    world.borrow_mut().cannot_see(Unseen {
        kind,
        namespace: namespace.map(Into::into),
        name: name.map(Into::into),
        why: failure.to_string(),
    });
    Ok(())
}

fn keep(world: &mut World, namespaces: &Namespaces) {
    world.namespaces.retain(|name, _| namespaces.selects(name));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespaces(named: &[&str]) -> Namespaces {
        Namespaces {
            named: named.iter().map(ToString::to_string).collect(),
            excluded: vec!["b".to_owned()],
        }
    }

    #[test]
    fn named_namespaces_are_read_alone() {
        assert_eq!(lists(&namespaces(&[])).len(), 10, "each kind once");
        assert_eq!(lists(&namespaces(&["a*"])).len(), 10);
        let named = namespaces(&["a", "b"]);
        let lists = lists(&named);
        assert_eq!(lists.len(), 9, "{lists:?}");
        assert!(lists.contains(&(Kind::Pod, Some("a"))) && lists.contains(&(Kind::ClusterPullSecret, None)));
    }

    /// Accounts and Secrets decide about a workload with any labels.
    #[test]
    fn a_selector_is_for_workloads_and_pods() {
        assert_eq!(parameters(Kind::Pod, Some("a=b")), "&labelSelector=a%3Db");
        assert_eq!(parameters(Kind::CronJob, Some("a=b")), "&labelSelector=a%3Db");
        assert_eq!(parameters(Kind::ServiceAccount, Some("a=b")), "");
        assert_eq!(parameters(Kind::Pod, None), "");
    }

    #[test]
    fn missing_rights_are_noted_and_other_failures_end_it() {
        let world = RefCell::new(World::default());
        let forbidden = Failure::Forbidden { verb: "list" };
        noted(&world, (Kind::Pod, None), None, forbidden).unwrap();
        noted(&world, (Kind::ClusterPullSecret, None), None, Failure::NotFound).unwrap();
        assert_eq!(world.borrow().unseen.len(), 1);
        assert_eq!(
            world.borrow().unseen[0].to_string(),
            "pods: you may not list them (403)"
        );
        noted(&world, (Kind::Pod, None), None, Failure::Unauthorized).unwrap_err();
    }
}

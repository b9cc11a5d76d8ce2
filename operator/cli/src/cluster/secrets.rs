//! The Secrets of one cluster.
//!
//! Only those of the two types that kubelets read are listed. A Secret of another type is read if something refers to it,
//! since a reference to it is not one to a Secret that does not exist. Without the right to list, each is read by name.

use std::cell::RefCell;

use futures::{TryStreamExt as _, stream};

use crd::names::{DOCKER_CONFIG_TYPE, LEGACY_CONFIG_TYPE};

use super::client::Connected;
use super::failure::Failure;
use super::lists::{LISTS_AT_ONCE, Progress, Scope, noted};
use super::path::escaped;
use crate::world::{Kind, SecretSeen, SecretsRead, Text, World};

/// Secrets that are read by name at a time. Each answer is small.
const BY_NAME_AT_ONCE: usize = 8;

impl Connected {
    pub(super) async fn secrets(
        &self,
        scope: Scope<'_>,
        world: &mut World,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let listed = RefCell::new(std::mem::take(world));
        let all = match self.pull_secrets(scope, &listed, progress).await {
            Ok(()) => SecretsRead::Listed,
            Err(Failure::Forbidden { .. }) => SecretsRead::ByName,
            Err(failure) => {
                noted(&listed, (Kind::Secret, None), None, failure)?;
                SecretsRead::ByName
            }
        };
        *world = listed.into_inner();
        world.secrets = all;
        self.referenced(world).await
    }

    /// Lists the Secrets of both types.
    async fn pull_secrets(
        &self,
        scope: Scope<'_>,
        world: &RefCell<World>,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let places: Vec<Option<&str>> = match scope.namespaces.exact() {
            Some(names) => names.iter().map(|name| Some(name.as_str())).collect(),
            None => vec![None],
        };
        let types = [DOCKER_CONFIG_TYPE, LEGACY_CONFIG_TYPE];
        let lists = places.into_iter().flat_map(|place| types.map(|type_| (place, type_)));
        stream::iter(lists.map(Ok))
            .try_for_each_concurrent(LISTS_AT_ONCE, async |(place, type_)| {
                let parameters = format!("&fieldSelector=type%3D{}", escaped(type_));
                self.list((Kind::Secret, place), &parameters, world, progress).await
            })
            .await
    }

    /// Reads by name what is referred to and was not listed.
    async fn referenced(&self, world: &mut World) -> Result<(), Failure> {
        let unread = |world: &World, (namespace, name): &(Text, Text)| {
            matches!(world.secret(namespace, name), SecretSeen::Missing)
        };
        let mut wanted = world.referenced_secrets();
        wanted.retain(|secret| unread(world, secret));
        let read = RefCell::new(std::mem::take(world));
        let outcome = stream::iter(wanted.into_iter().map(Ok))
            .try_for_each_concurrent(BY_NAME_AT_ONCE, async |(namespace, name)| {
                match self.object(Kind::Secret, Some(&namespace), &name).await {
                    Ok(body) => read.borrow_mut().add(Kind::Secret, &String::from_utf8_lossy(&body)),
                    Err(Failure::NotFound) => {}
                    Err(failure) => noted(&read, (Kind::Secret, Some(&namespace)), Some(&name), failure)?,
                }
                Ok::<_, Failure>(())
            })
            .await;
        *world = read.into_inner();
        outcome
    }
}

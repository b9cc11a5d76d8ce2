//! How a kubelet finds the credentials for an image: a port of its lookup.
//!
//! The rules come from `pkg/credentialprovider/keyring.go` of Kubernetes 1.36, which is unchanged since 1.32. Below it are
//! the packages `net/url` and `path/filepath` of Go 1.26.
//!
//! This room ends with the lookup. After it, a kubelet tries each credential in turn, and makes no anonymous attempt if it
//! has one.

mod location;
mod near;

use crate::image::repository;
use location::Location;

pub use near::{Difference, differences};

/// The only normalised key that serves for Docker Hub if no other key matches.
const HUB_FALLBACK: &[u8] = b"index.docker.io";

/// Returns whether a kubelet would use a docker config with this one key for `image`.
///
/// `image` is the image of a pod, with or without tag and digest. An invalid reference matches no key, because a kubelet
/// rejects it before it looks for credentials.
pub fn matches(key: &str, image: &str) -> bool {
    !lookup(std::iter::once(key), image).is_empty()
}

/// Returns the `keys` whose credentials a kubelet would try for `image`, in its order.
///
/// That is the reverse byte order of the normalised keys. Keys with equal normal forms stay in the given order; a kubelet
/// orders those by Secret, and in no defined order within one. It skips keys that it cannot parse.
///
/// Docker Hub's own key serves images on `docker.io` without matching that name, so it counts only if no other key
/// matches. There a kubelet also reads a host without `.` and port, such as `localhost`, as Docker Hub.
pub fn lookup<'a>(keys: impl Iterator<Item = &'a str>, image: &str) -> Vec<&'a str> {
    lookup_of(keys.map(|key| (key, key)), image)
}

/// Returns what belongs to those of the keys whose credentials a kubelet would try for `image`, in its order.
///
/// See [`lookup`].
pub fn lookup_of<'a, T>(entries: impl Iterator<Item = (&'a str, T)>, image: &str) -> Vec<T> {
    let Some(repository) = repository(image) else {
        return Vec::new();
    };
    let Some(target) = Location::parse(repository.as_bytes()) else {
        return Vec::new();
    };
    let mut parsed: Vec<(Vec<u8>, T)> = entries.filter_map(|(key, of)| Some((normalised(key)?, of))).collect();
    parsed.sort_by(|(a, _), (b, _)| b.cmp(a));

    let covers = |key: &[u8]| Location::parse(key).is_some_and(|location| location.covers(&target));
    let covering: Vec<bool> = parsed.iter().map(|(key, _)| covers(key)).collect();
    let hub = !covering.contains(&true) && is_docker_hub_by_default(&repository);
    let tried = |(at, (key, _)): &(usize, (Vec<u8>, T))| {
        if hub { key == HUB_FALLBACK } else { covering[*at] }
    };
    let tried = parsed.into_iter().enumerate().filter(tried);
    tried.map(|(_, (_, of))| of).collect()
}

/// Returns an image for which a kubelet would use a docker config with this one key, if there is one.
///
/// It looks up each candidate, so the result is correct. The candidates are complete for these reasons. A `*` that matches
/// one label matches any. A host without `.` and port needs an upper-case letter. A path continues in its last component,
/// after it, or both, because Docker Hub puts `library` before a path of one component.
pub fn image_for(key: &str) -> Option<String> {
    let normalised = normalised(key)?;
    let candidates = Location::parse(&normalised).map(|location| location.images());
    let hub = || std::iter::once("app".to_owned());
    let mut candidates = candidates.into_iter().flatten().chain(hub());
    candidates.find(|image| matches(key, image))
}

/// Kubelets check the full name, in which only hosts without `.` and port still look like users.
fn is_docker_hub_by_default(repository: &str) -> bool {
    let host = repository.split('/').next().unwrap_or_default();
    host == "docker.io" || !host.contains(['.', ':'])
}

/// Returns the key under which a kubelet stores an entry. It is `None` if the kubelet skips the entry.
pub(crate) fn normalised(key: &str) -> Option<Vec<u8>> {
    location::normalised(key)
}

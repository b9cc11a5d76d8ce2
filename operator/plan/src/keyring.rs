//! How a kubelet finds the credentials for an image: its own lookup, told again.
//!
//! Source of every rule: `pkg/credentialprovider/keyring.go` of Kubernetes 1.36, which is the same
//! since 1.32, and the Go library below it (`net/url`, `path/filepath`) of Go 1.26. Deliberately
//! absent: what comes after the lookup. A kubelet tries each credential in turn, and makes no
//! anonymous attempt once there is one.

mod location;

use crate::image::repository;
use location::Location;

/// The only normalised key that serves as Docker Hub's when no key matches by itself.
const HUB_FALLBACK: &[u8] = b"index.docker.io";

/// Whether a docker config with this one key would be used for `image`.
///
/// `image` is what a pod may name, with or without tag and digest. An image that is no valid
/// reference matches nothing: a kubelet refuses it before it looks for credentials.
pub fn matches(key: &str, image: &str) -> bool {
    !lookup(std::iter::once(key), image).is_empty()
}

/// Those of `keys` whose credentials a kubelet would try for `image`, in its order: reverse
/// byte order of the normalised keys; keys that are normalised to the same stay in the order in
/// which they came (a kubelet's own order for those is by secret, and undefined within one).
///
/// Keys that a kubelet cannot parse are skipped. Docker Hub's own key, which stands for images on
/// `docker.io` without matching that name, counts only if no other key matches; and a kubelet
/// takes a host without `.` and port, in practice `localhost`, for Docker Hub there.
pub fn lookup<'a>(keys: impl Iterator<Item = &'a str>, image: &str) -> Vec<&'a str> {
    let Some(repository) = repository(image) else {
        return Vec::new();
    };
    let Some(target) = Location::parse(repository.as_bytes()) else {
        return Vec::new();
    };
    let mut held: Vec<(Vec<u8>, &str)> = keys.filter_map(|key| Some((normalised(key)?, key))).collect();
    held.sort_by(|(a, _), (b, _)| b.cmp(a));

    let matching = chosen(&held, |key| {
        Location::parse(key).is_some_and(|location| location.covers(&target))
    });
    if matching.is_empty() && is_docker_hub_by_default(&repository) {
        return chosen(&held, |key| key == HUB_FALLBACK);
    }
    matching
}

/// An image for which a kubelet would use a docker config with this one key; none if there is no such image.
///
/// Each candidate is looked up, so an answer is right. None is missed: a `*` is good for any label if it is for one, a
/// host without `.` and port is one with an upper-case letter only, and a path goes on in its last component, after
/// it, or both, because Docker Hub puts `library` before a path of one component.
pub fn image_for(key: &str) -> Option<String> {
    let normalised = normalised(key)?;
    let candidates = Location::parse(&normalised).map(|location| location.images());
    let hub = || std::iter::once("app".to_owned());
    let mut candidates = candidates.into_iter().flatten().chain(hub());
    candidates.find(|image| matches(key, image))
}

/// Kubelets ask this of the full name, where only hosts without `.` and port still look like users.
fn is_docker_hub_by_default(repository: &str) -> bool {
    let host = repository.split('/').next().unwrap_or_default();
    host == "docker.io" || !host.contains(['.', ':'])
}

/// The key under which a kubelet files an entry, or nothing if it would skip it with a log line.
pub(crate) fn normalised(key: &str) -> Option<Vec<u8>> {
    location::normalised(key)
}

fn chosen<'a>(held: &[(Vec<u8>, &'a str)], fits: impl Fn(&[u8]) -> bool) -> Vec<&'a str> {
    held.iter()
        .filter(|(normalised, _)| fits(normalised))
        .map(|&(_, key)| key)
        .collect()
}

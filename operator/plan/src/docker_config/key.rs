//! The keys of `auths`, as kubelets read them.

use super::entry_error::EntryError;
use crate::keyring;
use crate::server::{self, DOCKER_HUB};

/// Returns the key that an entry gets when a docker config is taken whole.
///
/// It is the key without what kubelets drop. All spellings of Docker Hub that kubelets know become [`DOCKER_HUB`], so two
/// spellings become one key; [`super::DockerConfig::whole`] says which entry stays. To a kubelet `docker.io` is an ordinary
/// key, and [`DOCKER_HUB`] is its fallback. The fallback counts only if no other key, such as `*.io`, matches; then it
/// also serves images on a registry at `localhost`.
pub fn whole_key(key: &str) -> String {
    let key = server::without_dropped_parts(key);
    if server::is_docker_hub_to_kubelets(&key) {
        DOCKER_HUB.to_owned()
    } else {
        key
    }
}

/// Returns whether kubelets drop a part of the key. That part may be a password.
pub(super) fn is_cut(key: &str) -> bool {
    server::without_dropped_parts(key) != key
}

/// Checks that kubelets read the key as it is written.
pub(super) fn check_key(key: &str) -> Result<(), EntryError> {
    match keyring::normalised(key) {
        Some(normalised) if normalised.is_empty() => Err(EntryError::KeyUnparsable),
        None => Err(EntryError::KeyUnparsable),
        read if read != keyring::normalised(&server::without_dropped_parts(key)) => Err(EntryError::KeyCut),
        Some(_) => Ok(()),
    }
}

//! Squatters: foreign Secrets under one of our names. The watch of copies does not show their deletion, so each
//! squatter has a watch of its own.

use std::collections::HashMap;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::api::partial::PartialSecret;
use crate::api::watch::{Selector, Watches, namespaced};
use crate::work::{Key, Target};

/// How many squatters are watched at a time. Each watch is a connection.
const MAX_FOLLOWED: usize = 20;

/// The watches of squatters, by key.
pub(super) struct Squatters {
    watches: HashMap<Key, JoinHandle<()>>,
    token: CancellationToken,
}

impl Squatters {
    /// Starts without watches. All later ones end with the token.
    pub(super) fn new(token: CancellationToken) -> Self {
        Self {
            watches: HashMap::new(),
            token,
        }
    }

    /// Ends the watches of keys for which `stays` is false.
    pub(super) fn retain(&mut self, stays: impl Fn(&Key) -> bool) {
        self.watches.retain(|key, task| {
            let stays = stays(key);
            if !stays {
                task.abort();
            }
            stays
        });
    }

    /// Watches the Secret of this key, and sends the key on for each event. Returns false if too many are watched already.
    pub(super) fn follow<E: Send + 'static>(
        &mut self,
        key: &Key,
        watches: &Watches,
        events: &mpsc::Sender<E>,
        wrap: impl Fn(Key) -> E + Send + 'static,
    ) -> bool {
        let Target::Secret(name) = &key.target else {
            return true;
        };
        if self.watches.contains_key(key) {
            return true;
        }
        if self.watches.len() >= MAX_FOLLOWED {
            return false;
        }
        debug!(namespace = %key.namespace, secret = %name, "watching a foreign Secret that has a managed name");
        let api = namespaced::<PartialSecret>(&key.namespace);
        let followed = key.clone();
        let wrap = move |_, _| wrap(followed.clone());
        let (events, token) = (events.clone(), self.token.clone());
        let task = watches.spawn("squatters", api, Selector::named(name), events, token, wrap);
        self.watches.insert(key.clone(), task);
        true
    }
}

//! Bounds what the digests of copies take. A tenant chooses how many logins a Secret with our label holds.

use std::sync::{Arc, Weak};

use plan::payload::Digest;

use super::Reconciler;

/// A digest with more logins is large. The operator writes few such copies, and all copies of an object share theirs.
const LARGE: usize = 256;
/// Most logins of all large digests together: 2 MiB, as many as 16 of the largest Secrets have.
const MAX_LOGINS: usize = 256 * 1024;

/// The large digests in use.
#[derive(Debug, Default)]
pub(super) struct LargeDigests(Vec<Weak<Digest>>);

impl LargeDigests {
    /// Returns whether there is room for the logins of this digest.
    fn has_room(&mut self, digest: &Digest) -> bool {
        self.0.retain(|held| held.strong_count() > 0);
        let held = self.0.iter().filter_map(Weak::upgrade);
        let logins: usize = held.map(|held| held.logins()).sum();
        logins + digest.logins() <= MAX_LOGINS
    }
}

impl Reconciler {
    /// Returns the shared digest that equals this one. Of a large one that is new it may show no logins. Then the copy
    /// keeps no tied login at its next write.
    pub(super) fn share_digest(&mut self, digest: Arc<Digest>) -> Arc<Digest> {
        if digest.logins() <= LARGE {
            return self.digests.share(digest);
        }
        if let Some(shared) = self.digests.known(&digest) {
            return shared;
        }
        if !self.large_digests.has_room(&digest) {
            self.digests.drop_unused();
            if !self.large_digests.has_room(&digest) {
                return self.digests.share(Arc::new(digest.without_logins()));
            }
        }
        let shared = self.digests.share(digest);
        self.large_digests.0.push(Arc::downgrade(&shared));
        shared
    }
}

#[cfg(test)]
mod tests {
    use plan::payload::{DigestKey, Payload};

    use super::*;

    fn large(number: usize) -> Arc<Digest> {
        let entries: Vec<String> = (0..16 * 1024)
            .map(|entry| format!(r#""{number}-{entry}":{{}}"#))
            .collect();
        let config = format!(r#"{{"auths":{{{}}}}}"#, entries.join(","));
        let payload = Payload::new(config.as_bytes(), &DigestKey::new([7; 16]));
        Arc::clone(payload.digest())
    }

    /// A tenant may make as many as its quota allows.
    #[test]
    fn many_large_copies_share_one_bound() {
        let mut reconciler = Reconciler::new([]);
        let held: Vec<_> = (0..18).map(|number| reconciler.share_digest(large(number))).collect();
        let logins: usize = held.iter().map(|digest| digest.logins()).sum();
        assert_eq!(logins, MAX_LOGINS);
        assert_eq!(held[17], large(17), "its bytes are still compared");
        assert!(Arc::ptr_eq(&held[0], &reconciler.share_digest(large(0))));
        drop(held);
        assert_eq!(
            reconciler.share_digest(large(50)).logins(),
            16 * 1024,
            "there is room again"
        );
    }
}

//! Secrets that are copies, or have the name of one.

#[cfg(test)]
mod tests;
pub(super) mod traits;

use std::fmt;
use std::sync::{Arc, LazyLock};

use crd::names::{ANNOTATION_RETAINED, DOCKER_CONFIG_TYPE, LABEL_MANAGED_BY, LABEL_OBJECT};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::core::NamespaceResourceScope;
use plan::observed::{MAX_PARTIAL_OWNERS, Secret, SecretTraits};
use plan::payload::{Digest, DigestKey, NO_LOGIN};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

use self::traits::{is_labelled, is_ours, traits};
use super::managed_fields::AppliedByUs;
use super::meta::{WireMeta, identity, object_meta, version};
use crate::wanted::Wanted;

/// The key of the digests of this process.
pub static DIGEST_KEY: LazyLock<DigestKey> = LazyLock::new(|| DigestKey::new(rand::random()));

/// A copy, or a foreign Secret with the name of one, reduced while it is decoded.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "WireSecret")]
pub struct PartialSecret {
    metadata: ObjectMeta,
    facts: Secret,
}
partial_resource!(PartialSecret: "Secret", "", "v1", "secrets", NamespaceResourceScope, metadata only: false);

#[derive(Deserialize)]
struct WireSecret {
    metadata: WireMeta<AppliedByUs>,
    #[serde(rename = "type", default)]
    type_: String,
    #[serde(default)]
    immutable: Option<bool>,
    #[serde(default)]
    data: Option<Digests>,
}

impl From<WireSecret> for PartialSecret {
    fn from(wire: WireSecret) -> Self {
        let (metadata, AppliedByUs(applied_by_us)) = wire.metadata.split();
        let traits = SecretTraits {
            docker_config_type: wire.type_ == DOCKER_CONFIG_TYPE,
            immutable: wire.immutable.unwrap_or(false),
            applied_by_us: applied_by_us && !is_labelled(&metadata),
            ..traits(&metadata)
        };
        let facts = Secret {
            version: version(&metadata),
            digest: wire.data.and_then(|data| data.docker_config),
            traits: Arc::new(traits),
        };
        let metadata = identity(metadata);
        Self { metadata, facts }
    }
}

impl PartialSecret {
    /// For a name that no object uses, keeps only our own marks: the label, its manager and a few owners. Of the data it
    /// keeps whether there is any.
    pub fn prune(&mut self, names: &Wanted) {
        if self.metadata.name.as_deref().is_some_and(|name| names.has(name)) {
            return;
        }
        // Its tenant may have put thousands of logins there.
        self.facts.digest = self.facts.digest.take().map(|_| Digest::unknown());
        let traits = Arc::make_mut(&mut self.facts.traits);
        traits
            .labels
            .keep(|key| [LABEL_OBJECT, LABEL_MANAGED_BY].contains(&key));
        traits.annotations.keep(|key| key == ANNOTATION_RETAINED);
        traits.owners.truncate(MAX_PARTIAL_OWNERS);
        traits.owners.shrink_to_fit();
        traits.partial = true;
    }

    /// Turns the Secret into facts for the plan.
    pub fn facts(self) -> Secret {
        self.facts
    }
}

/// The data of a Secret, reduced to a digest.
#[derive(Clone, Debug, Default, Deserialize)]
struct Digests {
    #[serde(rename = ".dockerconfigjson", default, deserialize_with = "digest")]
    docker_config: Option<Arc<Digest>>,
}

fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<Digest>>, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = Option<Digest>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("base64")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Option<Digest>, E> {
            Ok((text != NO_LOGIN).then(|| DIGEST_KEY.digest(text)))
        }
    }
    deserializer.deserialize_str(Text).map(|digest| digest.map(Arc::new))
}

/// The reply to a write of a Secret. It holds only metadata, so that no copy's data comes back.
#[derive(Clone, Debug, Deserialize)]
pub struct SecretMeta {
    #[serde(deserialize_with = "object_meta")]
    metadata: ObjectMeta,
}
partial_resource!(SecretMeta: "Secret", "", "v1", "secrets", NamespaceResourceScope, metadata only: true);

impl SecretMeta {
    /// The facts after a write, where `digest` stands for the data that the reply does not show.
    pub fn facts(&self, digest: Option<Arc<Digest>>) -> Secret {
        let traits = SecretTraits {
            docker_config_type: true,
            ..traits(&self.metadata)
        };
        Secret {
            version: version(&self.metadata),
            digest,
            traits: Arc::new(traits),
        }
    }

    /// Owners of another kind than ours.
    pub fn other_owners(&self) -> Vec<&OwnerReference> {
        let references = self.metadata.owner_references.as_deref().unwrap_or_default();
        references.iter().filter(|reference| !is_ours(reference)).collect()
    }

    /// Whether a finalizer of another controller delays the deletion.
    pub fn is_held_up(&self) -> bool {
        self.metadata
            .finalizers
            .as_ref()
            .is_some_and(|finalizers| !finalizers.is_empty())
    }
}

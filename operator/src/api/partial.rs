//! Partial types: each keeps only the fields that matter, and drops the rest while it is decoded.
//!
//! Foreign data never stays in memory. `managedFields` are skipped, or become one bit; Secret data becomes a digest.
//! The one exception is [`SourceSecret`]: it is read only in the namespaces of sources, and keeps only what an object
//! reads.

/// Implements `Resource` for a partial type.
macro_rules! partial_resource {
    ($type:ident: $kind:literal, $group:expr, $version:literal, $plural:literal, $scope:ty,
        metadata only: $metadata:literal) => {
        impl kube::Resource for $type {
            type DynamicType = ();
            type Scope = $scope;

            fn metadata_api() -> bool {
                $metadata
            }
            fn kind((): &()) -> std::borrow::Cow<'_, str> {
                $kind.into()
            }
            fn group((): &()) -> std::borrow::Cow<'_, str> {
                $group.into()
            }
            fn version((): &()) -> std::borrow::Cow<'_, str> {
                $version.into()
            }
            fn plural((): &()) -> std::borrow::Cow<'_, str> {
                $plural.into()
            }
            fn meta(&self) -> &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

mod controller;
mod managed_fields;
mod meta;
mod namespace;
mod object;
mod pod;
mod secret;
mod service_account;
mod source;
#[cfg(test)]
mod tests;

pub use controller::PartialController;
pub use managed_fields::Managed;
pub use meta::version;
pub use namespace::PartialNamespace;
pub use object::RawClusterPullSecret;
pub use pod::PartialPod;
pub use secret::traits::API_VERSION;
pub use secret::{DIGEST_KEY, PartialSecret, SecretMeta};
pub use service_account::PartialServiceAccount;
pub use source::SourceSecret;

//! Oracle: conditions that must hold for the store, independent of the writer.
//!
//! Each check reads the API server with the administrator's client at that moment. The names below are those that users
//! see. They are repeated here on purpose, so that an accidental change of a name fails a test.

mod copies;
pub(crate) mod declared;
mod foreign;
pub(crate) mod logins;
mod references;
mod retained;
pub(crate) mod selection;

use std::collections::{BTreeMap, BTreeSet};

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, Client};

use crate::SYSTEM_NAMESPACE;

pub use crate::login::Login;
pub use declared::Declared;
pub use foreign::Foreign;
pub use logins::{Allowed, Made, Needles, places};

/// The label of every copy; its value is the object's name.
pub const LABEL: &str = "pullsecrets.dev/cluster-pull-secret";

/// The annotation on `ServiceAccount`s that records the operator's own references.
pub const ATTACHED: &str = "pullsecrets.dev/attached";

/// The annotation of a retained copy; its value is the object's name.
pub const RETAINED: &str = "pullsecrets.dev/retained";

/// The key and, with a dot before it, the data key of a docker config Secret.
pub const DATA_KEY: &str = ".dockerconfigjson";

/// A namespace and a name in it.
pub type Place = (String, String);

/// The expected effect of one `ClusterPullSecret`.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The object's name.
    pub object: String,
    /// The effective name of its Secrets.
    pub secret: String,
    /// Every login of each copy, by server as the docker config spells it.
    pub logins: BTreeMap<String, Login>,
    /// Each namespace with a copy, and the `ServiceAccount`s that refer to it. No other namespace has one.
    pub holders: BTreeMap<String, BTreeSet<String>>,
}

/// Checks that the store contains exactly the `expected` effect of that object. Each namespace has one correct copy,
/// and each account one recorded reference. No other Secret holds the logins.
///
/// # Errors
///
/// The first difference, by kind, namespace and name; never a value from a Secret.
pub async fn check(client: &Client, expected: &Expected) -> Result<(), String> {
    check_allowing(client, expected, &Allowed::default()).await
}

/// As [`check`], with the other Secrets that may hold a login.
///
/// # Errors
///
/// As [`check`].
pub async fn check_allowing(client: &Client, expected: &Expected, allowed: &Allowed) -> Result<(), String> {
    copies_allowing(client, expected, &[&expected.object], allowed).await?;
    check_references(client, expected).await
}

/// The part of [`check`] about copies, for copies with other owners than their object. Under `deletionPolicy: Retain`
/// they have none. If several objects share a Secret's name, each of them owns it.
///
/// # Errors
///
/// As [`check`].
pub async fn check_copies(client: &Client, expected: &Expected, owners: &[&str]) -> Result<(), String> {
    copies_allowing(client, expected, owners, &Allowed::default()).await
}

async fn copies_allowing(
    client: &Client,
    expected: &Expected,
    owners: &[&str],
    allowed: &Allowed,
) -> Result<(), String> {
    let mut uids = BTreeMap::new();
    for name in owners.iter().copied().chain([expected.object.as_str()]) {
        let object = object(client, name)
            .await?
            .ok_or_else(|| format!("there is no ClusterPullSecret {name}"))?;
        if owners.contains(&name) {
            uids.insert(name.to_owned(), object.metadata.uid.unwrap_or_default());
        }
    }
    let secrets = logins::secrets(client).await?;
    copies::check(&secrets, expected, &uids)?;
    let needles = Needles::of(expected.logins.values());
    logins::check(client, &secrets, &needles, expected, allowed).await
}

/// The part of [`check`] about references.
///
/// # Errors
///
/// As [`check`].
pub async fn check_references(client: &Client, expected: &Expected) -> Result<(), String> {
    references::check(client, expected).await
}

/// As [`check`], for one namespace.
///
/// # Errors
///
/// As [`check`].
pub async fn check_in(client: &Client, expected: &Expected, namespace: &str) -> Result<(), String> {
    let uid = object(client, &expected.object)
        .await?
        .and_then(|object| object.metadata.uid);
    let mut here = expected.clone();
    here.holders.retain(|holder, _| holder == namespace);
    let mut secrets = logins::secrets(client).await?;
    secrets.retain(|secret| logins::place_of(secret).0 == namespace);
    let owner = (expected.object.clone(), uid.unwrap_or_default());
    copies::check(&secrets, &here, &BTreeMap::from([owner]))?;
    references::check_in(client, &here, namespace).await
}

/// Checks that the operator remembers none of these logins for an object: they were replaced, or left its `spec`.
///
/// # Errors
///
/// A remembered login, or the error of the API server.
pub async fn check_state(client: &Client, object: &str, former: &Needles) -> Result<(), String> {
    let uid = self::object(client, object)
        .await?
        .and_then(|object| object.metadata.uid);
    let Some(uid) = uid else { return Ok(()) };
    let state = (SYSTEM_NAMESPACE.to_owned(), format!("{}{uid}", declared::STATE_PREFIX));
    if places(client, former).await?.contains(&state) {
        return Err(format!("secret {}/{} remembers a login of before", state.0, state.1));
    }
    Ok(())
}

/// Checks that each expected copy was left in its namespace, still usable and without an owner. Other namespaces may
/// have a login only where an object declares it.
///
/// # Errors
///
/// As [`check`].
pub async fn check_retained(client: &Client, expected: &Expected) -> Result<(), String> {
    retained::check(client, expected).await?;
    let needles = Needles::of(expected.logins.values());
    let nobodys = Expected {
        object: String::new(),
        ..expected.clone()
    };
    let secrets = logins::secrets(client).await?;
    logins::check(client, &secrets, &needles, &nobodys, &Allowed::default()).await
}

/// Checks that a deleted object has left no trace: no object, copy, reference or record, and none of its logins in any
/// Secret. Other tools may have written there, but not a reference to a Secret of that name.
///
/// # Errors
///
/// The trace.
pub async fn check_gone(
    client: &Client,
    name: &str,
    secret: &str,
    needles: &Needles,
    allowed: &Allowed,
) -> Result<(), String> {
    if object(client, name).await?.is_some() {
        return Err(format!("the ClusterPullSecret {name} is still there"));
    }
    let nothing = Expected {
        object: name.to_owned(),
        secret: secret.to_owned(),
        logins: BTreeMap::new(),
        holders: BTreeMap::new(),
    };
    let secrets = logins::secrets(client).await?;
    copies::check(&secrets, &nothing, &BTreeMap::new())?;
    logins::check(client, &secrets, needles, &nothing, allowed).await?;
    references::check(client, &nothing).await
}

/// Returns the uid of the object's copy in each namespace that has one.
///
/// # Errors
///
/// The error of the API server.
pub async fn uids(client: &Client, object: &str) -> Result<BTreeMap<String, String>, String> {
    let copies = copies::of(client, object).await?;
    Ok(copies
        .into_iter()
        .map(|copy| {
            (
                copy.metadata.namespace.unwrap_or_default(),
                copy.metadata.uid.unwrap_or_default(),
            )
        })
        .collect())
}

/// Returns a `ClusterPullSecret` from the store, or `None` if it does not exist.
///
/// # Errors
///
/// The error of the API server.
pub async fn object(client: &Client, name: &str) -> Result<Option<DynamicObject>, String> {
    objects(client).get_opt(name).await.map_err(|error| error.to_string())
}

/// Returns the API of `ClusterPullSecret`s.
pub fn objects(client: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("pullsecrets.dev", "v1alpha1", "ClusterPullSecret");
    Api::all_with(client.clone(), &ApiResource::from_gvk(&kind))
}

/// Returns the whole list in one response.
async fn list<K>(api: &Api<K>, params: &ListParams) -> Result<Vec<K>, String>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    api.list(params)
        .await
        .map(|list| list.items)
        .map_err(|error| error.to_string())
}

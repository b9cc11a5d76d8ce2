//! What must be true of the store, whoever wrote it.
//!
//! Everything is read from the API server with the administrator's client at the moment of asking. The names below are the
//! ones that users see, spelled out here a second time on purpose: a name that changes by accident is noticed.

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

/// The annotation on `ServiceAccount`s that records the references that are the operator's own.
pub const ATTACHED: &str = "pullsecrets.dev/attached";

/// The annotation of a copy that was left to its namespace; its value is the object's name.
pub const RETAINED: &str = "pullsecrets.dev/retained";

/// The key and, with a dot before it, the data key of a docker config Secret.
pub const DATA_KEY: &str = ".dockerconfigjson";

/// A namespace and a name in it.
pub type Place = (String, String);

/// What one `ClusterPullSecret` must have brought about.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The object's name.
    pub object: String,
    /// The effective name of its Secrets.
    pub secret: String,
    /// Every login that each copy holds, by server as the docker config spells it.
    pub logins: BTreeMap<String, Login>,
    /// Each namespace that holds a copy, with the `ServiceAccount`s that refer to it. No other namespace holds one.
    pub holders: BTreeMap<String, BTreeSet<String>>,
}

/// Checks that `expected` and nothing else of that object is in the store: one right copy in each namespace, one recorded
/// reference on each account, none elsewhere, and its logins in no other Secret.
///
/// # Errors
///
/// The first difference, by kind, namespace and name; never a value from a Secret.
pub async fn check(client: &Client, expected: &Expected) -> Result<(), String> {
    check_allowing(client, expected, &Allowed::default()).await
}

/// As [`check`], where it is known what else may hold a login.
///
/// # Errors
///
/// As [`check`].
pub async fn check_allowing(client: &Client, expected: &Expected, allowed: &Allowed) -> Result<(), String> {
    copies_allowing(client, expected, &[&expected.object], allowed).await?;
    check_references(client, expected).await
}

/// The half of [`check`] that is about copies, where they have other owners than their object: none under
/// `deletionPolicy: Retain`, each object that wants them where several have one Secret's name.
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

/// The half of [`check`] that is about references.
///
/// # Errors
///
/// As [`check`].
pub async fn check_references(client: &Client, expected: &Expected) -> Result<(), String> {
    references::check(client, expected).await
}

/// As [`check`], of one namespace alone.
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
/// That it does, or what the API server says.
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

/// Checks that each of the expected copies was left to its namespace: of use as before, and nobody's. Other namespaces
/// have a login only where an object asks for it.
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

/// Checks that nothing of a deleted object is left: not the object, no copy, no reference, no record of one, and none of
/// its logins in any Secret. What other tools wrote may be there, unless it refers to a Secret of that name.
///
/// # Errors
///
/// What is left.
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

/// The uid of the object's copy in each namespace that has one.
///
/// # Errors
///
/// What the API server says.
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

/// A `ClusterPullSecret` as the store has it; `None` when there is none of that name.
///
/// # Errors
///
/// What the API server says.
pub async fn object(client: &Client, name: &str) -> Result<Option<DynamicObject>, String> {
    objects(client).get_opt(name).await.map_err(|error| error.to_string())
}

/// The `ClusterPullSecret`s.
pub fn objects(client: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("pullsecrets.dev", "v1alpha1", "ClusterPullSecret");
    Api::all_with(client.clone(), &ApiResource::from_gvk(&kind))
}

/// The whole list in one answer.
async fn list<K>(api: &Api<K>, params: &ListParams) -> Result<Vec<K>, String>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    api.list(params)
        .await
        .map(|list| list.items)
        .map_err(|error| error.to_string())
}

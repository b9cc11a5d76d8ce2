//! Logins by their bytes, in any Secret of any namespace.
//!
//! Labels, names, types and keys do not matter here: an operator that only removes its marks from a copy would leave
//! the login in place. The declarations of objects, and the Secrets that the scenario made, decide which Secrets may
//! hold a login.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use super::declared::{Declared, STATE_PREFIX, sources};
use super::{DATA_KEY, Expected, Login, Place, RETAINED, list, objects, selection};
use crate::audit::Audit;
use crate::store::Listed;
use crate::{OPERATOR_USER, SYSTEM_NAMESPACE, canary, client};

/// The operator's field manager.
const OPERATOR: &str = "pullsecrets";

/// Levels of encoding: an encoded text may itself be encoded.
const DEPTH: u8 = 5;

/// A shorter password may be in a text by chance.
const DISTINCT: usize = 12;

/// Texts that identify a login.
#[derive(Clone, Default)]
pub struct Needles(BTreeSet<String>);

impl Needles {
    /// Returns the canary of logins with one, which all of its logins share. Returns the passwords of other logins, if
    /// they are too long to occur by chance.
    pub fn of<'a>(logins: impl IntoIterator<Item = &'a Login>) -> Self {
        let mut texts = BTreeSet::new();
        for login in logins {
            if let Some(core) = canary::core_of(login) {
                texts.extend(canary::forms(core));
            } else if login.password.len() >= DISTINCT {
                texts.insert(login.password.clone());
            }
        }
        Self(texts)
    }

    /// Returns only these logins, even if they have a canary.
    pub fn whole<'a>(logins: impl IntoIterator<Item = &'a Login>) -> Self {
        Self(logins.into_iter().map(|login| login.password.clone()).collect())
    }

    /// Returns whether a login is anywhere in the value, at any level of encoding.
    pub fn is_in(&self, value: &Value) -> bool {
        !self.0.is_empty() && self.in_value(value, DEPTH)
    }

    fn in_value(&self, value: &Value, depth: u8) -> bool {
        match value {
            Value::String(text) => self.in_bytes(text.as_bytes(), depth),
            Value::Array(elements) => elements.iter().any(|element| self.in_value(element, depth)),
            Value::Object(fields) => fields
                .iter()
                .any(|(key, value)| self.in_bytes(key.as_bytes(), depth) || self.in_value(value, depth)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    fn in_bytes(&self, bytes: &[u8], depth: u8) -> bool {
        let text = String::from_utf8_lossy(bytes);
        if self.0.iter().any(|needle| text.contains(needle.as_str())) {
            return true;
        }
        if depth == 0 || bytes.len() < DISTINCT {
            return false;
        }
        let json = serde_json::from_str::<Value>(&text).ok();
        let json = json.filter(|value| !value.is_number());
        json.is_some_and(|value| self.in_value(&value, depth - 1))
            || decoded(&text).any(|bytes| self.in_bytes(&bytes, depth - 1))
    }
}

/// Returns the decoded text, if it is base64.
fn decoded(text: &str) -> impl Iterator<Item = Vec<u8>> {
    let joined: String = text.split_ascii_whitespace().collect();
    [STANDARD, URL_SAFE].into_iter().filter_map(move |alphabet: Alphabet| {
        let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let config = padding.with_decode_allow_trailing_bits(true);
        GeneralPurpose::new(&alphabet, config).decode(&joined).ok()
    })
}

/// Secrets that the operator has not made.
#[derive(Clone, Default)]
pub enum Made {
    /// Exactly these.
    These(BTreeSet<Place>),
    /// Secrets that the operator has not written since they were made, by the API server's records. The writer itself
    /// chooses its name in managedFields.
    Recorded(Audit),
    /// Secrets whose managedFields do not name the operator.
    #[default]
    Unknown,
}

/// Secrets that may hold a login besides the expected copies.
#[derive(Clone, Default)]
pub struct Allowed {
    /// The Secrets that the scenario made itself.
    pub made: Made,
    /// The declarations of objects so far. If they are unknown, the check accepts a copy that is marked as retained.
    pub declared: Option<Vec<Declared>>,
}

/// Returns all Secrets of all namespaces.
pub(super) async fn secrets(client: &Client) -> Result<Vec<Value>, String> {
    let path = "/api/v1/secrets".to_owned();
    let text = client::get(client, &path).await.map_err(|error| format!("{error:#}"))?;
    Listed { path, text }.items().map_err(|error| error.to_string())
}

pub(super) fn place_of(secret: &Value) -> Place {
    let text = |field: &str| secret["metadata"][field].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

/// Returns all places that hold a login.
///
/// # Errors
///
/// The error of the API server.
pub async fn places(client: &Client, needles: &Needles) -> Result<BTreeSet<Place>, String> {
    let holders = secrets(client)
        .await?
        .into_iter()
        .filter(|secret| needles.is_in(secret));
    Ok(holders.map(|secret| place_of(&secret)).collect())
}

/// Checks that only the expected copies, and the Secrets allowed besides, hold a login. `owners` are the objects of the
/// expected copies. For other objects, their own declared places count too.
pub(super) async fn check(
    client: &Client,
    secrets: &[Value],
    needles: &Needles,
    expected: &Expected,
    allowed: &Allowed,
) -> Result<(), String> {
    let mut elsewhere = Vec::new();
    for secret in secrets {
        let place = place_of(secret);
        if place.1 != expected.secret || !expected.holders.contains_key(&place.0) {
            elsewhere.extend(needles.is_in(secret).then_some((place, secret)));
        } else if needles.is_in(&without_docker_config(secret)) {
            return Err(format!(
                "secret {}/{} holds a login beside its docker config",
                place.0, place.1
            ));
        }
    }
    if elsewhere.is_empty() {
        return Ok(());
    }
    let written = allowed.made.written(client).await?;
    elsewhere.retain(|(place, secret)| !allowed.made.has(place, secret, &written));
    if elsewhere.is_empty() {
        return Ok(());
    }
    let asked = Asked::now(client, expected, allowed).await?;
    elsewhere.retain(|(place, secret)| !asked.may_hold(place, secret));
    let places: Vec<_> = elsewhere
        .iter()
        .map(|((namespace, name), _)| format!("{namespace}/{name}"))
        .collect();
    match places.as_slice() {
        [] => Ok(()),
        some => Err(format!(
            "a login should not be in the secrets {:?}",
            &some[..some.len().min(5)]
        )),
    }
}

pub(super) fn without_docker_config(secret: &Value) -> Value {
    let mut rest = secret.clone();
    if let Some(data) = rest["data"].as_object_mut() {
        data.remove(DATA_KEY);
    }
    rest
}

impl Made {
    /// Returns the Secrets that the operator wrote, where the records show it.
    async fn written(&self, client: &Client) -> Result<BTreeMap<Place, Timestamp>, String> {
        let Self::Recorded(audit) = self else {
            return Ok(BTreeMap::new());
        };
        let written = async {
            audit.settle(client).await?;
            audit.secrets_written_by(OPERATOR_USER)
        };
        written.await.map_err(|error: anyhow::Error| format!("{error:#}"))
    }

    fn has(&self, place: &Place, secret: &Value, written: &BTreeMap<Place, Timestamp>) -> bool {
        // A person made it, for instance by restoring a backup, in the place of one that the operator wrote.
        let made_since = |written: &Timestamp| {
            let made = secret["metadata"]["creationTimestamp"].as_str();
            made.and_then(|made| made.parse::<Timestamp>().ok())
                .is_some_and(|made| *written < made)
        };
        match self {
            Self::These(made) => made.contains(place),
            Self::Recorded(_) => written.get(place).is_none_or(made_since),
            Self::Unknown => !is_written_by_operator(secret),
        }
    }
}

/// Returns whether managedFields name the operator as a writer.
fn is_written_by_operator(secret: &Value) -> bool {
    let entries = secret["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries
        .map(|entry| entry["manager"].as_str())
        .any(is_managed_by_operator)
}

/// Returns whether a field manager belongs to the operator.
pub(crate) fn is_managed_by_operator(manager: Option<&str>) -> bool {
    manager == Some(OPERATOR)
}

/// The current declarations in the store.
struct Asked<'a> {
    expected: &'a Expected,
    allowed: &'a Allowed,
    live: Vec<Declared>,
    namespaces: BTreeMap<String, Namespace>,
}

impl<'a> Asked<'a> {
    async fn now(client: &Client, expected: &'a Expected, allowed: &'a Allowed) -> Result<Self, String> {
        let live = list(&objects(client), &ListParams::default()).await?;
        let namespaces: Vec<Namespace> = list(&Api::all(client.clone()), &ListParams::default()).await?;
        Ok(Self {
            expected,
            allowed,
            live: live.iter().map(Declared::by).collect(),
            namespaces: namespaces.into_iter().map(|seen| (seen.name_any(), seen)).collect(),
        })
    }

    fn may_hold(&self, place: &Place, secret: &Value) -> bool {
        let (namespace, name) = place;
        // The content of a terminating namespace goes with it.
        let Some(seen) = self
            .namespaces
            .get(namespace)
            .filter(|seen| seen.metadata.deletion_timestamp.is_none())
        else {
            return true;
        };
        let is_home = |object: &Declared| [SYSTEM_NAMESPACE, &object.home].contains(&namespace.as_str());
        let is_state = |object: &Declared| is_home(object) && *name == format!("{STATE_PREFIX}{}", object.uid);
        let is_source = |object: &Declared| sources(&object.spec).any(|source| source == *place);
        let claims = |object: &Declared| {
            object.name != self.expected.object
                && object.secret == *name
                && selection::namespace(&object.spec, namespace, seen.labels(), &BTreeSet::new())
        };
        let asked = self
            .live
            .iter()
            .any(|object| is_state(object) || is_source(object) || claims(object));
        asked || self.is_left_behind(place, secret)
    }

    /// Returns whether an object with `deletionPolicy: Retain` left it.
    fn is_left_behind(&self, place: &Place, secret: &Value) -> bool {
        let (namespace, name) = place;
        let left = |object: &Declared| object.retains && object.secret == *name;
        match &self.allowed.declared {
            Some(declared) => declared
                .iter()
                .any(|object| left(object) && object.namespaces.contains(namespace)),
            None => self.live.iter().any(left) || !secret["metadata"]["annotations"][RETAINED].is_null(),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose;
    use serde_json::json;

    use super::*;
    use crate::canary::Canary;

    /// The search covers every encoding and every key.
    #[test]
    fn login_is_found_however_it_is_kept() {
        let encode = |text: &str| general_purpose::STANDARD.encode(text);
        let foreign = Login::new("robot", "correct \"horse\" battery");
        for login in [Canary::new().login("first"), foreign] {
            let Login { username, password } = &login;
            let auth = encode(&format!("{username}:{password}"));
            let whole = json!({"auths": {"r": {"username": username, "password": password}}}).to_string();
            let short = json!({"auths": {"r": {"auth": auth}}}).to_string();
            let needles = Needles::of([&login]);
            for secret in [
                json!({"data": {"password": encode(password)}}),
                json!({"data": {DATA_KEY: encode(&whole)}}),
                json!({"data": {"other": encode(&short)}}),
                json!({"data": {"twice": encode(&encode(&short))}}),
                json!({"metadata": {"annotations": {"a": whole}}}),
                json!({"metadata": {"labels": {(encode(password)): ""}}}),
            ] {
                assert!(needles.is_in(&secret));
            }
            assert!(!needles.is_in(&json!({"data": {"password": encode("another password")}})));
        }
    }
}

//! Logins by their bytes, in whatever Secret of whatever namespace they are.
//!
//! A label, a name, a type or a key says nothing here: an operator that only takes its marks off a copy leaves the login
//! in place. What may hold a login follows from what objects declare, and from what the scenario itself made.

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

/// The name under which the operator writes.
const OPERATOR: &str = "pullsecrets";

/// A text may be encoded in a text that is encoded in a text.
const DEPTH: u8 = 5;

/// A shorter password may be in a text by chance.
const DISTINCT: usize = 12;

/// Texts that tell a login from everything else.
#[derive(Clone, Default)]
pub struct Needles(BTreeSet<String>);

impl Needles {
    /// Of the logins of a canary, the canary: it is in every other login of it too. Of others, their passwords, if these
    /// are long enough to be nowhere by chance.
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

    /// Of these logins alone, also where they are a canary's.
    pub fn whole<'a>(logins: impl IntoIterator<Item = &'a Login>) -> Self {
        Self(logins.into_iter().map(|login| login.password.clone()).collect())
    }

    /// Whether a login is anywhere in it, however often encoded.
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

/// What a text stands for in base64, if it is that.
fn decoded(text: &str) -> impl Iterator<Item = Vec<u8>> {
    let joined: String = text.split_ascii_whitespace().collect();
    [STANDARD, URL_SAFE].into_iter().filter_map(move |alphabet: Alphabet| {
        let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let config = padding.with_decode_allow_trailing_bits(true);
        GeneralPurpose::new(&alphabet, config).decode(&joined).ok()
    })
}

/// Which Secrets the operator has not made.
#[derive(Clone, Default)]
pub enum Made {
    /// These, and no others.
    These(BTreeSet<Place>),
    /// Those that it has not written to since they were made, as the API server recorded it: what managedFields say is the writer's own word.
    Recorded(Audit),
    /// Those of which managedFields do not say that it has written to them.
    #[default]
    Unknown,
}

/// What may hold a login beside the copies that are expected.
#[derive(Clone, Default)]
pub struct Allowed {
    /// The Secrets that the scenario made itself.
    pub made: Made,
    /// What objects have declared so far. Where that is not known, a copy that says so is taken for left behind.
    pub declared: Option<Vec<Declared>>,
}

/// All Secrets of all namespaces.
pub(super) async fn secrets(client: &Client) -> Result<Vec<Value>, String> {
    let path = "/api/v1/secrets".to_owned();
    let text = client::get(client, &path).await.map_err(|error| format!("{error:#}"))?;
    Listed { path, text }.items().map_err(|error| error.to_string())
}

pub(super) fn place_of(secret: &Value) -> Place {
    let text = |field: &str| secret["metadata"][field].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

/// Where a login is, of all places.
///
/// # Errors
///
/// What the API server says.
pub async fn places(client: &Client, needles: &Needles) -> Result<BTreeSet<Place>, String> {
    let holders = secrets(client)
        .await?
        .into_iter()
        .filter(|secret| needles.is_in(secret));
    Ok(holders.map(|secret| place_of(&secret)).collect())
}

/// Checks that a login is in no Secret but the expected copies and what may hold it beside them. `owners` are the objects
/// whose copies the expected ones are: of other objects, what they ask for may be there.
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
    /// What the operator has written to, where that is recorded.
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
        // By a person, such as one who restores a backup, where the operator wrote to the one before.
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

/// What the server recorded of who wrote it.
fn is_written_by_operator(secret: &Value) -> bool {
    let entries = secret["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries
        .map(|entry| entry["manager"].as_str())
        .any(is_managed_by_operator)
}

/// Whether a field manager is the operator's.
pub(crate) fn is_managed_by_operator(manager: Option<&str>) -> bool {
    manager == Some(OPERATOR)
}

/// What the objects in the store ask for now.
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
        // What is in a namespace on its way out goes with it.
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

    /// Whether an object that said Retain left it there.
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

    /// However it is kept, under whatever key.
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

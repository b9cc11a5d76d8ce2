//! Search for the canary.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context;
use kube::Client;
use serde_json::Value;

use crate::audit::Audit;
use crate::canary::Canary;
use crate::oracle::declared::STATE_PREFIX;
use crate::oracle::{DATA_KEY, Declared, Place};
use crate::store::{Listed, everything};
use crate::{OPERATOR_USER, SYSTEM_NAMESPACE, loopback};

/// The path of the only resource whose objects may hold credentials.
const SECRETS: &str = "/api/v1/secrets";

/// The annotation in which `kubectl apply` keeps its input, passwords included.
const KUBECTL: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Characters before a match in an error.
const BEFORE: usize = 160;

/// Places to search.
#[derive(Debug, Clone)]
pub struct Places {
    /// Files that must not contain it: the operator's log, and the API server's audit log.
    pub files: Vec<PathBuf>,
    /// The address of the operator's `/livez` and `/readyz`, while it runs.
    pub health: Option<String>,
    /// The address of its `/metrics`, while it runs.
    pub metrics: Option<String>,
    /// Secrets that may hold it.
    pub holders: Holders,
}

/// Secrets that may hold a credential. Secrets of other writers may: sources, and those of scenarios. Of the operator's
/// Secrets, copies that an object declares and the state of such an object may.
#[derive(Debug, Clone)]
pub struct Holders {
    /// Declarations of objects over time.
    pub declared: Vec<Declared>,
    /// Secrets of the operator.
    pub written: Written,
}

/// Secrets that the operator wrote.
#[derive(Debug, Clone)]
pub enum Written {
    /// By the API server's records.
    Recorded(Audit),
    /// Exactly these.
    Only(BTreeSet<Place>),
}

/// Searches `places` and the whole store for the canary.
///
/// # Errors
///
/// Each match with the text before it, or a place that could not be searched.
pub async fn search(canary: &Canary, client: &Client, places: &Places) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for file in &places.files {
        let bytes = std::fs::read(file).with_context(|| format!("cannot search {}", file.display()))?;
        look(
            canary,
            &file.display().to_string(),
            &String::from_utf8_lossy(&bytes),
            &mut found,
        );
    }
    for (address, paths) in [
        (&places.health, ["/livez", "/readyz"].as_slice()),
        (&places.metrics, &["/metrics"]),
    ] {
        let Some(address) = address else { continue };
        for path in paths {
            match loopback::get(address, path, None).await {
                Ok((_, body)) => look(canary, path, &body, &mut found),
                // A process that ends during the search serves no endpoint.
                Err(error) if loopback::is_refused(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    let listed = everything(client).await?;
    let written = places.holders.written()?;
    for listed in listed {
        look_at_list(canary, &listed, &places.holders.declared, &written, &mut found)?;
    }
    anyhow::ensure!(
        found.is_empty(),
        "a credential is in a wrong place:\n{}",
        found.join("\n")
    );
    Ok(())
}

fn look(canary: &Canary, place: &str, text: &str, found: &mut Vec<String>) {
    if let Some((form, at)) = canary.found_in(text) {
        let start = text.floor_char_boundary(at.saturating_sub(BEFORE));
        found.push(format!("{place}, {form}, behind: {}", &text[start..at]));
    }
}

fn look_at_list(
    canary: &Canary,
    listed: &Listed,
    declared: &[Declared],
    written: &BTreeSet<Place>,
    found: &mut Vec<String>,
) -> anyhow::Result<()> {
    let secrets = listed.path == SECRETS;
    // Most lists do not contain it and need no parsing.
    if canary.found_in(&listed.text).is_none() {
        return Ok(());
    }
    for mut object in listed.items()? {
        let name = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let place = (name("namespace"), name("name"));
        if secrets && !written.contains(&place) {
            continue;
        }
        if secrets {
            without_what_may_be(&mut object, &place, declared);
        }
        let told = format!("{} {}/{}", listed.path, place.0, place.1);
        look(canary, &told, &object.to_string(), found);
    }
    Ok(())
}

/// Removes the fields of an operator's Secret that may hold credentials there.
fn without_what_may_be(secret: &mut Value, place: &Place, declared: &[Declared]) {
    let (namespace, name) = place;
    let asks = |object: &Declared| object.secret == *name && object.namespaces.contains(namespace);
    let state = |object: &Declared| namespace == SYSTEM_NAMESPACE && *name == format!("{STATE_PREFIX}{}", object.uid);
    if declared.iter().any(state) {
        secret["data"].take();
    } else if declared.iter().any(asks)
        && let Some(data) = secret["data"].as_object_mut()
    {
        data.remove(DATA_KEY);
    }
    secret["metadata"]["annotations"][KUBECTL].take();
}

impl Holders {
    fn written(&self) -> anyhow::Result<BTreeSet<Place>> {
        match &self.written {
            Written::Only(places) => Ok(places.clone()),
            Written::Recorded(audit) => Ok(audit.secrets_written_by(OPERATOR_USER)?.into_keys().collect()),
        }
    }
}

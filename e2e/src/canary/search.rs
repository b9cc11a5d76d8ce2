//! Where a canary is looked for.

use std::path::PathBuf;

use anyhow::Context;
use kube::Client;
use serde_json::Value;

use super::Canary;
use crate::loopback;
use crate::oracle::LABEL;
use crate::store::{Listed, everything};

/// The path of the one resource whose objects may hold credentials.
const SECRETS: &str = "/api/v1/secrets";

/// The name under which the operator writes.
const OPERATOR: &str = "pullsecrets";

/// The annotation of a copy that its object left behind.
const RETAINED: &str = "pullsecrets.dev/retained";

/// The type of the Secrets in which the operator remembers what was good.
const STATE: &str = "pullsecrets.dev/state";

/// Where `kubectl apply` keeps what it was given, passwords included.
const KUBECTL: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Of the text before what was found, this much is shown.
const BEFORE: usize = 160;

/// What was said and written where.
#[derive(Debug, Clone)]
pub struct Places {
    /// Files of which nothing may hold it: the operator's log, the API server's record of what was asked.
    pub files: Vec<PathBuf>,
    /// The address of the operator's `/livez` and `/readyz`, while it runs.
    pub health: Option<String>,
    /// The address of its `/metrics`, while it runs.
    pub metrics: Option<String>,
}

/// Looks for the canary in `places` and in the whole store.
///
/// Of Secrets, those that somebody else wrote are left out: sources, and what scenarios put there. In those that the
/// operator wrote only the data of copies and of its own state may hold it.
///
/// # Errors
///
/// Each place that has it, with what stands before it; or that a place could not be searched.
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
            let (_, body) = loopback::get(address, path, None).await?;
            look(canary, path, &body, &mut found);
        }
    }
    for listed in everything(client).await? {
        look_at_list(canary, &listed, &mut found)?;
    }
    anyhow::ensure!(
        found.is_empty(),
        "a credential is where it must not be:\n{}",
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

fn look_at_list(canary: &Canary, listed: &Listed, found: &mut Vec<String>) -> anyhow::Result<()> {
    let secrets = listed.path == SECRETS;
    // Most lists do not hold it at all, and need not be taken apart.
    if canary.found_in(&listed.text).is_none() {
        return Ok(());
    }
    for mut object in listed.items()? {
        let metadata = &object["metadata"];
        let name = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
        let place = format!("{} {}/{}", listed.path, name("namespace"), name("name"));
        if !secrets || without_what_may_be(&mut object) {
            look(canary, &place, &object.to_string(), found);
        }
    }
    Ok(())
}

/// Takes out of a Secret what may hold credentials; false if all of it may.
fn without_what_may_be(secret: &mut Value) -> bool {
    let metadata = &secret["metadata"];
    let managers = metadata["managedFields"].as_array().into_iter().flatten();
    let written_by_us = managers
        .map(|entry| &entry["manager"])
        .any(|manager| manager == OPERATOR);
    if !written_by_us {
        return false;
    }
    let is_copy = !metadata["labels"][LABEL].is_null() || !metadata["annotations"][RETAINED].is_null();
    let is_state = secret["type"] == STATE;
    if is_copy || is_state {
        secret["data"].take();
    }
    secret["metadata"]["annotations"][KUBECTL].take();
    true
}

//! Objects of External Secrets, and when they leave a Secret alone.

use super::leftovers::{Custom, Leftovers, Secret};
use super::report::Step;

const GROUP: &str = "external-secrets.io";

/// Marks that a living `ExternalSecret` puts back.
pub(super) const PUT_BACK: [&str; 2] = [
    "reconcile.external-secrets.io/managed",
    "reconcile.external-secrets.io/data-hash",
];

/// Returns the `ExternalSecret` that keeps the Secret.
pub(super) fn keeper<'a>(seen: &'a Leftovers, secret: &Secret) -> Option<&'a Custom> {
    let by_owner = secret.meta.owners.iter().find_map(|owner| seen.owner(owner));
    by_owner.filter(|custom| custom.group == GROUP).or_else(|| {
        let targets = |custom: &&Custom| {
            let target = custom.spec["target"]["name"].as_str().filter(|name| !name.is_empty());
            custom.meta.namespace == secret.meta.namespace && target.unwrap_or(&custom.meta.name) == secret.meta.name
        };
        seen.customs(GROUP, "ExternalSecret").find(targets)
    })
}

/// Returns what must come before the marks of a Secret are taken off.
pub(super) fn first(seen: &Leftovers, secret: &Secret) -> Option<Step> {
    let keeper = keeper(seen, secret)?;
    let target = &keeper.spec["target"];
    let orphans = target["creationPolicy"].as_str() == Some("Orphan");
    let once = keeper.spec["refreshPolicy"].as_str() == Some("CreatedOnce");
    if orphans && once {
        return None;
    }
    let parent = keeper
        .meta
        .owners
        .iter()
        .find(|owner| owner.kind == "ClusterExternalSecret");
    let (object, before, after) = match parent {
        Some(parent) => (
            format!("clusterexternalsecrets.external-secrets.io {}", parent.name),
            "{\"externalSecretSpec\":",
            "}",
        ),
        None => (
            format!(
                "externalsecrets.external-secrets.io {} -n {}",
                keeper.meta.name, keeper.meta.namespace
            ),
            "",
            "",
        ),
    };
    let (spec, why) = if orphans {
        (
            "{\"refreshPolicy\":\"CreatedOnce\"}",
            "it refreshes the Secret, so it would write its own login again",
        )
    } else {
        // Without the policy Owner, a `deletionPolicy: Delete` is refused.
        (
            "{\"target\":{\"creationPolicy\":\"Orphan\",\"deletionPolicy\":\"Retain\"}}",
            "it owns the Secret. Do this edit first, wait until the owner is gone from the Secrets, and run adopt again for the next one",
        )
    };
    Some(Step {
        why: format!("{}: {why}", keeper.shown()),
        command: Some(format!(
            "kubectl patch {object} --type=merge -p '{{\"spec\":{before}{spec}{after}}}'"
        )),
    })
}

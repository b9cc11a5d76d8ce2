//! What to uninstall after the adoption, in an order that undoes none of it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::about::about;
use super::kyverno;
use super::leftovers::{Custom, Leftovers, Secret};
use super::report::Step;
use super::role::{Found, Role};
use super::tool::Tool;

/// Returns the steps after the adoption of these Secrets.
pub(super) fn steps<'a>(
    seen: &Leftovers,
    object: &str,
    adopted: impl Iterator<Item = (&'a Secret, &'a Found)>,
) -> Vec<Step> {
    let adopted: Vec<(&Secret, &Found)> = adopted.collect();
    let tools: BTreeSet<Tool> = adopted.iter().map(|(_, found)| found.tool).collect();
    let mut steps = Vec::new();
    for tool in tools {
        let is_of = |(_, found): &&(&Secret, &Found)| found.tool == tool;
        let of: Vec<(&Secret, &Found)> = adopted.iter().filter(is_of).copied().collect();
        steps.extend(customs(seen, tool, object, &of));
        steps.extend(workloads(seen, tool));
        steps.extend(last(tool).map(|why| Step {
            why: why.to_owned(),
            command: None,
        }));
    }
    steps
}

/// The objects of the tool that made the copies.
fn customs(seen: &Leftovers, tool: Tool, object: &str, adopted: &[(&Secret, &Found)]) -> Vec<Step> {
    match tool {
        Tool::ExternalSecrets => external_secrets(seen, object, adopted),
        Tool::KyvernoGenerate | Tool::KyvernoGeneratingPolicy => policies(seen, adopted),
        _ => owners(seen, tool, adopted)
            .into_iter()
            .flat_map(|owner| orphaned(tool, owner))
            .collect(),
    }
}

/// The living owners of the copies, also those that were taken off.
fn owners<'a>(seen: &'a Leftovers, tool: Tool, adopted: &[(&Secret, &Found)]) -> Vec<&'a Custom> {
    let mut owners: Vec<&Custom> = Vec::new();
    for (secret, _) in adopted {
        let recorded = secret.record().unwrap_or_default().owners;
        for owner in secret.meta.owners.iter().chain(&recorded) {
            let of_tool = about(tool).owners.contains(&owner.group());
            let known = |custom: &&Custom| custom.meta.uid == owner.uid;
            if let Some(custom) = seen.owner(owner).filter(|_| of_tool && !owners.iter().any(known)) {
                owners.push(custom);
            }
        }
    }
    owners
}

/// Deletes an owner without its dependents.
fn orphaned(tool: Tool, owner: &Custom) -> Vec<Step> {
    let place = format!(
        "{}s.{} {}{}",
        owner.kind.to_lowercase(),
        owner.group,
        owner.meta.name,
        in_namespace(&owner.meta.namespace)
    );
    if tool == Tool::Jfrog && makes_generic(owner) {
        return vec![Step {
            why: format!(
                "{} also makes generic Secrets, so it stays: take the names of adopted Secrets out of its spec.generatedSecrets \
                 and its status while the operator is at 0",
                owner.shown()
            ),
            command: None,
        }];
    }
    let finalizer = matches!(tool, Tool::Jfrog | Tool::AcrPull).then(|| Step {
        why: format!("the finalizer of {} needs its controller", owner.shown()),
        command: Some(format!(
            "kubectl patch {place} --type=merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'"
        )),
    });
    let delete = Step {
        why: "so that no copy made in the meantime is deleted with it".to_owned(),
        command: Some(format!("kubectl delete {place} --cascade=orphan")),
    };
    finalizer.into_iter().chain([delete]).collect()
}

fn policies(seen: &Leftovers, adopted: &[(&Secret, &Found)]) -> Vec<Step> {
    let copies = adopted.iter().filter(|(_, found)| found.role == Role::Copy);
    let policies = copies.filter_map(|(secret, found)| {
        let mut meta = secret.meta.clone();
        // The labels may be in the record by now.
        meta.labels.extend(secret.record().unwrap_or_default().labels);
        kyverno::policy(seen, found.tool, &meta).map(kyverno::argument)
    });
    let policies: BTreeSet<String> = policies.collect();
    let step = |policy: String| Step {
        why: "no copy has its labels any more; in Git, take it out there".to_owned(),
        command: Some(format!("kubectl delete {policy}")),
    };
    policies.into_iter().map(step).collect()
}

/// A rotator may also make Secrets that are none of images.
fn makes_generic(rotator: &Custom) -> bool {
    let items = rotator.spec["generatedSecrets"].as_array();
    let mut fields = items.into_iter().flatten().filter_map(Value::as_object).flatten();
    fields.any(|(_, value)| value == "generic")
}

fn external_secrets(seen: &Leftovers, object: &str, adopted: &[(&Secret, &Found)]) -> Vec<Step> {
    let keepers: Vec<_> = adopted
        .iter()
        .filter_map(|(secret, _)| super::eso::keeper(seen, secret))
        .collect();
    let parents = keepers.iter().flat_map(|keeper| &keeper.meta.owners);
    let parents: BTreeSet<&str> = parents
        .filter(|owner| owner.kind == "ClusterExternalSecret")
        .map(|owner| owner.name.as_str())
        .collect();
    let mut steps: Vec<Step> = parents
        .into_iter()
        .map(|name| Step {
            why: "its finalizer frees the namespaces: wait for it".to_owned(),
            command: Some(format!(
                "kubectl delete clusterexternalsecrets.external-secrets.io {name}"
            )),
        })
        .collect();
    for keeper in keepers.iter().filter(|keeper| keeper.meta.owners.is_empty()) {
        steps.push(Step {
            why: "with creationPolicy Orphan it leaves the Secret".to_owned(),
            command: Some(format!(
                "kubectl delete externalsecrets.external-secrets.io {} -n {}",
                keeper.meta.name, keeper.meta.namespace
            )),
        });
    }
    let selector = format!("{}={object}", crd::names::LABEL_OBJECT);
    for (verb, key) in ["label", "annotate"].into_iter().zip(super::eso::PUT_BACK) {
        steps.push(Step {
            why: "a living ExternalSecret would put it back, so it goes last".to_owned(),
            command: Some(format!("kubectl {verb} secrets -A -l {selector} {key}-")),
        });
    }
    steps
}

/// The workloads of the tool, also those that are stopped: a deployer may start them again.
fn workloads(seen: &Leftovers, tool: Tool) -> Vec<Step> {
    let about = about(tool);
    let shared = matches!(
        tool,
        Tool::KyvernoGenerate
            | Tool::KyvernoGeneratingPolicy
            | Tool::CarvelPlaceholder
            | Tool::CarvelImport
            | Tool::Reflector
            | Tool::Replicator
            | Tool::ExternalSecrets
            | Tool::Jfrog
    );
    let step = |workload: &super::leftovers::Workload| {
        let (kind, name, namespace) = (
            workload.kind.to_lowercase(),
            &workload.meta.name,
            &workload.meta.namespace,
        );
        Step {
            why: if shared {
                "if it serves nothing else; with Helm or an operator, uninstall it there".to_owned()
            } else {
                "with Helm or from Git, uninstall it there".to_owned()
            },
            command: Some(format!("kubectl delete {kind} {name} -n {namespace}")),
        }
    };
    about.workloads(seen).map(step).collect()
}

/// What must come last.
fn last(tool: Tool) -> Option<&'static str> {
    match tool {
        Tool::RegistryCreds => {
            Some("last: the definition clusterpullsecrets.ops.alexellis.io, since its deletion deletes all its objects")
        }
        Tool::Imps => Some("last: the definition imagepullsecrets.images.banzaicloud.io, which Helm leaves"),
        Tool::CarvelPlaceholder | Tool::CarvelImport => {
            Some("last: SecretExports and the definitions, since copies not adopted lose their logins with them")
        }
        Tool::Jfrog => Some("last: the Helm release, then the definition secretrotators.apps.jfrog.com"),
        Tool::ExternalSecrets | Tool::AcrPull => Some("last: the Helm release, since it carries the definitions"),
        Tool::UpmcRegistryCreds => Some("last: the Secrets registry-creds-ecr, -gcr, -dpr and -acr in kube-system"),
        _ => None,
    }
}

fn in_namespace(namespace: &str) -> String {
    if namespace.is_empty() {
        return String::new();
    }
    format!(" -n {namespace}")
}

//! What must come before a Secret is adopted, and what is never adopted.
//!
//! A tool that still runs would fight for a Secret, or delete it. Such a Secret is refused, with the step of a person.

use super::about::about;
use super::eso;
use super::keys::STOPS;
use super::kyverno;
use super::leftovers::{Account, Leftovers, Secret, Workload};
use super::report::Step;
use super::role::{Found, Role, State};
use super::tool::Tool;

/// How long one loop of a patcher takes besides its namespaces, in seconds.
const LOOP: i64 = 15;

/// How many namespaces a patcher finishes in a second.
const NAMESPACES_IN_A_SECOND: i64 = 2;

/// Returns why the Secret is never adopted, and what to do instead.
pub(super) fn never(secret: &Secret, found: &Found) -> Option<String> {
    let name = &secret.meta.name;
    match found.tool {
        Tool::OpenShift => Some(
            "the platform restores it, and its token is bound to it: leave it, and its entry, as they are".to_owned(),
        ),
        Tool::Rancher => Some(format!(
            "Rancher writes it again from the management cluster, and deletes copies there: serve another name than {name:?}, \
             move workloads over, and delete the Secret of the project in Rancher"
        )),
        _ => deployer(secret, found).map(|by| {
            format!("{by} made it, and its next run changes or deletes it: take it out of that source first")
        }),
    }
}

/// Returns the deployer that made the Secret. A clone carries the marks of what it was copied from.
fn deployer(secret: &Secret, found: &Found) -> Option<&'static str> {
    let meta = &secret.meta;
    let is_own = format!("/Secret:{}/{}", meta.namespace, meta.name);
    let tracked = meta.annotation("argocd.argoproj.io/tracking-id");
    if tracked.is_some_and(|id| id.ends_with(&is_own)) {
        return Some("Argo CD");
    }
    let copies_marks = matches!(
        found.tool,
        Tool::KyvernoGenerate | Tool::KyvernoGeneratingPolicy | Tool::Replicator
    );
    if copies_marks && found.role == Role::Copy {
        return None;
    }
    if meta.is_labelled("app.kubernetes.io/managed-by", Some("Helm"))
        || meta.annotation("meta.helm.sh/release-name").is_some()
    {
        return Some("Helm");
    }
    if meta.is_labelled("kustomize.toolkit.fluxcd.io/name", None) {
        return Some("Flux");
    }
    meta.is_labelled("kapp.k14s.io/app", None).then_some("kapp")
}

/// Returns the steps that must come before the marks are taken off.
pub(super) fn first(seen: &Leftovers, secret: &Secret, found: &Found) -> Vec<Step> {
    // The operator has it. What a tool put on again since is taken off.
    if secret.state() == State::Adopted {
        return Vec::new();
    }
    let mut steps = match found.tool {
        Tool::TitansoftPatcher | Tool::TamcorePatcher if is_stopped_in(seen, secret, found.tool) => Vec::new(),
        Tool::TitansoftPatcher
        | Tool::TamcorePatcher
        | Tool::UpmcRegistryCreds
        | Tool::Imps
        | Tool::Jfrog
        | Tool::Reflector
        | Tool::Pfnet
        | Tool::AcrPull
        | Tool::EcrLoginRenew => stop(seen, found.tool),
        Tool::KyvernoGenerate | Tool::KyvernoGeneratingPolicy if found.role == Role::Copy => {
            kyverno::first(seen, found.tool, &secret.meta).into_iter().collect()
        }
        Tool::CarvelImport => import(seen, secret).into_iter().collect(),
        Tool::Replicator => replicator(seen, secret, found),
        Tool::ExternalSecrets => eso::first(seen, secret).into_iter().collect(),
        Tool::KyvernoGenerate
        | Tool::KyvernoGeneratingPolicy
        | Tool::RegistryCreds
        | Tool::CarvelPlaceholder
        | Tool::OpenShift
        | Tool::Rancher
        | Tool::Script => Vec::new(),
    };
    steps.extend(replicated_lists(seen, secret));
    steps
}

/// The replicator replaces the list of an account that asks for another one, and our entry goes with it.
fn replicated_lists(seen: &Leftovers, secret: &Secret) -> Vec<Step> {
    const FROM: &str = "replicator.v1.mittwald.de/replicate-from";
    let asks =
        |account: &&Account| account.meta.annotation(FROM).is_some() && account.entries.contains(&secret.meta.name);
    let step = |account: &Account| Step {
        why: format!(
            "the list of serviceaccount {} is replaced with each change of another account",
            account.meta.place()
        ),
        command: Some(format!(
            "kubectl annotate serviceaccount {} -n {} {FROM}-",
            account.meta.name, account.meta.namespace
        )),
    };
    let here = seen.accounts_in(&secret.meta.namespace);
    here.filter(asks).map(step).collect()
}

/// Returns how to stop all workloads of the tool that run.
fn stop(seen: &Leftovers, tool: Tool) -> Vec<Step> {
    let about = about(tool);
    let mut steps: Vec<Step> = about
        .workloads(seen)
        .filter(|workload| workload.runs)
        .map(|workload| Step {
            why: format!(
                "{} {} runs, and would write the Secrets again",
                workload.kind,
                workload.meta.place()
            ),
            command: Some(stopping(workload)),
        })
        .collect();
    if steps.is_empty()
        && let Some(why) = about.running(seen)
    {
        steps.push(Step {
            why: format!("{why}, so {tool} runs: scale its workload to 0, and wait until the Lease expires"),
            command: None,
        });
    }
    steps
}

/// Returns the command that stops a workload.
fn stopping(workload: &Workload) -> String {
    let (namespace, name) = (&workload.meta.namespace, &workload.meta.name);
    let is_addon =
        |labels: &std::collections::BTreeMap<String, String>| labels.contains_key("kubernetes.io/minikube-addons");
    // The addon manager would scale it up again.
    if is_addon(&workload.meta.labels) || is_addon(&workload.pod_labels) {
        return "minikube addons disable registry-creds".to_owned();
    }
    match workload.kind.as_str() {
        "CronJob" => {
            format!("kubectl patch cronjob {name} -n {namespace} --type=merge -p '{{\"spec\":{{\"suspend\":true}}}}'")
        }
        "DaemonSet" => format!("kubectl delete daemonset {name} -n {namespace}"),
        kind => format!(
            "kubectl scale {}/{name} -n {namespace} --replicas=0",
            kind.to_lowercase()
        ),
    }
}

/// Returns whether an annotation of the namespace stopped the patcher there, and a loop that began before has ended.
fn is_stopped_in(seen: &Leftovers, secret: &Secret, tool: Tool) -> bool {
    let Some(namespace) = seen.namespaces.get(&secret.meta.namespace) else {
        return false;
    };
    let (key, lasts) = match tool {
        // It reads the list of namespaces when a loop begins.
        Tool::TitansoftPatcher => {
            let namespaces = i64::try_from(seen.namespaces.len()).unwrap_or(i64::MAX);
            (STOPS[0], LOOP.saturating_add(namespaces / NAMESPACES_IN_A_SECOND))
        }
        _ => (STOPS[1], LOOP),
    };
    let since = namespace.meta.stopped_at.get(key);
    let is_set = namespace.meta.annotation(key) == Some("true");
    is_set && since.is_some_and(|since| since.saturating_add(lasts) <= seen.now)
}

/// A `SecretImport` writes its copy on each event, and rests while it is being deleted.
fn import(seen: &Leftovers, secret: &Secret) -> Option<Step> {
    let mut owners = secret.meta.owners.iter().filter_map(|owner| seen.owner(owner));
    let owner = owners.find(|owner| owner.kind == "SecretImport")?;
    let (namespace, name) = (&owner.meta.namespace, &owner.meta.name);
    Some(Step {
        why: format!("{} writes the Secret again on each event", owner.shown()),
        command: Some(format!(
            "kubectl delete secretimports.secretgen.carvel.dev {name} -n {namespace} --cascade=orphan"
        )),
    })
}

/// A push ends when the source no longer asks for it. A pull is in the memory of the replicator until that stops.
fn replicator(seen: &Leftovers, secret: &Secret, found: &Found) -> Vec<Step> {
    const TO: [&str; 2] = [
        "replicator.v1.mittwald.de/replicate-to",
        "replicator.v1.mittwald.de/replicate-to-matching",
    ];
    let pushes = |other: &&Secret| {
        other.meta.name == secret.meta.name && TO.iter().any(|key| other.meta.annotations.contains_key(*key))
    };
    let push = |source: &Secret| Step {
        why: format!("secret {} is pushed to other namespaces", source.meta.place()),
        command: Some(format!(
            "kubectl annotate secret {} -n {} {}- {}-",
            source.meta.name, source.meta.namespace, TO[0], TO[1]
        )),
    };
    let mut steps: Vec<Step> = seen.secrets.values().filter(pushes).map(push).collect();
    let allows = |other: &Secret| {
        other.content.is_same(&secret.content)
            && other.meta.place() != secret.meta.place()
            && other
                .meta
                .annotations
                .contains_key("replicator.v1.mittwald.de/replication-allowed")
    };
    let pulls = secret
        .meta
        .annotation("replicator.v1.mittwald.de/replicate-from")
        .is_some();
    let may_pull = found.role == Role::Copy && (pulls || seen.secrets.values().any(allows));
    if may_pull {
        steps.extend(stop(seen, Tool::Replicator));
    }
    steps
}

//! The audit of one context.

use std::collections::{BTreeMap, BTreeSet};

use plan::keyring;
use plan::server::Server;

use super::auditor::Auditor;
use super::options::Options;
use super::report::{ContextReport, Finding, LoginTrial, NotSeen, RegistryUse, Summary};
use super::unused;
use super::workload::Audited;
use crate::fix::Fixes;
use crate::subject::subjects;
use crate::verdict::{Evidence, Judge, Reason};
use crate::world::{Text, World};

/// The audit of one context. [`super::Report::of`] joins several.
#[derive(Clone, Debug, Default)]
pub struct Part {
    pub(super) report: ContextReport,
    pub(super) findings: Vec<Finding>,
    pub(super) objects: Vec<ObjectState>,
}

/// A `ClusterPullSecret` that declares one of the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ObjectState {
    pub(super) name: Text,
    pub(super) ready: bool,
}

/// How one registry is used.
#[derive(Default)]
struct Usage {
    repositories: BTreeSet<String>,
    /// The worst reason of each workload.
    workloads: Vec<Reason>,
}

impl Part {
    /// A context that could not be read.
    pub fn unreachable(context: &str, error: String) -> Self {
        let report = ContextReport {
            context: context.into(),
            error: Some(error),
            ..ContextReport::default()
        };
        Self {
            report,
            ..Self::default()
        }
    }

    /// Audits one context. `evidence` is what registries answered in this run.
    pub fn of(context: &str, world: &World, evidence: &Evidence, options: &Options) -> Self {
        let context = Text::from(context);
        let mut part = Self {
            objects: objects(world, options),
            ..Self::default()
        };
        let (mut summary, mut usages) = (Summary::default(), BTreeMap::new());
        for (namespace, seen) in options.namespaces(world) {
            let auditor = Auditor {
                context: &context,
                namespace,
                judge: Judge { world, evidence },
                fixes: Fixes {
                    world,
                    context: options.names_context.then_some(context.as_str()),
                },
                options,
            };
            for (id, subject) in subjects(seen) {
                if options.ignores(namespace, &id) {
                    continue;
                }
                if let Some(audited) = auditor.audit(&subject) {
                    summary.add(&audited);
                    add_usage(&mut usages, &audited);
                    part.findings.extend(audited.findings);
                }
            }
        }
        part.report = ContextReport {
            context,
            error: None,
            summary,
            registries: usages.into_iter().map(registry).collect(),
            not_seen: not_seen(world),
            unused_references: unused::references(world, options),
            unused_secrets: unused::secrets(world, options),
            logins: trials(evidence),
            unseen: world.unseen.clone(),
            problems: world.problems.clone(),
        };
        part
    }
}

impl Summary {
    fn add(&mut self, audited: &Audited) {
        self.workloads += 1;
        match audited.findings.iter().map(|finding| finding.reason).max() {
            None => self.ready += 1,
            Some(reason) => *self.by_reason.entry(reason).or_default() += 1,
        }
    }
}

fn add_usage(usages: &mut BTreeMap<Text, Usage>, audited: &Audited) {
    let mut worst: BTreeMap<String, Reason> = BTreeMap::new();
    for (repository, reason) in audited.images() {
        let host = repository.split('/').next().unwrap_or_default();
        let usage = usages.entry(host.into()).or_default();
        let of_host = worst.entry(host.to_owned()).or_insert(reason);
        *of_host = reason.max(*of_host);
        usage.repositories.insert(repository);
    }
    for (host, reason) in worst {
        if let Some(usage) = usages.get_mut(host.as_str()) {
            usage.workloads.push(reason);
        }
    }
}

fn registry((registry, usage): (Text, Usage)) -> RegistryUse {
    let mut by_reason = BTreeMap::new();
    for reason in usage.workloads.iter().filter(|reason| **reason != Reason::Ready) {
        *by_reason.entry(*reason).or_default() += 1;
    }
    RegistryUse {
        registry,
        repositories: usage.repositories.len(),
        workloads: usage.workloads.len(),
        ready: usage
            .workloads
            .iter()
            .filter(|reason| **reason == Reason::Ready)
            .count(),
        by_reason,
    }
}

/// What the API never shows, and static Pods if there are any.
fn not_seen(world: &World) -> Vec<NotSeen> {
    let mut pods = world.namespaces.values().flat_map(|seen| seen.pods.values());
    let statics = pods.any(|pod| pod.is_static);
    let always = [
        NotSeen::NodeLogins,
        NotSeen::SandboxImage,
        NotSeen::PreloadedImages,
        NotSeen::Mirrors,
    ];
    always
        .into_iter()
        .chain(statics.then_some(NotSeen::StaticPods))
        .collect()
}

/// The objects that declare one of the servers, or take a docker config whole, which may have any.
fn objects(world: &World, options: &Options) -> Vec<ObjectState> {
    let declares = |declared: Option<&str>| {
        let Some(declared) = declared.and_then(|declared| Server::parse(declared).ok()) else {
            return declared.is_none();
        };
        options.servers.is_empty() || options.servers.iter().any(|server| covers(&declared, server))
    };
    let objects = world.objects.iter().filter(|(_, object)| {
        let mut registries = object.spec.registries.iter();
        registries.any(|registry| declares(registry.server.as_deref()))
    });
    objects
        .map(|(name, object)| ObjectState {
            name: name.clone(),
            ready: is_ready(object),
        })
        .collect()
}

/// Returns whether a login under `declared` may serve images of `server`.
fn covers(declared: &Server, server: &Server) -> bool {
    let image = keyring::image_for(server.as_str());
    declared == server || image.is_some_and(|image| keyring::matches(declared.as_str(), &image))
}

fn is_ready(object: &crd::ClusterPullSecret) -> bool {
    let ready = object.status.as_ref().and_then(crd::ClusterPullSecretStatus::ready);
    ready.is_some_and(|condition| condition.status == crd::ConditionStatus::True)
}

/// The best outcome for each image, since a kubelet tries each login that matches it.
fn trials(evidence: &Evidence) -> Vec<LoginTrial> {
    let mut trials = BTreeMap::new();
    for (_, image, outcome) in evidence.logins() {
        let known = trials.entry(image.clone()).or_insert(outcome);
        *known = outcome.min(*known);
    }
    trials
        .into_iter()
        .map(|(image, outcome)| LoginTrial { image, outcome })
        .collect()
}

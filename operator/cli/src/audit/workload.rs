//! The audit of one workload: its template, and its Pods.

use std::collections::{BTreeMap, BTreeSet};

use super::auditor::{Auditor, Failing};
use super::pods::{Collected, OfPods};
use super::report::{Fails, Finding, PodCount};
use super::words;
use crate::fix;
use crate::subject::Subject;
use crate::verdict::Reason;
use crate::world::{Role, Text};

/// What an audit says about one workload.
#[derive(Debug, Default)]
pub(super) struct Audited {
    /// At most one on the template, one on Pods that came too early, and one on logins of nodes.
    pub(super) findings: Vec<Finding>,
    /// The repositories of the images of the template, each with the worst reason.
    pub(super) repositories: BTreeMap<String, Reason>,
}

impl Audited {
    /// Returns the repository and the reason of each image, of the template and of Pods.
    pub(super) fn images(&self) -> impl Iterator<Item = (String, Reason)> {
        let of_template = self.repositories.iter().map(|(name, reason)| (name.clone(), *reason));
        let failing = self.findings.iter().flat_map(|finding| &finding.images);
        let failing = failing.map(|image| (plan::image::repository(&image.image).unwrap_or_default(), image.reason));
        of_template.chain(failing)
    }
}

impl Auditor<'_> {
    /// Returns `None` if the workload uses no image that counts.
    pub(super) fn audit(&self, subject: &Subject<'_>) -> Option<Audited> {
        let mut audited = Audited::default();
        let mut failing = Failing::default();
        let images = subject.template.images.iter();
        // Only Pods that exist have ephemeral containers.
        for image in images.filter(|image| self.counts(image) && image.role != Role::EphemeralContainer) {
            let verdict = self
                .judge
                .of_template(self.namespace, &subject.template, &image.reference);
            let repository = plan::image::repository(&image.reference).unwrap_or_default();
            let reason = audited.repositories.entry(repository).or_insert(Reason::Ready);
            *reason = verdict.reason.max(*reason);
            if !verdict.is_ready() {
                failing.add(image, &verdict);
            }
        }
        let OfPods {
            failing: of_pods,
            early,
            node_only,
        } = self.of_pods(subject, &mut failing);
        audited
            .findings
            .extend(self.template_finding(subject, failing, &of_pods));
        audited.findings.extend(self.early_finding(subject, &early));
        audited.findings.extend(self.node_finding(subject, &node_only));
        (!audited.repositories.is_empty() || !audited.findings.is_empty()).then_some(audited)
    }

    fn template_finding(&self, subject: &Subject<'_>, failing: Failing, of_pods: &Collected) -> Option<Finding> {
        let (verdict, image) = failing.worst?;
        let fix = fix::Subject {
            namespace: self.namespace,
            workload: &subject.id,
            template: &subject.template,
            image: &image,
        };
        let fix = self.fixes.of(fix, &verdict);
        let fails = of_pods.fails().unwrap_or(Fails::NextPod);
        let why = match self.added(subject).as_slice() {
            [] => verdict.why,
            added => words::added(&verdict.why, added),
        };
        Some(Finding {
            fix,
            images: failing.images,
            ..self.finding(subject, verdict.reason, why, fails, of_pods)
        })
    }

    /// The pull secrets of Pods that neither the template nor the account lists.
    fn added<'s>(&self, subject: &Subject<'s>) -> Vec<&'s Text> {
        let seen = self.judge.world.namespaces.get(self.namespace);
        let account = seen.and_then(|seen| seen.accounts.get(&subject.template.account));
        let known = |name: &Text| {
            subject.template.secrets.contains(name) || account.is_some_and(|account| account.secrets.contains(name))
        };
        let names = subject.pods.iter().flat_map(|(_, pod)| pod.template.secrets.iter());
        let names: BTreeSet<&Text> = names.filter(|name| !name.is_empty() && !known(name)).collect();
        names.into_iter().collect()
    }

    /// Pods that lack a reference which a new Pod would get.
    fn early_finding(&self, subject: &Subject<'_>, early: &Collected) -> Option<Finding> {
        let fails = early.fails()?;
        let why = words::too_early(subject, early);
        Some(Finding {
            fix: self
                .fixes
                .replace_pods(self.namespace, &subject.id, early.waiting.union(&early.on_restart)),
            images: early.images.clone(),
            ..self.finding(subject, Reason::TooEarly, why, fails, early)
        })
    }

    fn node_finding(&self, subject: &Subject<'_>, node_only: &Collected) -> Option<Finding> {
        if node_only.images.is_empty() {
            return None;
        }
        let why = words::node_only(node_only);
        Some(Finding {
            images: node_only.images.clone(),
            ..self.finding(subject, Reason::NodeOnly, why, Fails::NextPod, node_only)
        })
    }

    fn finding(&self, subject: &Subject<'_>, reason: Reason, why: String, fails: Fails, pods: &Collected) -> Finding {
        Finding {
            context: self.context.clone(),
            namespace: self.namespace.clone(),
            workload: subject.id.clone(),
            account: subject.template.account.clone(),
            fails,
            reason,
            why,
            fix: None,
            images: Vec::new(),
            pods: PodCount {
                all: subject.pods.len(),
                waiting: pods.waiting.len(),
                on_restart: pods.on_restart.len(),
            },
        }
    }
}

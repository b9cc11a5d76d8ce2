//! The Pods of a workload, each judged by the list that it was admitted with.

use std::collections::{BTreeSet, HashMap};

use super::auditor::{Auditor, Failing};
use super::report::{Fails, ImageFinding};
use crate::subject::Subject;
use crate::verdict::{Probe, Reason, Verdict};
use crate::world::{Image, Progress, PullPolicy, Role, Template, Text};

/// What the Pods of a workload say.
#[derive(Default)]
pub(super) struct OfPods {
    /// Images that a new Pod could not pull either.
    pub(super) failing: Collected,
    /// Images that a new Pod could pull.
    pub(super) early: Collected,
    /// Images that a login of the node, and no Secret, pulled.
    pub(super) node_only: Collected,
}

/// Images and Pods with one reason.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) images: Vec<ImageFinding>,
    /// Pods that wait for one of the images.
    pub(super) waiting: BTreeSet<Text>,
    /// Pods that have started, and may pull one of the images again.
    pub(super) on_restart: BTreeSet<Text>,
}

impl Collected {
    /// Returns when the first of the Pods fails.
    pub(super) fn fails(&self) -> Option<Fails> {
        let restart = (!self.on_restart.is_empty()).then_some(Fails::OnRestart);
        (!self.waiting.is_empty()).then_some(Fails::Now).or(restart)
    }

    fn add(&mut self, pod: &Text, fails: Option<Fails>, image: &Image, verdict: &Verdict) {
        match fails {
            Some(Fails::Now) => self.waiting.insert(pod.clone()),
            Some(Fails::OnRestart) => self.on_restart.insert(pod.clone()),
            Some(Fails::NextPod) | None => false,
        };
        let is_same = |other: &ImageFinding| other.image == image.reference && other.user == image.user;
        if !self.images.iter().any(is_same) {
            self.images.push(ImageFinding::new(image, verdict));
        }
    }
}

impl Auditor<'_> {
    /// Judges the images of all Pods. Images that only Pods have, and that a new Pod could not pull, go to `failing`: another
    /// controller added their containers, or they are ephemeral.
    pub(super) fn of_pods(&self, subject: &Subject<'_>, failing: &mut Failing) -> OfPods {
        let mut of_pods = OfPods::default();
        // Most Pods share one template, so each image of it is judged once.
        let mut known: HashMap<(*const Template, usize), (Verdict, Verdict)> = HashMap::new();
        for (name, pod) in &subject.pods {
            for (at, image) in pod
                .template
                .images
                .iter()
                .enumerate()
                .filter(|(_, image)| self.counts(image))
            {
                let key = (std::ptr::from_ref(pod.template.as_ref()), at);
                let (own, next) = known.entry(key).or_insert_with(|| {
                    let own = self.judge.of_pod(self.namespace, &pod.template, &image.reference);
                    let next = self
                        .judge
                        .of_template(self.namespace, &subject.template, &image.reference);
                    (own, next)
                });
                if own.is_ready() {
                    continue;
                }
                let progress = pod.progress.get(at).copied().unwrap_or(Progress::Waiting);
                let fails = fails(progress);
                if self.is_node_only(own, progress, image) {
                    let node_only = Verdict {
                        reason: Reason::NodeOnly,
                        ..own.clone()
                    };
                    of_pods.node_only.add(name, fails, image, &node_only);
                }
                if fails.is_none() {
                    continue;
                }
                if next.is_ready() && image.role != Role::EphemeralContainer {
                    let early = Verdict {
                        reason: Reason::TooEarly,
                        ..own.clone()
                    };
                    of_pods.early.add(name, fails, image, &early);
                    continue;
                }
                of_pods.failing.add(name, fails, image, own);
                let in_template = subject.template.images.iter().any(|other| other.user == image.user);
                if !failing.has(image) && (!in_template || image.role == Role::EphemeralContainer) {
                    failing.add(image, if next.is_ready() { own } else { next });
                }
            }
        }
        of_pods
    }

    /// Returns whether the image was pulled although the registry asks for a login and no Secret has one.
    fn is_node_only(&self, own: &Verdict, progress: Progress, image: &Image) -> bool {
        let no_login = matches!(own.reason, Reason::NoReference | Reason::NoKey | Reason::SecretMissing);
        let pulled = matches!(progress, Progress::Started | Progress::Done);
        no_login && pulled && self.judge.evidence.of_probe(&image.reference) == Probe::Closed
    }
}

/// Returns when the pull for a container with this progress fails. A node may remove the image of a container that ended, so a
/// restart may pull with any policy that pulls.
fn fails(progress: Progress) -> Option<Fails> {
    match progress {
        Progress::Refused | Progress::Waiting => Some(Fails::Now),
        Progress::Started => Some(Fails::OnRestart),
        Progress::Done => None,
    }
}

/// Returns whether one of the images is pulled at each start of its container.
pub(super) fn pulls_always(collected: &Collected) -> bool {
    collected.images.iter().any(|image| image.policy == PullPolicy::Always)
}

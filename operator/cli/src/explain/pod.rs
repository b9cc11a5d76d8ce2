//! A Pod that exists. Its list was decided at its admission.

use super::template::{listed, used_by};
use super::{Explained, Explanation, Mark, Step, Teller};
use crate::fix;
use crate::subject::{root, subjects};
use crate::verdict::{Reason, Verdict};
use crate::world::{Image, Pod, Progress, PullPolicy, Text};

impl Teller<'_> {
    pub(super) fn pod(&self, name: &Text) -> Option<Explanation> {
        let pod = self.seen.pods.get(name)?;
        let id = root(self.seen, name, pod);
        let subjects = subjects(self.seen);
        let next = subjects.get(&id).map_or(&pod.template, |subject| &subject.template);
        let mut parts = Vec::new();
        // The worst for this Pod, with what a new Pod would get.
        let mut worst: Option<(Verdict, Verdict, &Image, Progress)> = None;
        for (at, image) in pod.template.images.iter().enumerate() {
            let own = self.judge.of_pod(self.namespace, &pod.template, &image.reference);
            let after = self.judge.of_template(self.namespace, next, &image.reference);
            let progress = pod.progress.get(at).copied().unwrap_or(Progress::Waiting);
            parts.push(self.pod_image(pod, image, progress, &own, &after));
            let is_worse = worst.as_ref().is_none_or(|(other, ..)| other.reason < own.reason);
            if !own.is_ready() && image.policy != PullPolicy::Never && is_worse {
                worst = Some((own, after, image, progress));
            }
        }
        let node = pod
            .node
            .as_ref()
            .map(|node| format!(", node {node}"))
            .unwrap_or_default();
        let subject = format!("Pod {}/{name}, account {}{node}", self.namespace, pod.template.account);
        let Some((own, after, image, progress)) = worst.filter(|_| !pod.is_static) else {
            let outcome = if pod.is_static {
                "It is a static Pod: it can refer to no Secret, and only the node's own logins count."
            } else {
                "It can pull every image."
            };
            return Some(Explanation {
                subject,
                parts,
                outcome: outcome.to_owned(),
                fix: None,
            });
        };
        let fix = if after.is_ready() {
            self.fixes.replace_pods(self.namespace, &id, [name])
        } else {
            let subject = fix::Subject {
                namespace: self.namespace,
                workload: &id,
                template: next,
                image: &image.reference,
            };
            self.fixes.of(subject, &after)
        };
        let outcome = format!("{} {}", now(pod, progress), then(&own, &after));
        Some(Explanation {
            subject,
            parts,
            outcome,
            fix,
        })
    }

    fn pod_image(&self, pod: &Pod, image: &Image, progress: Progress, own: &Verdict, after: &Verdict) -> Explained {
        let names = &pod.template.secrets;
        let references = if names.iter().any(|name| !name.is_empty()) {
            Step::new(Mark::Good, "references", listed(names))
        } else {
            Step::new(Mark::Bad, "references", self.lacking(pod, after))
        };
        let mut steps = self.steps(references, names, &image.reference, own);
        steps.push(present(pod, progress));
        Explained {
            name: image.reference.clone(),
            used_by: used_by(image),
            steps,
        }
    }

    fn lacking(&self, pod: &Pod, after: &Verdict) -> String {
        let name = &pod.template.account;
        let account = self
            .seen
            .accounts
            .get(name)
            .filter(|account| !account.secrets.is_empty());
        // A Pod of a file may have no time.
        let at = jiff::Timestamp::from_second(pod.admitted)
            .ok()
            .filter(|_| pod.admitted > 0);
        let admitted = at.map_or_else(|| "was admitted".to_owned(), |at| format!("was admitted at {at}"));
        match account {
            Some(account) if after.is_ready() => {
                let now = listed(&account.secrets);
                format!("none: the Pod {admitted} without, and account {name} has {now} now")
            }
            _ => format!("none: the Pod {admitted} without"),
        }
    }
}

fn present(pod: &Pod, progress: Progress) -> Step {
    let node = pod.node.as_deref().unwrap_or("its node");
    match progress {
        Progress::Started => Step::new(Mark::Good, "present", format!("it started, so the image is on {node}")),
        Progress::Done => Step::new(
            Mark::Good,
            "present",
            format!("it started on {node}, and does not start again"),
        ),
        Progress::Refused => Step::new(Mark::Bad, "present", format!("{node} could not pull it")),
        Progress::Waiting => Step::new(Mark::Unknown, "present", format!("{node} has not started it yet")),
    }
}

fn now(pod: &Pod, progress: Progress) -> &'static str {
    match progress {
        _ if pod.ended => "It has ended.",
        Progress::Refused => "It waits for the image.",
        Progress::Waiting => "It has not started yet.",
        Progress::Done => "It runs, and does not start again.",
        Progress::Started => "It runs on. A restart of its container may pull again and fail.",
    }
}

fn then(own: &Verdict, after: &Verdict) -> String {
    match (own.reason, after.reason) {
        (_, Reason::Ready) => "A new Pod gets the login.".to_owned(),
        _ => format!("A new Pod could not pull either: {}.", after.why),
    }
}

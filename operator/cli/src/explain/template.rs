//! A workload: the Pod that its template would create.

use super::{Explained, Explanation, Mark, Step, Teller};
use crate::fix;
use crate::subject::{Subject, subjects};
use crate::verdict::{Reason, Verdict};
use crate::world::{Image, Template, Text, WorkloadId};

impl Teller<'_> {
    pub(super) fn workload(&self, wanted: &WorkloadId) -> Option<Explanation> {
        let known = subjects(self.seen);
        let is_wanted = |id: &&WorkloadId| *id.name == *wanted.name && same_kind(&id.kind, &wanted.kind);
        let id = known.keys().find(is_wanted).cloned();
        let subject = match id {
            Some(id) => known.get(&id)?.clone(),
            None => self.part(wanted)?,
        };
        let (parts, worst) = self.parts(&subject.template, &subject.id);
        let early = self.early(&subject);
        let (outcome, fix) = match worst {
            Some((verdict, fix)) => (format!("A new Pod could not pull: {}.", verdict.why), fix),
            None if !early.is_empty() => (
                format!(
                    "A new Pod can pull. {} of its {} Pods came too early for the reference.",
                    early.len(),
                    subject.pods.len()
                ),
                self.fixes.replace_pods(self.namespace, &subject.id, early),
            ),
            None => ("A new Pod can pull every image.".to_owned(), None),
        };
        Some(Explanation {
            subject: format!(
                "{} in {}, account {}",
                subject.id, self.namespace, subject.template.account
            ),
            parts,
            outcome,
            fix,
        })
    }

    /// A `ReplicaSet` of a Deployment, or a Job that has finished.
    fn part(&self, wanted: &WorkloadId) -> Option<Subject<'_>> {
        let mut workloads = self.seen.workloads.iter();
        let (id, workload) = workloads.find(|(id, _)| id.name == wanted.name && same_kind(&id.kind, &wanted.kind))?;
        Some(Subject {
            id: id.clone(),
            template: workload.template.clone(),
            pods: Vec::new(),
        })
    }

    /// Explains each image of a template, with the worst verdict and its fix.
    pub(super) fn parts(
        &self,
        template: &Template,
        id: &WorkloadId,
    ) -> (Vec<Explained>, Option<(Verdict, Option<String>)>) {
        let mut worst: Option<(Verdict, &Text)> = None;
        let mut parts = Vec::new();
        for image in &template.images {
            let verdict = self.judge.of_template(self.namespace, template, &image.reference);
            parts.push(self.template_image(template, image, &verdict));
            let is_worse = worst.as_ref().is_none_or(|(other, _)| other.reason < verdict.reason);
            if !verdict.is_ready() && is_worse {
                worst = Some((verdict, &image.reference));
            }
        }
        let worst = worst.map(|(verdict, image)| {
            let subject = fix::Subject {
                namespace: self.namespace,
                workload: id,
                template,
                image,
            };
            let fix = self.fixes.of(subject, &verdict);
            (verdict, fix)
        });
        (parts, worst)
    }

    fn template_image(&self, template: &Template, image: &Image, verdict: &Verdict) -> Explained {
        let (references, names) = self.references(template, verdict);
        Explained {
            name: image.reference.clone(),
            used_by: used_by(image),
            steps: self.steps(references, names, &image.reference, verdict),
        }
    }

    /// The list that a new Pod gets.
    fn references<'t>(&'t self, template: &'t Template, verdict: &Verdict) -> (Step, &'t [Text]) {
        let account = self.seen.accounts.get(&template.account);
        if !template.secrets.is_empty() {
            let own = listed(&template.secrets);
            let masked = verdict.reason == Reason::Masked;
            let text = if masked {
                format!(
                    "{own} of the template; those of account {} would match, and are not used",
                    template.account
                )
            } else {
                format!("{own} of the template")
            };
            return (
                Step::new(if masked { Mark::Bad } else { Mark::Good }, "references", text),
                &template.secrets,
            );
        }
        match account {
            Some(account) if !account.secrets.is_empty() => {
                let text = format!("{} of account {}", listed(&account.secrets), template.account);
                (Step::new(Mark::Good, "references", text), &account.secrets)
            }
            _ => (Step::new(Mark::Bad, "references", verdict.why.clone()), &[]),
        }
    }

    /// The Pods that lack a login which a new Pod would have.
    fn early<'s>(&self, subject: &Subject<'s>) -> Vec<&'s Text> {
        let lacks = |template: &Template, image: &Image| {
            !self.judge.of_pod(self.namespace, template, &image.reference).is_ready()
                && self
                    .judge
                    .of_template(self.namespace, &subject.template, &image.reference)
                    .is_ready()
        };
        let is_early = |template: &Template| template.images.iter().any(|image| lacks(template, image));
        let early = subject.pods.iter().filter(|(_, pod)| is_early(&pod.template));
        early.map(|(name, _)| *name).collect()
    }
}

pub(super) fn used_by(image: &Image) -> String {
    format!("{} {}, {:?}", image.role, image.user, image.policy)
}

pub(super) fn listed(names: &[Text]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    names.join(", ")
}

/// Compares kinds as kubectl does: in any case, singular or plural.
fn same_kind(known: &str, wanted: &str) -> bool {
    let (known, wanted) = (known.to_lowercase(), wanted.to_lowercase());
    known == wanted || format!("{known}s") == wanted
}

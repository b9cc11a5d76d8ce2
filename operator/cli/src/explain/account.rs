//! A `ServiceAccount`: what its list gives to Pods without one of their own.

use std::collections::BTreeSet;

use super::steps::described;
use super::{Explained, Explanation, Mark, Step, Teller};
use crate::fix;
use crate::subject::subjects;
use crate::verdict::Verdict;
use crate::world::{SecretSeen, Text, WorkloadId};

impl Teller<'_> {
    pub(super) fn account(&self, name: &Text) -> Option<Explanation> {
        let account = self.seen.accounts.get(name)?;
        let names: BTreeSet<&Text> = account.secrets.iter().filter(|name| !name.is_empty()).collect();
        let parts = names.into_iter().map(|secret| Explained {
            name: secret.clone(),
            used_by: if account.attached.contains(secret) {
                "added by pullsecrets".to_owned()
            } else {
                String::new()
            },
            steps: vec![self.secret(secret)],
        });
        let parts = parts.collect();
        let mut users = 0;
        let mut worst: Option<(Verdict, Option<String>, WorkloadId)> = None;
        for (id, subject) in subjects(self.seen)
            .into_iter()
            .filter(|(_, subject)| subject.template.account == *name)
        {
            users += 1;
            for image in &subject.template.images {
                let verdict = self
                    .judge
                    .of_template(self.namespace, &subject.template, &image.reference);
                if !verdict.is_ready() && worst.as_ref().is_none_or(|(other, ..)| other.reason < verdict.reason) {
                    let subject = fix::Subject {
                        namespace: self.namespace,
                        workload: &id,
                        template: &subject.template,
                        image: &image.reference,
                    };
                    let fix = self.fixes.of(subject, &verdict);
                    worst = Some((verdict, fix, id.clone()));
                }
            }
        }
        let (outcome, fix) = match worst {
            Some((verdict, fix, id)) => (
                format!("{users} workloads use it. {id} could not pull: {}.", verdict.why),
                fix,
            ),
            None => (
                format!("{users} workloads use it, and each can pull every image."),
                None,
            ),
        };
        Some(Explanation {
            subject: format!("ServiceAccount {}/{name}", self.namespace),
            parts,
            outcome,
            fix,
        })
    }

    fn secret(&self, name: &Text) -> Step {
        match self.judge.world.secret(self.namespace, name) {
            SecretSeen::Found(secret) => {
                let mark = if secret.entries().is_empty() {
                    Mark::Bad
                } else {
                    Mark::Good
                };
                Step::new(mark, "secrets", described(name, secret))
            }
            SecretSeen::Missing => Step::new(Mark::Bad, "secrets", format!("{name} does not exist")),
            SecretSeen::Unseen(why) => Step::new(Mark::Unknown, "secrets", format!("{name} could not be read: {why}")),
        }
    }
}

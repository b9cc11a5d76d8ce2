//! The findings that a cluster must have.

use std::collections::BTreeSet;

use cli::audit::Fails;
use e2e::keyring::Answer;

use super::Answers;
use crate::case::{Case, Workload};

/// From harmless to bad.
const ORDER: [&str; 7] = [
    "Ready",
    "NoReference",
    "NoKey",
    "SecretMissing",
    "Masked",
    "LoginRefused",
    "Unreadable",
];

pub(super) struct Expected<'a> {
    pub(super) case: &'a Case,
    pub(super) answers: &'a Answers,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) workload: String,
    pub(super) reason: &'static str,
    pub(super) fails: Fails,
    /// Container and reason.
    pub(super) images: BTreeSet<(String, &'static str)>,
}

/// A row as it is collected.
#[derive(Default)]
struct Collected {
    images: BTreeSet<(String, &'static str)>,
    fails: Option<Fails>,
}

impl Expected<'_> {
    /// The verdict on the Pod that would be created; `None` if the kubelet refuses the image's name.
    pub(super) fn of_template(&self, workload: &Workload, image: usize) -> Option<&'static str> {
        let account = self.case.accounts.get(&workload.account);
        let own = self.own(workload);
        // A kubelet that cannot read a Secret stops before it looks at the name of the image, so a Pod without any is asked.
        self.answers[&Vec::new()].tried(image)?;
        let Some(list) = (if own.is_empty() { account } else { Some(&own) }) else {
            return Some("NoReference");
        };
        let verdict = self.of_list(list, image)?;
        let masks = |account: &Vec<String>| self.of_list(account, image) == Some("Ready");
        let is_masked = !own.is_empty()
            && ["NoReference", "NoKey", "SecretMissing"].contains(&verdict)
            && account.is_some_and(masks);
        Some(if is_masked { "Masked" } else { verdict })
    }

    /// The list that the workload brings. Of a bare Pod it is unknown whether admission copied it; a list of names that its
    /// account has counts as copied.
    pub(super) fn own(&self, workload: &Workload) -> Vec<String> {
        let account = self.case.accounts.get(&workload.account);
        let is_copied = |list: &[String]| account.is_some_and(|account| list.iter().all(|name| account.contains(name)));
        match workload.pods.first() {
            Some(pod) if workload.kind == "Pod" && is_copied(&pod.list) => Vec::new(),
            Some(pod) if workload.kind == "Pod" => pod.list.clone(),
            _ => workload.own.clone(),
        }
    }

    pub(super) fn of_list(&self, list: &Vec<String>, image: usize) -> Option<&'static str> {
        let answer: &Answer = &self.answers[list];
        if answer.error.is_some() {
            return Some("Unreadable");
        }
        let tried = answer.tried(image)?;
        // A container runtime does not send a login without a user name.
        let sent: Vec<&str> = tried
            .iter()
            .map(|login| login.1.as_str())
            .filter(|user| !user.is_empty())
            .collect();
        if !sent.is_empty() {
            let all_refused = sent.iter().all(|user| self.case.refused.contains(*user));
            return Some(if all_refused { "LoginRefused" } else { "Ready" });
        }
        let mut names = list.iter().filter(|name| !name.is_empty());
        Some(match names.clone().next() {
            None => "NoReference",
            Some(_) if names.any(|name| !self.case.secrets.contains_key(name)) => "SecretMissing",
            Some(_) => "NoKey",
        })
    }

    /// The rows of a workload: on its template, on Pods that came too early, on logins of nodes.
    pub(super) fn findings(&self, workload: &Workload) -> Vec<Row> {
        let (mut template, mut early, mut node) = (Collected::default(), Collected::default(), Collected::default());
        for (at, &(image, policy)) in workload.images.iter().enumerate() {
            let Some(next) = self.of_template(workload, image).filter(|_| policy != "Never") else {
                continue;
            };
            let user = format!("c{at}");
            if next != "Ready" {
                template.images.insert((user.clone(), next));
            }
            for pod in &workload.pods {
                let Some(own) = self.of_list(&pod.list, image).filter(|own| *own != "Ready") else {
                    continue;
                };
                let started = ["Running", "CrashLoopBackOff"].contains(&pod.states[at]);
                let fails = if started { Fails::OnRestart } else { Fails::Now };
                let collected = if next == "Ready" { &mut early } else { &mut template };
                if next == "Ready" {
                    collected.images.insert((user.clone(), "TooEarly"));
                }
                collected.fails = collected.fails.max(Some(fails));
                let no_login = ["NoReference", "NoKey", "SecretMissing"].contains(&own);
                if no_login && started && self.case.closed.contains(&self.case.images[image]) {
                    node.images.insert((user.clone(), "NodeOnly"));
                }
            }
        }
        let worst = template
            .images
            .iter()
            .map(|(_, reason)| *reason)
            .max_by_key(|reason| rank(reason));
        let row = |reason, collected: Collected| Row {
            workload: workload.name.clone(),
            reason,
            fails: collected.fails.unwrap_or(Fails::NextPod),
            images: collected.images,
        };
        let node = Collected { fails: None, ..node };
        let mut rows = Vec::new();
        rows.extend(worst.map(|worst| row(worst, template)));
        rows.extend((!early.images.is_empty()).then(|| row("TooEarly", early)));
        rows.extend((!node.images.is_empty()).then(|| row("NodeOnly", node)));
        rows
    }
}

fn rank(reason: &str) -> usize {
    ORDER.iter().position(|other| *other == reason).expect("a known reason")
}

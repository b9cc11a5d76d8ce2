//! What must be reported, from what the author wrote and the kubelet answers.

mod expected;
mod near;

use std::collections::{BTreeMap, BTreeSet};

use cli::audit::{Fails, Finding, Options, Part, Report};
use cli::verdict::{Judge, Reason};
use cli::world::{Text, WorkloadId};
use e2e::keyring::{Answer, Kubelet, Question, Secret};

use crate::case::{Case, Workload};
use crate::table::Table;
use crate::world::{NAMESPACE, evidence, world};
use expected::Expected;
use near::Repair;

pub(crate) struct Trial {
    pub(crate) seed: u64,
    pub(crate) case: Case,
    answers: Answers,
    report: Report,
    /// The verdicts on templates: by workload and container.
    verdicts: BTreeMap<(String, usize), Reason>,
    repairs: Vec<(Repair, Answer)>,
}

/// The kubelet's answer for each list of pull secrets.
pub(crate) type Answers = BTreeMap<Vec<String>, Answer>;

impl Trial {
    /// Draws the clusters of these seeds, audits them, and asks the kubelet about them.
    pub(crate) fn all(seeds: impl Iterator<Item = u64>, kubelet: &mut Kubelet) -> anyhow::Result<Vec<Self>> {
        let drawn: Vec<(u64, Case)> = seeds.map(|seed| (seed, Case::draw(seed))).collect();
        let lists: Vec<BTreeSet<Vec<String>>> = drawn.iter().map(|(_, case)| lists(case)).collect();
        let questions = drawn.iter().zip(&lists).flat_map(|((_, case), lists)| {
            lists.iter().map(|list| Question {
                secrets: existing(case, list),
                images: &case.images,
            })
        });
        let mut answers = kubelet.ask(&questions.collect::<Vec<_>>())?.into_iter();
        let audited = drawn.into_iter().zip(lists).map(|((seed, case), lists)| {
            let answers: Answers = lists.into_iter().zip(answers.by_ref()).collect();
            let (report, verdicts) = audit(&case);
            let repairs = near::repairs(&case, &answers, &report);
            (seed, case, answers, report, verdicts, repairs)
        });
        let audited: Vec<_> = audited.collect();
        let questions = audited.iter().flat_map(|(.., repairs)| {
            repairs.iter().map(|repair| Question {
                secrets: vec![Secret::docker_config(near::alone(&repair.key))],
                images: std::slice::from_ref(&repair.image),
            })
        });
        let mut repaired = kubelet.ask(&questions.collect::<Vec<_>>())?.into_iter();
        let trials = audited
            .into_iter()
            .map(|(seed, case, answers, report, verdicts, repairs)| Self {
                repairs: repairs.into_iter().zip(repaired.by_ref()).collect(),
                seed,
                case,
                answers,
                report,
                verdicts,
            });
        Ok(trials.collect())
    }

    pub(crate) fn judge(&self, table: &mut Table) -> Result<(), String> {
        table.count("clusters");
        let expected = Expected {
            case: &self.case,
            answers: &self.answers,
        };
        let mut all = BTreeSet::new();
        for workload in &self.case.workloads {
            for (at, (image, policy)) in workload.images.iter().enumerate() {
                let theirs = expected.of_template(workload, *image);
                let ours = self
                    .verdicts
                    .get(&(workload.name.clone(), at))
                    .map(|reason| reason.as_str());
                if let Some(theirs) = theirs {
                    if ours != Some(theirs) {
                        let image = &self.case.images[*image];
                        return Err(format!(
                            "{} {image}: ours {ours:?}, the kubelet's {theirs}",
                            workload.name
                        ));
                    }
                    table.count(if *policy == "Never" {
                        "images that are never pulled"
                    } else {
                        theirs
                    });
                }
            }
            all.extend(expected.findings(workload));
        }
        for finding in &all {
            match finding.reason {
                "TooEarly" if finding.fails == Fails::Now => table.count("TooEarly, now"),
                "TooEarly" => table.count("TooEarly, on restart"),
                "NodeOnly" => table.count("NodeOnly"),
                _ => {}
            }
        }
        let reported: BTreeSet<expected::Row> = self.report.findings.iter().map(row).collect();
        if reported != all {
            let spare: Vec<_> = reported.difference(&all).collect();
            let lacking: Vec<_> = all.difference(&reported).collect();
            return Err(format!(
                "reported without a reason: {spare:#?}\nnot reported: {lacking:#?}"
            ));
        }
        near::judge(&self.repairs, &self.case, &self.answers, &self.report, table)
    }
}

fn row(finding: &Finding) -> expected::Row {
    expected::Row {
        workload: finding.workload.name.to_string(),
        reason: finding.reason.as_str(),
        fails: finding.fails,
        images: finding
            .images
            .iter()
            .map(|image| (image.user.to_string(), image.reason.as_str()))
            .collect(),
    }
}

fn audit(case: &Case) -> (Report, BTreeMap<(String, usize), Reason>) {
    let world = world(case);
    let evidence = evidence(case, &world);
    let options = Options::default();
    let report = Report::of(vec![Part::of("context", &world, &evidence, &options)], &options, false);
    let judge = Judge {
        world: &world,
        evidence: &evidence,
    };
    let mut verdicts = BTreeMap::new();
    let subjects = cli::subject::subjects(&world.namespaces[NAMESPACE]);
    for workload in &case.workloads {
        let id = WorkloadId::new(workload.kind, &workload.name);
        for (at, (image, _)) in workload.images.iter().enumerate() {
            let image = Text::from(case.images[*image].as_str());
            let verdict = judge.of_template(NAMESPACE, &subjects[&id].template, &image);
            verdicts.insert((workload.name.clone(), at), verdict.reason);
        }
    }
    (report, verdicts)
}

fn lists(case: &Case) -> BTreeSet<Vec<String>> {
    let own = case.workloads.iter().map(|workload| &workload.own);
    let admitted = case
        .workloads
        .iter()
        .flat_map(|workload: &Workload| workload.pods.iter().map(|pod| &pod.list));
    let none = std::iter::once(Vec::new());
    case.accounts
        .values()
        .chain(own)
        .chain(admitted)
        .cloned()
        .chain(none)
        .collect()
}

/// The Secrets of a list that exist. A kubelet goes on without the others.
fn existing(case: &Case, list: &[String]) -> Vec<Secret> {
    list.iter()
        .filter_map(|name| Some(case.secrets.get(name)?.secret.clone()))
        .collect()
}

//! One case, with our result and the kubelet's.

use std::fmt;

use crd::names::DOCKER_CONFIG_TYPE;
use plan::docker_config::render;
use plan::registries::{LastGood, Merged, Resolution, merge};

use crate::author::{Attachment, Normal, STEPS, Step, Usable};
use crate::case::{Case, Content, Written};
use crate::configs::{Entry, text_of};
use e2e::keyring::{Answer, Kubelet, Question, Secret};

pub(crate) struct Trial {
    pub(crate) seed: u64,
    pub(crate) case: Case,
    pub(crate) resolved: Vec<Resolution>,
    pub(crate) merged: Merged,
    /// Every key of the case in one Secret, usable or not. The user names are the positions of the keys.
    pub(crate) keys: Vec<String>,
    pub(crate) by_key: Answer,
    pub(crate) sources: Vec<Asked>,
    /// By hand, then after each step that changes the result.
    pub(crate) stages: Vec<(Option<Step>, Answer)>,
    pub(crate) copy: Answer,
}

/// A case with its first answers.
struct Begun {
    seed: u64,
    case: Case,
    resolved: Vec<Resolution>,
    merged: Merged,
    keys: Vec<String>,
    by_key: Answer,
    sources: Vec<Asked>,
    normal: Normal,
    usable: Usable,
}

/// The kubelet's answers for one source.
pub(crate) struct Asked {
    /// For the source as it is, but with the type that kubelets read.
    pub(crate) whole: Answer,
    /// For each of its entries alone, without what is never copied.
    pub(crate) entries: Vec<Answer>,
}

impl Trial {
    /// Draws the cases of these seeds, and asks the kubelet about them.
    pub(crate) fn all(seeds: impl Iterator<Item = u64>, kubelet: &mut Kubelet) -> anyhow::Result<Vec<Self>> {
        let drawn: Vec<(u64, Case)> = seeds.map(|seed| (seed, Case::draw(seed))).collect();
        let questions: Vec<Question<'_>> = drawn.iter().flat_map(|(_, case)| first_questions(case)).collect();
        let mut answers = kubelet.ask(&questions)?.into_iter();
        drop(questions);
        let begun: Vec<Begun> = drawn
            .into_iter()
            .map(|(seed, case)| Begun::new(seed, case, &mut answers))
            .collect();

        let stages: Vec<Vec<(Option<Step>, Vec<Secret>)>> = begun.iter().map(Begun::stages).collect();
        let mut questions = Vec::new();
        for (begun, stages) in begun.iter().zip(&stages) {
            let images = begun.case.images.as_slice();
            questions.extend(stages.iter().map(|(_, secrets)| Question {
                secrets: secrets.clone(),
                images,
            }));
            let copy = Secret::docker_config(render(&begun.merged.entries));
            questions.push(Question {
                secrets: vec![copy],
                images,
            });
        }
        let mut answers = kubelet.ask(&questions)?.into_iter();
        drop(questions);
        let trials = begun.into_iter().zip(stages);
        Ok(trials
            .map(|(begun, stages)| begun.finished(&stages, &mut answers))
            .collect())
    }
}

impl Begun {
    fn new(seed: u64, case: Case, answers: &mut impl Iterator<Item = Answer>) -> Self {
        let mut next = || answers.next().expect("an answer for each question");
        let by_key = next();
        let mut usable = Usable::new();
        let mut sources = Vec::new();
        for (name, written) in &case.sources {
            let whole = next();
            let entries: Vec<Answer> = drawn(written).iter().map(|_| next()).collect();
            let pairs = drawn(written).iter().zip(&entries);
            usable.insert(
                name.clone(),
                pairs.map(|((_, entry), alone)| entry.is_usable(alone)).collect(),
            );
            sources.push(Asked { whole, entries });
        }
        let keys = case.keys();
        let place = |user: &str| user.parse::<usize>().expect("a place");
        let logins = by_key.logins.iter();
        let normal = logins
            .map(|(normal, user, _)| (keys[place(user)].clone(), normal.clone()))
            .collect();
        let resolved = case.resolved();
        let merged = merge(&resolved, &LastGood::new());
        Self {
            seed,
            case,
            resolved,
            merged,
            keys,
            by_key,
            sources,
            normal,
            usable,
        }
    }

    fn stages(&self) -> Vec<(Option<Step>, Vec<Secret>)> {
        let mut now = Attachment::of(&self.case, &self.resolved, &self.normal, &self.usable);
        let mut stages = vec![(None, now.secrets())];
        for step in STEPS {
            let after = now.after(step);
            if after.entries() != now.entries() {
                stages.push((Some(step), after.secrets()));
                now = after;
            }
        }
        stages
    }

    fn finished(self, stages: &[(Option<Step>, Vec<Secret>)], answers: &mut impl Iterator<Item = Answer>) -> Trial {
        let mut next = || answers.next().expect("an answer for each question");
        Trial {
            stages: stages.iter().map(|(step, _)| (*step, next())).collect(),
            copy: next(),
            seed: self.seed,
            case: self.case,
            resolved: self.resolved,
            merged: self.merged,
            keys: self.keys,
            by_key: self.by_key,
            sources: self.sources,
        }
    }
}

fn first_questions(case: &Case) -> Vec<Question<'_>> {
    let keys = case.keys();
    let entries = keys.iter().enumerate().map(|(at, key)| {
        let login = format!(r#"{{"username":"{}","password":"x"}}"#, place(at));
        (key.as_str(), login)
    });
    let alone = |secret| Question {
        secrets: vec![secret],
        images: &[],
    };
    let mut questions = vec![Question {
        secrets: vec![Secret::docker_config(text_of(entries))],
        images: &case.images,
    }];
    for written in case.sources.values() {
        questions.push(alone(Secret {
            kind: DOCKER_CONFIG_TYPE.to_owned(),
            ..written.secret.clone()
        }));
        for (key, entry) in drawn(written) {
            let entry = std::iter::once((key.as_str(), entry.less_what_is_not_copied().text()));
            questions.push(alone(Secret::docker_config(text_of(entry))));
        }
    }
    questions
}

fn drawn(written: &Written) -> &[(String, Entry)] {
    match &written.content {
        Content::DockerConfig(config) => &config.entries,
        Content::BasicAuth { .. } => &[],
    }
}

/// The position of a key as text that sorts like the position.
pub(crate) fn place(at: usize) -> String {
    format!("{at:04}")
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, written) in &self.case.sources {
            writeln!(f, "{name}: {}", written.secret.kind)?;
            for (key, value) in &written.secret.data {
                writeln!(f, "  {key}: {}", String::from_utf8_lossy(value))?;
            }
        }
        for (registry, resolution) in self.case.registries.iter().zip(&self.resolved) {
            let outcome = resolution
                .result
                .as_ref()
                .map(|given| given.entries.keys().collect::<Vec<_>>());
            writeln!(
                f,
                "registry {:?} of {:?}: {outcome:?}",
                registry.server, registry.credentials
            )?;
        }
        writeln!(f, "copy: {}", String::from_utf8_lossy(&render(&self.merged.entries)))
    }
}

//! Secrets of one name, by content.

use std::collections::{BTreeMap, BTreeSet};

use crd::names::{LABEL_EXCLUDE, LABEL_OBJECT};
use plan::object::sources;

use super::blocks;
use super::content::Content;
use super::leftovers::{Leftovers, Secret};
use super::options::Options;
use super::recognise::recognise;
use super::report::{LeftBy, Reason, Refused};
use super::role::{Found, Role, State};
use super::tool::Tool;

/// A Secret with what it is.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) secret: &'a Secret,
    pub(super) found: Found,
}

/// All Secrets of one name that the operator did not make itself.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) name: &'a str,
    pub(super) candidates: Vec<Candidate<'a>>,
}

/// A group, with the Secrets that are left alone for reasons of their own.
#[derive(Debug)]
pub(super) struct Sorted<'a> {
    pub(super) usable: Vec<Candidate<'a>>,
    pub(super) left: Vec<Refused>,
}

/// Returns the groups by name, and the number of Secrets that are alone and have no mark.
pub(super) fn groups<'a>(seen: &'a Leftovers, options: &Options<'_>) -> (Vec<Group<'a>>, usize) {
    let objects = seen.objects.values();
    let sources = objects.flat_map(|object| sources(&object.spec, options.operator_namespace));
    let sources: BTreeSet<(String, String)> = sources.collect();
    let mut by_name: BTreeMap<&str, Vec<Candidate<'_>>> = BTreeMap::new();
    for (place, secret) in &seen.secrets {
        let is_own = secret.meta.labels.contains_key(LABEL_OBJECT) && secret.record().is_none();
        if is_own || sources.contains(place) {
            continue;
        }
        if let Some(found) = recognise(seen, secret) {
            let name = secret.meta.name.as_str();
            by_name.entry(name).or_default().push(Candidate { secret, found });
        }
    }
    let mut alone = 0;
    let mut groups = Vec::new();
    for (name, candidates) in by_name {
        let group = Group { name, candidates };
        if !group.is_asked_for(options) {
            continue;
        }
        if group.is_alone() {
            alone += 1;
        } else {
            groups.push(group);
        }
    }
    (groups, alone)
}

impl<'a> Group<'a> {
    fn is_asked_for(&self, options: &Options<'_>) -> bool {
        let is_chosen = |candidate: &Candidate<'_>| (options.selects)(&candidate.secret.meta.namespace);
        let tools = self.candidates.iter().map(|candidate| candidate.found.tool);
        options.asks_for(self.name, tools) && self.candidates.iter().any(is_chosen)
    }

    /// A pull secret of a team, as far as its marks show.
    fn is_alone(&self) -> bool {
        let is_plain =
            |candidate: &Candidate<'_>| candidate.found.tool == Tool::Script && candidate.secret.state() == State::Left;
        self.candidates.len() == 1 && self.candidates.iter().all(is_plain)
    }

    /// Returns whether none of them has a mark.
    pub(super) fn is_unmarked(&self) -> bool {
        self.candidates
            .iter()
            .all(|candidate| candidate.found.tool == Tool::Script)
    }

    /// Returns the tools, each with the number of its Secrets.
    pub(super) fn left_by(&self) -> Vec<LeftBy> {
        let mut tools: BTreeMap<Tool, LeftBy> = BTreeMap::new();
        for candidate in &self.candidates {
            let first = || LeftBy {
                tool: candidate.found.tool,
                count: 0,
                evidence: candidate.found.evidence.clone(),
            };
            tools.entry(candidate.found.tool).or_insert_with(first).count += 1;
        }
        tools.into_values().collect()
    }

    /// Returns the number of different contents. Secrets without a login count as one.
    pub(super) fn contents(&self) -> usize {
        let mut contents: Vec<&Content> = Vec::new();
        let mut empty = 0;
        for candidate in &self.candidates {
            let content = &candidate.secret.content;
            if content.unusable.is_some() {
                empty = 1;
            } else if !contents.iter().any(|known| known.is_same(content)) {
                contents.push(content);
            }
        }
        contents.len() + empty
    }

    /// Splits off what is left alone for a reason of its own.
    pub(super) fn sorted(&self, seen: &Leftovers, options: &Options<'_>) -> Sorted<'a> {
        let mut sorted = Sorted {
            usable: Vec::new(),
            left: Vec::new(),
        };
        for candidate in &self.candidates {
            match left_alone(seen, options, candidate) {
                Some((reason, why)) => sorted.left.push(Refused {
                    namespace: candidate.secret.meta.namespace.clone(),
                    reason,
                    why,
                }),
                None => sorted.usable.push(candidate.clone()),
            }
        }
        sorted
    }
}

fn left_alone(seen: &Leftovers, options: &Options<'_>, candidate: &Candidate<'_>) -> Option<(Reason, String)> {
    let secret = candidate.secret;
    let namespace = seen.namespaces.get(&secret.meta.namespace);
    if secret.meta.deleting || namespace.is_some_and(|namespace| namespace.meta.deleting) {
        return Some((Reason::Leaving, "it is being deleted".to_owned()));
    }
    if namespace.is_some_and(|namespace| namespace.meta.is_labelled(LABEL_EXCLUDE, Some("true"))) {
        return Some((
            Reason::Leaving,
            format!("the label {LABEL_EXCLUDE} excludes its namespace"),
        ));
    }
    if let Some(why) = blocks::never(secret, &candidate.found) {
        return Some((Reason::WrittenAgain, why));
    }
    if let Some(why) = &secret.content.unusable {
        return Some((Reason::NoLogin, why.clone()));
    }
    let is_chosen = (options.selects)(&secret.meta.namespace) || secret.state() != State::Left;
    (!is_chosen).then(|| (Reason::NotChosen, "its namespace is not chosen".to_owned()))
}

impl<'a> Sorted<'a> {
    /// Returns the content that most have. The error says why there is none.
    pub(super) fn common(&self, unmarked: bool) -> Result<Content, String> {
        let mut counts: Vec<(&Content, usize, bool)> = Vec::new();
        for candidate in &self.usable {
            let content = &candidate.secret.content;
            let is_source = candidate.found.role == Role::Source;
            match counts.iter_mut().find(|(known, _, _)| known.is_same(content)) {
                Some((_, count, source)) => {
                    *count += 1;
                    *source |= is_source;
                }
                None => counts.push((content, 1, is_source)),
            }
        }
        counts.sort_by_key(|(_, count, source)| std::cmp::Reverse((*count, *source)));
        let differ = |contents: usize| {
            Err(format!(
                "{contents} contents in {} namespaces, and none is that of most: each needs a source of its own",
                self.usable.len()
            ))
        };
        match counts.as_slice() {
            [] => Err("no Secret of it can be adopted".to_owned()),
            [(_, 1, _)] if unmarked => Err("one Secret alone, and nothing marks it".to_owned()),
            [(content, _, _)] => Ok((*content).clone()),
            [(_, 1, false), ..] => differ(counts.len()),
            [(content, first, source), (_, second, other), ..] if (first, source) != (second, other) => {
                Ok((*content).clone())
            }
            _ => differ(counts.len()),
        }
    }

    /// Takes out the Secrets with another content.
    pub(super) fn deviating(&mut self, content: &Content) -> Vec<Candidate<'a>> {
        let (same, other): (Vec<_>, Vec<_>) = std::mem::take(&mut self.usable)
            .into_iter()
            .partition(|candidate| candidate.secret.content.is_same(content));
        self.usable = same;
        other
    }
}

//! The plan: which groups are adopted and how, and why others are not.

mod chosen;
mod filled;

use std::collections::BTreeSet;

use crd::ClusterPullSecret;

use super::about::about;
use super::accepted::Judge;
use super::blocks;
use super::content::Content;
use super::group::{Candidate, Group, Sorted, groups};
use super::kyverno;
use super::leftovers::Leftovers;
use super::options::Options;
use super::propose::{Member, Proposal, Source, object, object_name};
use super::report::{GroupReport, Reason, Refused, Step, Verdict};
use super::role::{Role, State};
use chosen::{Chosen, common, source};
use filled::filled;

/// What is to be done in one cluster.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The groups by name, each with what is carried out.
    pub groups: Vec<(GroupReport, Option<Proposal>)>,
    /// The number of pull secrets that are alone under their name and have no mark.
    pub alone: usize,
    /// What a person should know besides.
    pub notes: Vec<String>,
}

/// Why a group is not adopted.
struct Stopped {
    verdict: Verdict,
    why: String,
    first: Vec<Step>,
}

impl Stopped {
    fn new(verdict: Verdict, why: impl Into<String>) -> Self {
        Self {
            verdict,
            why: why.into(),
            first: Vec::new(),
        }
    }
}

impl Plan {
    /// Makes the plan for what was seen.
    pub fn of(seen: &Leftovers, options: &Options<'_>) -> Self {
        let (groups, alone) = groups(seen, options);
        let policies = kyverno::mutating(seen);
        let notes = policies.into_iter().map(|policy| {
            format!(
                "{policy} writes imagePullSecrets into other objects: keep serving the name that it writes, and delete the \
                 policy last. Templates of workloads keep the entry"
            )
        });
        Self {
            notes: notes.collect(),
            groups: groups.iter().map(|group| planned(seen, options, group)).collect(),
            alone,
        }
    }
}

fn planned(seen: &Leftovers, options: &Options<'_>, group: &Group<'_>) -> (GroupReport, Option<Proposal>) {
    let mut sorted = group.sorted(seen, options);
    let mut report = GroupReport {
        secret: group.name.to_owned(),
        namespaces: group.candidates.len(),
        contents: group.contents(),
        left_by: group.left_by(),
        ..GroupReport::default()
    };
    let proposal = match proposed(seen, options, group, &mut sorted) {
        Ok(proposal) => {
            filled(seen, &proposal, group.name, &mut report);
            Some(proposal)
        }
        Err(stopped) => {
            (report.verdict, report.why, report.first) = (stopped.verdict, Some(stopped.why), stopped.first);
            None
        }
    };
    report.left_alone = sorted.left;
    report.left_alone.sort();
    (report, proposal)
}

/// Decides about a group. `sorted` keeps what is left alone.
fn proposed(
    seen: &Leftovers,
    options: &Options<'_>,
    group: &Group<'_>,
    sorted: &mut Sorted<'_>,
) -> Result<Proposal, Stopped> {
    let existing = seen.objects.get(&object_name(group.name));
    let mut source = source(seen, options, group.name, existing)?;
    let common = common(seen, options, &source, group, sorted);
    let deviating = match &common {
        Ok(content) => sorted.deviating(content),
        // With a source and `--align`, no content of the Secrets matters.
        Err(_) if options.align && source.from_given => std::mem::take(&mut sorted.usable),
        Err(_) => Vec::new(),
    };
    let common = match common {
        Err(stopped) if deviating.is_empty() => return Err(stopped),
        common => common.ok(),
    };
    let mut members = members(sorted, deviating, options.align);
    if members.is_empty() {
        return Err(Stopped::new(Verdict::NothingToAdopt, "no Secret of it can be adopted"));
    }
    running(seen, &members)?;
    short_lived(&source, &members)?;
    if let Some(common) = common.filter(|_| source.content.digest.is_none()) {
        source.content = common;
        source.from = copied_from(&members, &source.content);
    }
    let object = accepted(seen, options, group, (existing, &source.name), sorted, &mut members)?;
    let accounts = unrecorded(seen, &members, group.name);
    Ok(Proposal {
        exists: existing.is_some(),
        source: Source {
            namespace: options.operator_namespace.to_owned(),
            name: source.name,
            from: source.from,
            content: source.content,
        },
        object,
        members,
        accounts,
    })
}

fn members(sorted: &mut Sorted<'_>, deviating: Vec<Candidate<'_>>, align: bool) -> Vec<Member> {
    let member = |candidate: &Candidate<'_>, aligned: bool| Member {
        secret: candidate.secret.clone(),
        found: candidate.found.clone(),
        aligned,
    };
    let mut members: Vec<Member> = sorted.usable.iter().map(|candidate| member(candidate, false)).collect();
    for candidate in deviating {
        let state = candidate.secret.state();
        if align || state == State::Adopted {
            members.push(member(&candidate, state != State::Adopted));
        } else {
            sorted.left.push(Refused {
                namespace: candidate.secret.meta.namespace.clone(),
                reason: Reason::Deviates,
                why: "its content is not that of its group: --align gives it that".to_owned(),
            });
        }
    }
    members.sort_by(|a, b| {
        let key = |member: &Member| (member.found.role == Role::Source, member.secret.meta.namespace.clone());
        key(a).cmp(&key(b))
    });
    members
}

/// A tool that runs would fight, or delete.
fn running(seen: &Leftovers, members: &[Member]) -> Result<(), Stopped> {
    let steps = members
        .iter()
        .flat_map(|member| blocks::first(seen, &member.secret, &member.found));
    let steps: BTreeSet<Step> = steps.collect();
    if steps.is_empty() {
        return Ok(());
    }
    Err(Stopped {
        first: steps.into_iter().collect(),
        ..Stopped::new(
            Verdict::StepsFirst,
            "the tool would write these Secrets again, or delete them",
        )
    })
}

/// Without their tool, such logins are never renewed.
fn short_lived(source: &Chosen, members: &[Member]) -> Result<(), Stopped> {
    let is_of_hours = |member: &&Member| about(member.found.tool).short_lived || member.secret.content.short_lived;
    let Some(member) = members.iter().find(is_of_hours).filter(|_| !source.from_given) else {
        return Ok(());
    };
    Err(Stopped::new(
        Verdict::ShortLived,
        format!(
            "{} renews a login of hours, and nothing does after it: create a Secret with a lasting login in the namespace \
             of the operator, and name it with --source",
            member.found.tool
        ),
    ))
}

fn copied_from(members: &[Member], content: &Content) -> Option<(String, String)> {
    let same = members.iter().filter(|member| member.secret.content.is_same(content));
    let places = same.map(|member| {
        let meta = &member.secret.meta;
        (meta.namespace.clone(), meta.name.clone())
    });
    places.min()
}

/// Returns the object, with the members that the operator takes over by it.
fn accepted(
    seen: &Leftovers,
    options: &Options<'_>,
    group: &Group<'_>,
    (existing, source): (Option<&ClusterPullSecret>, &str),
    sorted: &mut Sorted<'_>,
    members: &mut Vec<Member>,
) -> Result<ClusterPullSecret, Stopped> {
    let build = |members: &[Member], left: &[Refused]| {
        let wanted: BTreeSet<&str> = members
            .iter()
            .map(|member| member.secret.meta.namespace.as_str())
            .collect();
        // Where a person chose namespaces, no other one is meant.
        let meant = left.iter().filter(|left| left.reason != Reason::NotChosen);
        let left: BTreeSet<&str> = meant.map(|left| left.namespace.as_str()).collect();
        object(seen, group.name, source, options.operator_namespace, &wanted, &left)
    };
    let taken = |why: String| Stopped::new(Verdict::NameTaken, why);
    let judged = existing.cloned().unwrap_or_else(|| build(members, &sorted.left));
    let judge = Judge::new(seen, &judged, options.operator_namespace).map_err(taken)?;
    let mut kept = Vec::new();
    for member in members.drain(..) {
        match judge.refusal(seen, &member.secret, &member.found) {
            None => kept.push(member),
            Some(why) => sorted.left.push(Refused {
                namespace: member.secret.meta.namespace.clone(),
                reason: Reason::NotAccepted,
                why,
            }),
        }
    }
    *members = kept;
    if members.is_empty() {
        return Err(Stopped::new(Verdict::NothingToAdopt, "no Secret of it can be adopted"));
    }
    let object = existing.cloned().unwrap_or_else(|| build(members, &sorted.left));
    // With the policy Adopt the operator would also take over what is left alone.
    let judge = Judge::new(seen, &object, options.operator_namespace).map_err(taken)?;
    let would_take = |left: &&Refused| {
        let is_foreign = matches!(
            left.reason,
            Reason::Deviates | Reason::WrittenAgain | Reason::NotChosen | Reason::NoLogin
        );
        is_foreign && judge.selects(seen, &left.namespace)
    };
    if let Some(left) = sorted.left.iter().find(would_take) {
        return Err(taken(format!(
            "ClusterPullSecret {:?} selects namespace {}, whose Secret stays as it is: add it to spec.namespaces.excluded",
            object.metadata.name.as_deref().unwrap_or_default(),
            left.namespace
        )));
    }
    Ok(object)
}

/// Returns the accounts whose entry is not recorded yet.
fn unrecorded(seen: &Leftovers, members: &[Member], secret: &str) -> Vec<(String, String)> {
    let here = members
        .iter()
        .flat_map(|member| seen.accounts_in(&member.secret.meta.namespace));
    let is_open = |account: &&super::leftovers::Account| {
        let has = |names: &[String]| names.iter().any(|name| name == secret);
        !account.meta.deleting && has(&account.entries) && !has(&account.attached)
    };
    let places = here
        .filter(is_open)
        .map(|account| (account.meta.namespace.clone(), account.meta.name.clone()));
    places.collect::<BTreeSet<_>>().into_iter().collect()
}

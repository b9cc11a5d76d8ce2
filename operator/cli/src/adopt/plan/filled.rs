//! The plan of a group in words.

use std::collections::BTreeSet;

use crd::{ClusterPullSecret, ConflictPolicy};

use super::super::leftovers::Leftovers;
use super::super::propose::{Member, Proposal, copy_command};
use super::super::report::{Copy, GroupReport, Verdict};
use super::super::role::State;
use super::super::{after, keys, select, write};

/// Puts the proposal into the report.
pub(super) fn filled(seen: &Leftovers, proposal: &Proposal, secret: &str, report: &mut GroupReport) {
    let Proposal {
        object,
        source,
        members,
        accounts,
        ..
    } = proposal;
    let finished = object.spec.secret.conflict_policy == ConflictPolicy::Fail && !object.spec.suspend;
    let all = members.iter().all(|member| !write::needs_strip(seen, member));
    let adopted = members.iter().all(|member| member.state() == State::Adopted);
    if proposal.exists && finished && all && adopted && accounts.is_empty() {
        report.verdict = Verdict::Adopted;
    }
    report.servers = source.content.shown();
    report.copies = members
        .iter()
        .map(|member| Copy {
            namespace: member.secret.meta.namespace.clone(),
            tool: member.tool(),
            state: member.state(),
            aligned: member.aligned,
        })
        .collect();
    report.accounts = accounts
        .iter()
        .map(|(namespace, name)| format!("{namespace}/{name}"))
        .collect();
    report.source = Some(format!("{}/{}", source.namespace, source.name));
    report.copy_command = source.from.as_ref().map(|from| copy_command(from, source));
    let name = object.metadata.name.as_deref().unwrap_or_default();
    // Without what the server or others have added.
    report.object = Some(ClusterPullSecret::new(name, object.spec.clone()));
    report.after = after::steps(seen, name, members.iter().map(|member| (&member.secret, &member.found)));
    report.notes = notes(seen, proposal, secret);
}

fn notes(seen: &Leftovers, proposal: &Proposal, secret: &str) -> Vec<String> {
    let wanted: BTreeSet<&str> = proposal
        .members
        .iter()
        .map(|member| member.secret.meta.namespace.as_str())
        .collect();
    let mut notes = Vec::new();
    let besides = select::accounts(seen, &wanted, secret).1.len();
    if besides > 0 && !proposal.exists {
        notes.push(format!(
            "{besides} accounts without the entry get it at their end of the list, because others of their name have it"
        ));
    }
    let left_out: usize = proposal
        .members
        .iter()
        .map(|member| member.secret.content.left_out)
        .sum();
    if left_out > 0 {
        notes.push(format!(
            "{left_out} entries that no kubelet can use are not in the copies of the operator"
        ));
    }
    let keeps_logins = |member: &&Member| {
        keys::WITH_LOGINS
            .iter()
            .any(|key| member.secret.meta.annotations.contains_key(*key))
    };
    let count = proposal.members.iter().filter(keeps_logins).count();
    if count > 0 {
        notes.push(format!(
            "{count} Secrets have a login in an annotation, which is taken off for good: --undo does not put it back"
        ));
    }
    notes
}

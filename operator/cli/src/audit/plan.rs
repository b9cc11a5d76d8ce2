//! The order of steps that closes a registry and breaks no workload.

use super::context::Part;
use super::options::Options;
use super::report::{Finding, Step, StepKind};
use crate::verdict::{LoginOutcome, Reason};

/// Returns the steps over all contexts. A step is done only if the report proves it.
pub(super) fn steps(parts: &[Part], options: &Options) -> Vec<Step> {
    vec![
        try_login(parts, options),
        apply_object(parts),
        fix_workloads(parts),
        restart_pods(parts),
        audit_clean(parts, options),
        close_registry(options),
        drain_one_node(),
    ]
}

fn try_login(parts: &[Part], options: &Options) -> Step {
    let trials: Vec<LoginOutcome> = parts
        .iter()
        .flat_map(|part| part.report.logins.iter().map(|trial| trial.outcome))
        .collect();
    let refused = trials
        .iter()
        .filter(|outcome| **outcome == LoginOutcome::Refused)
        .count();
    let text = match (trials.len(), refused) {
        (0, _) => "Try the new login for every image in use.".to_owned(),
        (all, 0) => format!("Try the new login for every image in use: it was tried for {all}, and refused for none."),
        (all, refused) => format!("Try the new login for every image in use: it was refused for {refused} of {all}."),
    };
    Step {
        step: StepKind::TryLogin,
        done: !trials.is_empty() && trials.iter().all(|outcome| *outcome == LoginOutcome::Accepted),
        text,
        commands: vec![format!(
            "kubectl pullsecrets audit {}--login SECRET --probe",
            servers(options)
        )],
    }
}

fn apply_object(parts: &[Part]) -> Step {
    let ready = |part: &Part| part.objects.iter().any(|object| object.ready);
    let not_ready = parts
        .iter()
        .flat_map(|part| part.objects.iter().filter(|object| !object.ready));
    let mut commands: Vec<String> = not_ready
        .map(|object| {
            format!(
                "kubectl wait clusterpullsecret/{} --for=condition=Ready --timeout=5m",
                object.name
            )
        })
        .collect();
    if parts.iter().any(|part| part.objects.is_empty()) {
        commands.insert(0, "kubectl apply -f clusterpullsecret.yaml".to_owned());
    }
    commands.dedup();
    Step {
        step: StepKind::ApplyObject,
        done: !parts.is_empty() && parts.iter().all(ready),
        text: "Apply a ClusterPullSecret with the login in each context, and wait until it is Ready.".to_owned(),
        commands,
    }
}

/// An object cannot help a template with a list of its own, nor a Secret that kubelets cannot read.
fn fix_workloads(parts: &[Part]) -> Step {
    let is_left = |finding: &&Finding| {
        !matches!(
            finding.reason,
            Reason::TooEarly | Reason::NodeOnly | Reason::NoReference
        )
    };
    let left: Vec<&Finding> = findings(parts).filter(is_left).collect();
    Step {
        step: StepKind::FixWorkloads,
        done: left.is_empty(),
        text: format!(
            "Fix what a reference on the account does not: lists of templates, and Secrets that are missing, unreadable or \
             have no login ({} workloads).",
            left.len()
        ),
        commands: commands(left.into_iter()),
    }
}

fn restart_pods(parts: &[Part]) -> Step {
    let early: Vec<&Finding> = findings(parts)
        .filter(|finding| finding.reason == Reason::TooEarly)
        .collect();
    Step {
        step: StepKind::RestartPods,
        done: early.is_empty(),
        text: format!(
            "Restart the workloads whose Pods came too early, and no others ({}).",
            early.len()
        ),
        commands: commands(early.into_iter()),
    }
}

fn audit_clean(parts: &[Part], options: &Options) -> Step {
    let clean = findings(parts).next().is_none() && parts.iter().all(|part| part.report.is_complete());
    Step {
        step: StepKind::AuditClean,
        done: clean && !parts.is_empty(),
        text: "Repeat the audit until it finds nothing.".to_owned(),
        commands: vec![format!(
            "kubectl pullsecrets audit {}--fail-on next-pod",
            servers(options)
        )],
    }
}

fn close_registry(options: &Options) -> Step {
    let servers: Vec<String> = options.servers.iter().map(ToString::to_string).collect();
    let what = if servers.is_empty() {
        "the registry".to_owned()
    } else {
        servers.join(", ")
    };
    Step {
        step: StepKind::CloseRegistry,
        done: false,
        text: format!("Let {what} ask for a login."),
        commands: Vec::new(),
    }
}

fn drain_one_node() -> Step {
    Step {
        step: StepKind::DrainOneNode,
        done: false,
        text: "Drain one node, and see its Pods start elsewhere: that is the proof.".to_owned(),
        commands: vec!["kubectl drain NODE --ignore-daemonsets --delete-emptydir-data".to_owned()],
    }
}

fn findings(parts: &[Part]) -> impl Iterator<Item = &Finding> {
    parts.iter().flat_map(|part| part.findings.iter())
}

fn commands<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<String> {
    let mut commands: Vec<String> = findings.filter_map(|finding| finding.fix.clone()).collect();
    commands.sort();
    commands.dedup();
    commands
}

fn servers(options: &Options) -> String {
    options
        .servers
        .iter()
        .fold(String::new(), |all, server| format!("{all}{server} "))
}

use super::*;
use crate::audit::{PodCount, Summary};
use crate::output::{junit, names};
use crate::verdict::Reason;
use crate::world::{Kind, Unseen, WorkloadId};

fn finding(context: &str, workload: (&str, &str), fails: Fails, reason: Reason, why: &str) -> Finding {
    Finding {
        context: context.into(),
        namespace: "payments".into(),
        workload: WorkloadId::new(workload.0, workload.1),
        account: "default".into(),
        fails,
        reason,
        why: why.to_owned(),
        fix: None,
        images: Vec::new(),
        pods: PodCount::default(),
    }
}

fn report() -> Report {
    let eu = ContextReport {
        context: "prod-eu".into(),
        summary: Summary {
            workloads: 212,
            ready: 210,
            ..Summary::default()
        },
        not_seen: vec![NotSeen::NodeLogins, NotSeen::Mirrors],
        unseen: vec![Unseen {
            kind: Kind::CronJob,
            namespace: None,
            name: None,
            why: "you may not list them (403)".to_owned(),
        }],
        ..ContextReport::default()
    };
    let us = ContextReport {
        context: "prod-us".into(),
        error: Some("a.example:6443 cannot be reached".to_owned()),
        ..ContextReport::default()
    };
    let masked = "its template lists imagePullSecrets [old-robot], so those of account default are not used";
    Report {
        servers: vec!["harbor.example.com".to_owned()],
        contexts: vec![eu, us],
        findings: vec![
            finding("prod-eu", ("CronJob", "report"), Fails::NextPod, Reason::Masked, masked),
            finding(
                "prod-eu",
                ("Deployment", "api"),
                Fails::Now,
                Reason::TooEarly,
                "a Pod < early & waits",
            ),
        ],
        ..Report::default()
    }
}

fn shown(width: Option<usize>, wide: bool) -> String {
    let report = report();
    let text = AuditText {
        report: &report,
        wide,
        everywhere: true,
        terminal: Terminal { width, unicode: true },
        next: Some("kubectl pullsecrets audit harbor.example.com --plan"),
    };
    anstream::adapter::strip_str(&text.text()).to_string()
}

#[test]
fn findings_and_what_was_not_seen_are_rows() {
    assert_eq!(
        shown(Some(200), false),
        "CONTEXT   NAMESPACE   WORKLOAD         IMAGES   FAILS      REASON     WHY\n\
         prod-eu   payments    CronJob/report   0        next run   Masked     its template lists imagePullSecrets [old-robot], so those of account default are not used\n\
         prod-eu   payments    Deployment/api   0        now        TooEarly   a Pod < early & waits\n\
         prod-eu   -           -                -        -          NotSeen    cronjobs: you may not list them (403)\n\
         prod-us   -           -                -        -          NotSeen    a.example:6443 cannot be reached\n\
         \n\
         212 workloads in all namespaces use harbor.example.com: 210 are ready, 2 are not.\n\
         Not seen: logins and credential plugins of nodes, mirrors.\n\
         The answer is incomplete: see the rows NotSeen and Unknown.\n\
         \n\
         next: kubectl pullsecrets audit harbor.example.com --plan\n"
    );
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for wide in [false, true] {
        for line in shown(Some(80), wide).lines().filter(|line| !line.starts_with("next:")) {
            assert!(wide || line.chars().count() <= 80, "{line}");
        }
    }
    assert!(shown(Some(200), true).contains("ACCOUNT"));
}

#[test]
fn names_are_one_for_each_finding() {
    let expected = "prod-eu/payments/CronJob/report\nprod-eu/payments/Deployment/api\n";
    assert_eq!(names(&report()), expected);
}

#[test]
fn junit_has_failures_and_errors_by_context() {
    let text = junit(&report()).unwrap();
    assert!(
        text.contains(r#"<testsuite name="prod-eu" tests="4" skipped="0" errors="1" failures="2""#),
        "{text}"
    );
    assert!(
        text.contains(r#"<testsuite name="prod-us" tests="2" skipped="0" errors="1" failures="0""#),
        "{text}"
    );
    assert!(
        text.contains(r#"type="TooEarly""#) && text.contains("a Pod &lt; early &amp; waits"),
        "{text}"
    );
}

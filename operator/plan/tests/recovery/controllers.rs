//! What a controller says before its Pod is replaced.

use plan::observed::{ControllerKind, JobFacts, Pod, Template};
use plan::recovery::{Cause, Verdict, check};
use proptest::prelude::*;

use super::{controller, pod};

fn of(kind: ControllerKind) -> Pod {
    Pod {
        controller: Some(controller(kind)),
        ..pod()
    }
}

fn template() -> Template {
    Template {
        uid: "uid-of-controller".into(),
        deleting: false,
        account: Some("default".into()),
        names_secrets: false,
        job: JobFacts {
            limit: 6,
            ..JobFacts::default()
        },
    }
}

#[test]
fn a_template_must_leave_the_list_to_the_account() {
    let rows = [
        (Some(template()), Verdict::Replace),
        (None, Verdict::Later),
        (
            Some(Template {
                uid: "x".into(),
                ..template()
            }),
            Verdict::Later,
        ),
        (
            Some(Template {
                deleting: true,
                ..template()
            }),
            Verdict::Later,
        ),
        (
            Some(Template {
                names_secrets: true,
                ..template()
            }),
            Verdict::Leave(Cause::OwnList),
        ),
        (
            Some(Template {
                account: None,
                ..template()
            }),
            Verdict::Leave(Cause::OwnList),
        ),
        (
            Some(Template {
                account: Some("x".into()),
                ..template()
            }),
            Verdict::Leave(Cause::OtherAccount),
        ),
    ];
    for (template, expected) in rows {
        for kind in [
            ControllerKind::ReplicaSet,
            ControllerKind::StatefulSet,
            ControllerKind::Job,
        ] {
            assert_eq!(check(&of(kind), template.as_ref()), expected, "{kind:?} {template:?}");
        }
    }
}

#[test]
fn a_job_must_afford_the_failure() {
    let job = template().job;
    let rows = [
        (job, Verdict::Replace),
        (JobFacts { failed: 5, ..job }, Verdict::Replace),
        (JobFacts { failed: 6, ..job }, Verdict::Leave(Cause::JobFails)),
        (JobFacts { limit: 0, ..job }, Verdict::Leave(Cause::JobFails)),
        (
            JobFacts {
                fails_per_index: true,
                ..job
            },
            Verdict::Leave(Cause::JobFails),
        ),
        (
            JobFacts {
                is_managed_elsewhere: true,
                ..job
            },
            Verdict::Leave(Cause::OtherController),
        ),
        (JobFacts { is_idle: true, ..job }, Verdict::Later),
        (
            JobFacts {
                is_unsettled: true,
                ..job
            },
            Verdict::Later,
        ),
    ];
    for (job, expected) in rows {
        let template = Template { job, ..template() };
        assert_eq!(check(&of(ControllerKind::Job), Some(&template)), expected, "{job:?}");
        assert_eq!(check(&of(ControllerKind::DaemonSet), Some(&template)), Verdict::Replace);
    }
}

proptest! {
    /// No Job fails because one of its Pods was replaced: one more failure stays within its limit.
    #[test]
    fn no_job_fails_by_a_replacement(limit in 0_i64..4, failed in 0_i64..5, flags in 0_u8..16) {
        let flag = |bit: u8| flags & (1 << bit) != 0;
        let job = JobFacts {
            is_managed_elsewhere: flag(0), fails_per_index: flag(1), is_idle: flag(2), is_unsettled: flag(3), limit, failed,
        };
        let template = Template { job, ..template() };
        if check(&of(ControllerKind::Job), Some(&template)) == Verdict::Replace {
            prop_assert!(failed < limit && flags == 0, "{:?}", job);
        }
    }
}

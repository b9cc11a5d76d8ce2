//! `JUnit` XML, as CI systems read it: a suite for each context, a failure for each finding, an error for what was not seen.

use quick_junit::{NonSuccessKind, Report as Junit, TestCase, TestCaseStatus, TestSuite};

use crate::audit::{ContextReport, Report};

/// Returns the report as `JUnit` XML.
pub fn junit(report: &Report) -> Result<String, String> {
    let mut all = Junit::new("kubectl pullsecrets audit");
    for context in &report.contexts {
        let mut suite = TestSuite::new(context.context.to_string());
        for finding in report
            .findings
            .iter()
            .filter(|finding| finding.context == context.context)
        {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(finding.reason.to_string());
            status.set_message(finding.why.clone());
            let mut case = TestCase::new(format!("{}/{}", finding.namespace, finding.workload), status);
            case.set_classname(finding.namespace.to_string());
            suite.add_test_case(case);
        }
        for (name, why) in not_seen(context) {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type("NotSeen");
            status.set_message(why);
            suite.add_test_case(TestCase::new(name, status));
        }
        let ready = format!(
            "{} of {} workloads are ready",
            context.summary.ready, context.summary.workloads
        );
        suite.add_test_case(TestCase::new(ready, TestCaseStatus::success()));
        all.add_test_suite(suite);
    }
    all.to_string()
        .map_err(|_| "the result cannot be written as JUnit".to_owned())
}

fn not_seen(context: &ContextReport) -> Vec<(String, String)> {
    let error = context
        .error
        .iter()
        .map(|error| ("the context".to_owned(), error.clone()));
    let unseen = context
        .unseen
        .iter()
        .map(|unseen| (unseen.kind.plural().to_owned(), unseen.to_string()));
    let problems = context
        .problems
        .iter()
        .map(|problem| ("an object".to_owned(), problem.to_string()));
    error.chain(unseen).chain(problems).collect()
}

//! One name for each finding.

use std::collections::BTreeSet;

use crate::audit::Report;

/// Returns a line `CONTEXT/NAMESPACE/KIND/NAME` for each workload with a finding.
pub fn names(report: &Report) -> String {
    let names = report.findings.iter().map(|finding| {
        let crate::audit::Finding {
            context,
            namespace,
            workload,
            ..
        } = finding;
        format!("{context}/{namespace}/{workload}\n")
    });
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

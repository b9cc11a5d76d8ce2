//! Several contexts in one report.

use super::context::Part;
use super::options::Options;
use super::plan;
use super::report::{ContextReport, Report};

impl Report {
    /// Joins the audits of several contexts.
    pub fn of(parts: Vec<Part>, options: &Options, with_plan: bool) -> Self {
        let plan = if with_plan {
            plan::steps(&parts, options)
        } else {
            Vec::new()
        };
        let (mut contexts, mut findings) = (Vec::new(), Vec::new());
        for part in parts {
            contexts.push(part.report);
            findings.extend(part.findings);
        }
        contexts.sort_by(|a, b| a.context.cmp(&b.context));
        findings.sort_by(|a, b| a.order().cmp(&b.order()));
        Self {
            complete: contexts.iter().all(ContextReport::is_complete),
            servers: options.servers.iter().map(ToString::to_string).collect(),
            contexts,
            findings,
            plan,
            ..Self::default()
        }
    }
}

//! The report for people.

use std::fmt::Write as _;

use super::report::{ContextReport, Done, Report};
use crate::output::{Table, Tone};

/// Returns the table of what is left. It is empty if nothing is left.
pub fn table(report: &Report) -> Table {
    let mut table = Table::new(&["CONTEXT", "OBJECT", "NAMESPACE", "REASON", "WHY"]);
    for context in &report.contexts {
        for left in &context.left {
            let tone = if left.incomplete { Tone::Bad } else { Tone::Warning };
            let plain = |text: &Option<String>| (text.clone().unwrap_or_default(), Tone::Plain);
            table.row(vec![
                (context.context.clone(), Tone::Plain),
                plain(&left.object),
                plain(&left.namespace),
                (left.reason.clone(), tone),
                (left.why.clone(), Tone::Plain),
            ]);
        }
    }
    table
}

/// Returns a line for each context.
pub fn summary(report: &Report, delete: bool) -> String {
    let width = report
        .contexts
        .iter()
        .map(|context| context.context.chars().count())
        .max();
    let lines = report.contexts.iter().map(|context| {
        let name = &context.context;
        format!(
            "{name:width$}   {}\n",
            of(context, report, delete),
            width = width.unwrap_or(0)
        )
    });
    lines.collect()
}

fn of(context: &ContextReport, report: &Report, delete: bool) -> String {
    let mut words = Vec::new();
    for (done, word) in [
        (Done::Created, "created"),
        (Done::Configured, "changed"),
        (Done::Unchanged, "unchanged"),
        (Done::Deleted, "deleted"),
        (Done::Absent, "not there"),
        (Done::Accepted, "accepted"),
    ] {
        let count = context.written.iter().filter(|written| written.done == done).count();
        if count > 0 {
            words.push(format!("{count} {word}"));
        }
    }
    if words.is_empty() {
        words.push("nothing was written".to_owned());
    }
    if report.dry_run {
        words.push("dry run, nothing is stored".to_owned());
    } else if !delete && !context.written.is_empty() {
        words.push(format!("{} of {} namespaces served", context.served, context.selected));
    }
    words.join(", ")
}

/// Returns a line `CONTEXT/[NAMESPACE/]KIND/NAME` for each object that was written.
pub fn names(report: &Report) -> String {
    let mut lines = String::new();
    for context in &report.contexts {
        for written in &context.written {
            let namespace = written.namespace.as_ref().map(|namespace| format!("{namespace}/"));
            let (context, namespace, name) = (&context.context, namespace.unwrap_or_default(), &written.name);
            let _ = writeln!(lines, "{context}/{namespace}{name}");
        }
    }
    lines
}

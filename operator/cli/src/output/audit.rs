//! An audit for people.

use std::fmt::Write as _;

use super::style::{Paint as _, Tone};
use super::table::{Table, wrapped};
use super::terminal::Terminal;
use crate::audit::{ContextReport, Fails, Finding, NotSeen, Report, Step, UnusedWhy};
use crate::verdict::Reason;

/// How an audit is shown.
#[derive(Clone, Copy, Debug)]
pub struct AuditText<'a> {
    /// The audit.
    pub report: &'a Report,
    /// With more columns, and what is unused.
    pub wide: bool,
    /// It covers all namespaces.
    pub everywhere: bool,
    /// The terminal.
    pub terminal: Terminal,
    /// The command for the next step, if there is one.
    pub next: Option<&'a str>,
}

impl AuditText<'_> {
    /// Returns the text.
    pub fn text(&self) -> String {
        let mut blocks = vec![
            self.registries(),
            self.findings(),
            self.unused(),
            self.sums(),
            self.plan(),
        ];
        if let Some(next) = self.next {
            blocks.push(format!("next: {next}\n"));
        }
        blocks.retain(|block| !block.is_empty());
        blocks.join("\n")
    }

    /// Without servers, a line for each registry in use.
    fn registries(&self) -> String {
        let mut table = Table::new(&["CONTEXT", "REGISTRY", "REPOSITORIES", "WORKLOADS", "READY", "NOT READY"]);
        if !self.report.servers.is_empty() {
            return String::new();
        }
        for context in &self.report.contexts {
            for registry in &context.registries {
                let reasons = registry
                    .by_reason
                    .iter()
                    .rev()
                    .map(|(reason, count)| format!("{count} {reason}"));
                let reasons = reasons.collect::<Vec<_>>().join(", ");
                table.row(vec![
                    plain(context.context.as_str()),
                    plain(registry.registry.as_str()),
                    plain(&registry.repositories),
                    plain(&registry.workloads),
                    plain(&registry.ready),
                    (reasons, Tone::Warning),
                ]);
            }
        }
        if table.is_empty() {
            String::new()
        } else {
            table.text(self.terminal.width)
        }
    }

    fn findings(&self) -> String {
        let narrow = ["CONTEXT", "NAMESPACE", "WORKLOAD", "IMAGES", "FAILS", "REASON", "WHY"];
        let wide = [
            "CONTEXT",
            "NAMESPACE",
            "WORKLOAD",
            "ACCOUNT",
            "PODS",
            "IMAGES",
            "FAILS",
            "REASON",
            "WHY",
        ];
        let mut table = Table::new(if self.wide { &wide } else { &narrow });
        // Without a server the registries are the answer: each workload would bury them.
        let shown = self.wide || !self.report.servers.is_empty();
        for finding in self.report.findings.iter().filter(|_| shown) {
            table.row(self.finding(finding));
        }
        for context in &self.report.contexts {
            for why in incomplete(context) {
                let empty = if self.wide { 6 } else { 4 };
                let mut row = vec![plain(context.context.as_str())];
                row.extend((0..empty).map(|_| plain("")));
                row.extend([("NotSeen".to_owned(), Tone::Bad), plain(&why)]);
                table.row(row);
            }
        }
        if table.is_empty() {
            String::new()
        } else {
            table.text(self.terminal.width)
        }
    }

    fn finding(&self, finding: &Finding) -> Vec<(String, Tone)> {
        let mut row = vec![
            plain(finding.context.as_str()),
            plain(finding.namespace.as_str()),
            plain(&finding.workload),
        ];
        if self.wide {
            row.push(plain(finding.account.as_str()));
            row.push(plain(&finding.pods.all));
        }
        let tone = if finding.fails == Fails::Now {
            Tone::Bad
        } else {
            Tone::Warning
        };
        row.push(plain(&finding.images.len()));
        row.push((fails(finding).to_owned(), tone));
        row.push((finding.reason.to_string(), tone));
        row.push(plain(finding.why.as_str()));
        row
    }

    fn unused(&self) -> String {
        let mut table = Table::new(&["CONTEXT", "NAMESPACE", "UNUSED", "WHY"]);
        for context in &self.report.contexts {
            for reference in &context.unused_references {
                let why = match reference.why {
                    UnusedWhy::SecretMissing => "the Secret does not exist",
                    UnusedWhy::NoImage => "no image of a Pod with this reference matches a key",
                };
                table.row(vec![
                    plain(context.context.as_str()),
                    plain(reference.namespace.as_str()),
                    plain(&format!("reference {} of {}", reference.secret, reference.holder)),
                    plain(why),
                ]);
            }
            for secret in context.unused_secrets.iter().flatten() {
                table.row(vec![
                    plain(context.context.as_str()),
                    plain(secret.namespace.as_str()),
                    plain(&format!("Secret {}", secret.name)),
                    plain("no account, template or Pod refers to it"),
                ]);
            }
        }
        if !self.wide || table.is_empty() {
            String::new()
        } else {
            table.text(self.terminal.width)
        }
    }

    fn sums(&self) -> String {
        let (mut all, mut ready, mut unused) = (0, 0, 0);
        let mut not_seen = Vec::new();
        for context in &self.report.contexts {
            all += context.summary.workloads;
            ready += context.summary.ready;
            unused += context.unused_references.len() + context.unused_secrets.as_ref().map_or(0, Vec::len);
            not_seen.extend(context.not_seen.iter().copied());
        }
        let servers = match self.report.servers.as_slice() {
            [] => String::new(),
            servers => format!(" use {}", servers.join(", ")),
        };
        let left = all - ready.min(all);
        let tone = if left == 0 { Tone::Good } else { Tone::Warning };
        let place = if self.everywhere { " in all namespaces" } else { "" };
        let mut text = String::new();
        let mut say = |line: &str, tone: Tone| {
            for line in wrapped(line, self.terminal.width.unwrap_or(usize::MAX)) {
                let _ = writeln!(text, "{}", line.paint(tone));
            }
        };
        let counts = format!("{all} workloads{place}{servers}: {ready} are ready, {left} are not.");
        say(&counts, tone);
        not_seen.sort_unstable();
        not_seen.dedup();
        if !not_seen.is_empty() {
            let words: Vec<&str> = not_seen.into_iter().map(in_words).collect();
            say(&format!("Not seen: {}.", words.join(", ")), Tone::Plain);
        }
        if unused > 0 && !self.wide {
            let line = format!("Unused references and Secrets: {unused}. -o wide lists them.");
            say(&line, Tone::Plain);
        }
        if !self.report.complete {
            say(
                "The answer is incomplete: see the rows NotSeen and Unknown.",
                Tone::Plain,
            );
        }
        text
    }

    fn plan(&self) -> String {
        let mut text = String::new();
        for (
            at,
            Step {
                done,
                text: step,
                commands,
                ..
            },
        ) in self.report.plan.iter().enumerate()
        {
            let mark = if *done { "done" } else { "to do" };
            let first = format!("{}. [{mark}] {step}", at + 1);
            let mut lines = wrapped(&first, self.terminal.width.unwrap_or(usize::MAX)).into_iter();
            let _ = writeln!(text, "{}", lines.next().unwrap_or_default());
            for more in lines {
                let _ = writeln!(text, "   {more}");
            }
            // Never broken: people copy them.
            for command in commands {
                let _ = writeln!(text, "     {command}");
            }
        }
        text
    }
}

fn plain(text: &(impl ToString + ?Sized)) -> (String, Tone) {
    (text.to_string(), Tone::Plain)
}

fn fails(finding: &Finding) -> &'static str {
    match finding.fails {
        Fails::Now => "now",
        Fails::OnRestart => "on restart",
        Fails::NextPod if finding.reason == Reason::Unknown => "unknown",
        Fails::NextPod if &*finding.workload.kind == "CronJob" => "next run",
        Fails::NextPod => "next Pod",
    }
}

fn in_words(not_seen: NotSeen) -> &'static str {
    match not_seen {
        NotSeen::NodeLogins => "logins and credential plugins of nodes",
        NotSeen::SandboxImage => "the sandbox image",
        NotSeen::PreloadedImages => "preloaded images",
        NotSeen::Mirrors => "mirrors",
        NotSeen::StaticPods => "static Pods",
    }
}

/// Most rows about what was not seen in one context.
const MOST: usize = 10;

fn incomplete(context: &ContextReport) -> Vec<String> {
    let unseen = context.unseen.iter().map(ToString::to_string);
    let problems = context.problems.iter().map(ToString::to_string);
    let mut all: Vec<String> = context.error.iter().cloned().chain(unseen).chain(problems).collect();
    let more = all.len().saturating_sub(MOST);
    if more > 0 {
        all.truncate(MOST);
        all.push(format!("and {more} more: -o json lists them"));
    }
    all
}

#[cfg(test)]
mod tests;

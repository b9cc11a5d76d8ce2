//! A plan of adoption for people, and its objects for Git.

use std::fmt::Write as _;

use super::style::{Paint as _, Tone};
use super::table::{Table, wrapped};
use super::terminal::Terminal;
use super::yaml;
use crate::adopt::{AdoptReport, ContextPlan, GroupReport, Reason, Step, Verdict};

/// How many names are listed. JSON has all.
const SHOWN: usize = 5;

/// The longest line of a sentence where no terminal sets it.
const WIDEST: usize = 120;

/// How a plan is shown.
#[derive(Clone, Copy, Debug)]
pub struct AdoptText<'a> {
    /// The plan.
    pub report: &'a AdoptReport,
    /// The terminal.
    pub terminal: Terminal,
    /// It was carried out, or is about to be.
    pub applied: bool,
    /// The command for the next step, if there is one.
    pub next: Option<&'a str>,
}

impl AdoptText<'_> {
    /// Returns the text.
    pub fn text(&self) -> String {
        let mut blocks = vec![self.table()];
        for context in &self.report.contexts {
            blocks.extend(context.groups.iter().map(|group| self.group(context, group)));
        }
        blocks.push(self.sums());
        if let Some(next) = self.next {
            blocks.push(format!("next: {next}\n"));
        }
        blocks.retain(|block| !block.is_empty());
        blocks.join("\n")
    }

    fn table(&self) -> String {
        let mut table = Table::new(&["CONTEXT", "SECRET", "NAMESPACES", "CONTENTS", "PLAN", "LEFT BY"]);
        for context in &self.report.contexts {
            let first = || (context.context.clone(), Tone::Plain);
            for group in &context.groups {
                let plain = |text: String| (text, Tone::Plain);
                table.row(vec![
                    first(),
                    plain(group.secret.clone()),
                    plain(group.namespaces.to_string()),
                    plain(group.contents.to_string()),
                    verdict(group.verdict),
                    plain(left_by(group)),
                ]);
            }
            for why in context.error.iter().chain(&context.unread) {
                let empty = || (String::new(), Tone::Plain);
                let state = ("NotSeen".to_owned(), Tone::Bad);
                table.row(vec![
                    first(),
                    empty(),
                    empty(),
                    empty(),
                    state,
                    (why.clone(), Tone::Plain),
                ]);
            }
        }
        if table.is_empty() {
            return String::new();
        }
        table.text(self.terminal.width)
    }

    fn group(&self, context: &ContextPlan, group: &GroupReport) -> String {
        let mut text = String::new();
        let several = self.report.contexts.len() > 1;
        let place = if several {
            format!("{} ", context.context)
        } else {
            String::new()
        };
        let (word, tone) = verdict(group.verdict);
        let _ = writeln!(text, "{place}{}: {}", group.secret, word.paint(tone));
        if let Some(why) = &group.why {
            self.line(&mut text, "why", why);
        }
        self.steps(&mut text, "first", &group.first);
        if group.verdict == Verdict::Adopt {
            self.proposal(&mut text, group);
        }
        for (what, reasons) in left_alone(group) {
            self.line(&mut text, what, &reasons);
        }
        for note in &group.notes {
            self.line(&mut text, "note", note);
        }
        if matches!(group.verdict, Verdict::Adopt | Verdict::Adopted) {
            self.steps(&mut text, "then", &group.after);
        }
        text
    }

    fn proposal(&self, text: &mut String, group: &GroupReport) {
        if let (Some(source), Some(_)) = (&group.source, &group.copy_command) {
            self.line(
                text,
                "source",
                &format!(
                    "{source} becomes a copy made inside the cluster, for {}",
                    group.servers.join(", ")
                ),
            );
        } else if let Some(source) = &group.source {
            self.line(text, "source", &format!("{source}, for {}", group.servers.join(", ")));
        }
        if let Some(object) = &group.object {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            self.line(
                text,
                "object",
                &format!(
                    "ClusterPullSecret {name}, suspended and with conflictPolicy Adopt until all copies are taken over"
                ),
            );
        }
        let (aligned, kept): (Vec<_>, Vec<_>) = group.copies.iter().partition(|copy| copy.aligned);
        let names = |copies: &[&crate::adopt::Copy]| some(copies.iter().map(|copy| copy.namespace.as_str()));
        self.line(
            text,
            "copies",
            &format!("{} keep uid and login: {}", kept.len(), names(&kept)),
        );
        if !aligned.is_empty() {
            self.line(
                text,
                "align",
                &format!(
                    "{} keep their uid and get the login of the group: {}",
                    aligned.len(),
                    names(&aligned)
                ),
            );
        }
        let entries = group.accounts.iter().map(String::as_str);
        if !group.accounts.is_empty() {
            self.line(
                text,
                "accounts",
                &format!(
                    "{} entries stay where they are, and are recorded: {}",
                    group.accounts.len(),
                    some(entries)
                ),
            );
        }
    }

    /// Adds a sentence under a word, broken where the terminal ends.
    fn line(&self, text: &mut String, what: &str, sentence: &str) {
        let room = self.terminal.width.unwrap_or(WIDEST).saturating_sub(14);
        for (at, line) in wrapped(sentence, room).iter().enumerate() {
            let head = if at == 0 { what } else { "" };
            let _ = writeln!(text, "  {head:<12}{line}");
        }
    }

    /// Adds steps. Commands are never broken.
    fn steps(&self, text: &mut String, what: &str, steps: &[Step]) {
        for step in steps {
            self.line(text, what, &step.why);
            if let Some(command) = &step.command {
                let _ = writeln!(text, "     {command}");
            }
        }
    }

    fn sums(&self) -> String {
        let contexts = &self.report.contexts;
        let groups: usize = contexts.iter().map(|context| context.groups.len()).sum();
        let alone: usize = contexts.iter().map(|context| context.alone).sum();
        let mut sentences = Vec::new();
        if groups == 0 {
            sentences.push("Nothing to adopt was found.".to_owned());
        }
        if alone > 0 {
            sentences.push(format!(
                "{alone} pull secrets are alone under their name, and nothing marks them: not proposed."
            ));
        }
        sentences.extend(contexts.iter().flat_map(|context| context.notes.iter().cloned()));
        if !self.applied {
            sentences.push("Nothing was written.".to_owned());
        }
        let room = self.terminal.width.unwrap_or(WIDEST);
        let lines = sentences.iter().flat_map(|sentence| wrapped(sentence, room));
        lines.map(|line| line + "\n").collect()
    }
}

fn verdict(verdict: Verdict) -> (String, Tone) {
    let tone = match verdict {
        Verdict::Adopt | Verdict::Adopted => Tone::Good,
        Verdict::StepsFirst => Tone::Warning,
        _ => Tone::Plain,
    };
    (format!("{verdict:?}"), tone)
}

fn left_by(group: &GroupReport) -> String {
    let by = |left: &crate::adopt::LeftBy| {
        let count = if group.left_by.len() > 1 {
            format!("{} by ", left.count)
        } else {
            String::new()
        };
        format!("{count}{} ({})", left.tool, left.evidence)
    };
    group.left_by.iter().map(by).collect::<Vec<_>>().join(", ")
}

/// What is left alone, by its reason in words.
fn left_alone(group: &GroupReport) -> Vec<(&'static str, String)> {
    let mut lines: Vec<(&'static str, &str, Vec<&str>)> = Vec::new();
    for left in &group.left_alone {
        let what = match left.reason {
            Reason::Deviates => "deviates",
            _ => "left alone",
        };
        match lines
            .iter_mut()
            .find(|(known, why, _)| *known == what && *why == left.why)
        {
            Some((_, _, names)) => names.push(&left.namespace),
            None => lines.push((what, &left.why, vec![&left.namespace])),
        }
    }
    let line =
        |(what, why, names): (&'static str, &str, Vec<&str>)| (what, format!("{}: {why}", some(names.into_iter())));
    lines.into_iter().map(line).collect()
}

/// Lists the first names.
fn some<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Returns the objects for Git. The source is in comments, because it has no data there.
pub fn manifests(report: &AdoptReport) -> Result<String, String> {
    let mut documents = Vec::new();
    for context in &report.contexts {
        for group in context.groups.iter().filter(|group| group.verdict == Verdict::Adopt) {
            documents.push(document(context, group)?);
        }
    }
    Ok(documents.join("---\n"))
}

fn document(context: &ContextPlan, group: &GroupReport) -> Result<String, String> {
    let Some(object) = &group.object else {
        return Ok(String::new());
    };
    let mut text = format!("# Context {}, Secrets {}.\n", context.context, group.secret);
    if let (Some(command), Some(source)) = (&group.copy_command, &group.source) {
        let (namespace, name) = source.split_once('/').unwrap_or_default();
        text.push_str("#\n# The source has no data here. This command makes it with the login, inside the cluster:\n");
        let _ = writeln!(text, "#     {command}\n#");
        for line in [
            "apiVersion: v1".to_owned(),
            "kind: Secret".to_owned(),
            "metadata:".to_owned(),
            format!("  name: {name}"),
            format!("  namespace: {namespace}"),
            "type: kubernetes.io/dockerconfigjson".to_owned(),
        ] {
            let _ = writeln!(text, "# {line}");
        }
    }
    text.push_str(
        "#\n# The object starts suspended. `adopt --apply` takes the marks of the other tool off, and sets the last two fields\n\
         # that Git should have afterwards: suspend false, and conflictPolicy Fail.\n",
    );
    text.push_str(&yaml(object)?);
    Ok(text)
}

//! The steps of a kubelet for one image and one list.

use plan::docker_config::EntryName;

use super::{Mark, Step, Teller};
use crate::verdict::{LoginOutcome, Reason, Verdict, View};
use crate::world::{Content, Entry, Secret, Text};

impl Step {
    pub(super) fn new(mark: Mark, step: &'static str, text: impl Into<String>) -> Self {
        Self {
            mark,
            step,
            text: text.into(),
        }
    }
}

impl Teller<'_> {
    /// The steps from the references to the login.
    pub(super) fn steps(&self, references: Step, names: &[Text], image: &Text, verdict: &Verdict) -> Vec<Step> {
        let view = View::of(self.judge.world, self.namespace, names);
        let tried = view.tried(image);
        let secrets = secrets(&view);
        let ends = secrets.mark == Mark::Bad && view.unreadable().is_some();
        let keys = if ends {
            Step::new(Mark::Skipped, "keys", "none are read")
        } else {
            keys(&view, &tried, verdict)
        };
        let mut steps = vec![references, secrets, keys];
        let sent: Vec<&(&Text, &Entry)> = tried.iter().filter(|(_, entry)| !entry.blank).collect();
        if !ends && !sent.is_empty() {
            steps.push(self.login(&sent, image));
        }
        if !ends && sent.is_empty() {
            steps.push(Step::new(
                Mark::Unknown,
                "node",
                "a login of the node may answer; the API does not show it",
            ));
        }
        steps
    }

    fn login(&self, sent: &[&(&Text, &Entry)], image: &Text) -> Step {
        let outcomes: Vec<LoginOutcome> = sent
            .iter()
            .map(|(_, entry)| self.judge.evidence.of_login(entry.login, image))
            .collect();
        if outcomes.contains(&LoginOutcome::Accepted) {
            Step::new(Mark::Good, "login", "the registry accepts it")
        } else if outcomes.iter().all(|outcome| *outcome == LoginOutcome::Refused) {
            Step::new(Mark::Bad, "login", "the registry refuses it")
        } else {
            Step::new(Mark::Unknown, "login", "not tried; --login tries one")
        }
    }
}

fn secrets(view: &View<'_>) -> Step {
    if let Some((name, why)) = view.unreadable() {
        let text = format!("{name} cannot be read by a kubelet, so it pulls no image of this Pod: {why}");
        return Step::new(Mark::Bad, "secrets", text);
    }
    if let Some((name, why)) = view.unseen {
        return Step::new(Mark::Unknown, "secrets", format!("{name} could not be read: {why}"));
    }
    if view.is_empty() {
        return Step::new(Mark::Skipped, "secrets", "none to read");
    }
    let missing: Vec<&str> = view.missing.iter().map(|name| name.as_str()).collect();
    let found: Vec<String> = view
        .found
        .iter()
        .map(|(name, secret)| described(name, secret))
        .collect();
    let text = match (found.is_empty(), missing.is_empty()) {
        (_, true) => found.join("; "),
        (true, false) => format!("{} does not exist", missing.join(", ")),
        (false, false) => format!(
            "{}; {} does not exist, and the kubelet goes on without it",
            found.join("; "),
            missing.join(", ")
        ),
    };
    let mark = if found.is_empty() { Mark::Bad } else { Mark::Good };
    Step::new(mark, "secrets", text)
}

/// Names a Secret and its servers. Other keys are counted only.
pub(super) fn described(name: &str, secret: &Secret) -> String {
    match secret.content.as_ref() {
        Content::Unreadable(why) => format!("{name} cannot be read: {why}"),
        Content::Ignored(why) => format!("{name} is ignored: {why}"),
        Content::Entries(entries) if entries.is_empty() => format!("{name} has no entries"),
        Content::Entries(entries) => format!("{name} has {}", servers(entries)),
    }
}

/// The most servers that are named.
const MOST: usize = 5;

fn servers(entries: &[Entry]) -> String {
    let names = entries.iter().map(Entry::name);
    let servers: Vec<String> = names
        .filter_map(|name| match name {
            EntryName::Server(server) => Some(server),
            EntryName::Place(_) => None,
        })
        .take(MOST)
        .collect();
    match entries.len() - servers.len() {
        0 => servers.join(", "),
        more if servers.is_empty() => format!("{more} entries that are no servers"),
        more => format!("{} and {more} more", servers.join(", ")),
    }
}

fn keys(view: &View<'_>, tried: &[(&Text, &Entry)], verdict: &Verdict) -> Step {
    if view.found.is_empty() {
        return Step::new(Mark::Skipped, "keys", "none match");
    }
    let sent: Vec<String> = tried
        .iter()
        .filter(|(_, entry)| !entry.blank)
        .map(|(name, entry)| format!("{} of {name}", entry.name().shown()))
        .collect();
    if !sent.is_empty() {
        return Step::new(Mark::Good, "keys", sent.join(", then "));
    }
    let text = if verdict.reason == Reason::NoKey {
        verdict.why.clone()
    } else {
        "none match".to_owned()
    };
    Step::new(Mark::Bad, "keys", text)
}

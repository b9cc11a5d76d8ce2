//! The table of all objects.

use super::{ObjectState, States, Unread, is_observed};
use crate::output::{Table, Tone};

/// Returns the table of all objects, with a row for each context that could not be asked.
pub fn overview(all: &States, wide: bool) -> Table {
    let narrow = [
        "CONTEXT",
        "NAME",
        "READY",
        "REASON",
        "NAMESPACES",
        "ACCOUNTS",
        "MESSAGE",
    ];
    let more = [
        "CONTEXT",
        "NAME",
        "READY",
        "REASON",
        "NAMESPACES",
        "ACCOUNTS",
        "REGISTRIES",
        "COPY",
        "MESSAGE",
    ];
    let mut table = Table::new(if wide { &more } else { &narrow });
    for state in &all.objects {
        table.row(row(state, wide));
    }
    for unread in &all.unread {
        table.row(not_seen(unread, wide));
    }
    table
}

fn row(state: &ObjectState, wide: bool) -> Vec<(String, Tone)> {
    let status = state.object.status.clone().unwrap_or_default();
    let (word, reason, message) = words(state);
    let tone = if word == "True" && state.deletion.is_none() {
        Tone::Good
    } else {
        Tone::Warning
    };
    let summary = |counts: Option<crd::Counts>| plain(counts.map(|counts| counts.summary).unwrap_or_default());
    let mut row = vec![
        plain(state.context.clone()),
        plain(state.object.metadata.name.clone().unwrap_or_default()),
        (word.to_owned(), tone),
        (reason, tone),
        summary(status.namespaces),
        summary(status.service_accounts),
    ];
    if wide {
        row.push(plain(status.registries_ready.unwrap_or_default()));
        row.push(plain(status.secret_name.unwrap_or_default()));
    }
    row.push(plain(message));
    row
}

/// Whether the object is ready, the reason, and the reason in a sentence.
pub(crate) fn words(state: &ObjectState) -> (&'static str, String, String) {
    let object = &state.object;
    let ready = object.status.as_ref().and_then(crd::ClusterPullSecretStatus::ready);
    let word = ready.map_or("Unknown", |ready| ready.status.as_str());
    let (reason, message) = match (&state.deletion, ready) {
        (Some(deletion), _) => ("Deleting", deletion.advice()),
        (None, Some(_)) if !is_observed(object) => (
            "NotObserved",
            "the operator has not seen the last change yet".to_owned(),
        ),
        (None, Some(ready)) if word == "True" => (ready.reason.as_str(), String::new()),
        (None, Some(ready)) => (ready.reason.as_str(), ready.message.clone()),
        (None, None) => (
            "NoStatus",
            "the operator has not reported on it yet: is it running?".to_owned(),
        ),
    };
    (word, reason.to_owned(), message)
}

fn not_seen(unread: &Unread, wide: bool) -> Vec<(String, Tone)> {
    let empty = |count: usize| (0..count).map(|_| plain(String::new()));
    let mut row = vec![plain(unread.context.clone())];
    row.extend(empty(2));
    row.push(("NotSeen".to_owned(), Tone::Bad));
    row.extend(empty(if wide { 4 } else { 2 }));
    row.push(plain(unread.why.clone()));
    row
}

fn plain(text: String) -> (String, Tone) {
    (text, Tone::Plain)
}

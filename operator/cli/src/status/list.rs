//! The table of all objects.

use super::{States, is_observed};
use crate::output::{Table, Tone};

/// Returns the table of all objects, with a row for each context that could not be asked.
pub fn overview(states: &States, wide: bool) -> Table {
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
    for state in &states.objects {
        let object = &state.object;
        let status = object.status.clone().unwrap_or_default();
        let ready = status.ready();
        let word = ready.map_or("Unknown", |ready| ready.status.as_str());
        let (reason, message) = match (&state.deletion, ready) {
            (Some(deletion), _) => ("Deleting".to_owned(), deletion.advice()),
            (None, Some(_)) if !is_observed(object) => (
                "NotObserved".to_owned(),
                "the operator has not seen the last change yet".to_owned(),
            ),
            (None, Some(ready)) if word == "True" => (ready.reason.clone(), String::new()),
            (None, Some(ready)) => (ready.reason.clone(), ready.message.clone()),
            (None, None) => (
                "NoStatus".to_owned(),
                "the operator has not reported on it yet: is it running?".to_owned(),
            ),
        };
        let tone = if word == "True" && state.deletion.is_none() {
            Tone::Good
        } else {
            Tone::Warning
        };
        let summary =
            |counts: &Option<crd::Counts>| counts.as_ref().map(|counts| counts.summary.clone()).unwrap_or_default();
        let plain = |text: String| (text, Tone::Plain);
        let mut row = vec![
            plain(state.context.clone()),
            plain(object.metadata.name.clone().unwrap_or_default()),
            (word.to_owned(), tone),
            (reason, tone),
            plain(summary(&status.namespaces)),
            plain(summary(&status.service_accounts)),
        ];
        if wide {
            row.push(plain(status.registries_ready.clone().unwrap_or_default()));
            row.push(plain(status.secret_name.clone().unwrap_or_default()));
        }
        row.push(plain(message));
        table.row(row);
    }
    for unread in &states.unread {
        let mut row = vec![(unread.context.clone(), Tone::Plain), (String::new(), Tone::Plain)];
        row.push((String::new(), Tone::Plain));
        row.push(("NotSeen".to_owned(), Tone::Bad));
        row.extend((0..if wide { 4 } else { 2 }).map(|_| (String::new(), Tone::Plain)));
        row.push((unread.why.clone(), Tone::Plain));
        table.row(row);
    }
    table
}

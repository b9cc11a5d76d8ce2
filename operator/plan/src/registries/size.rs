//! Rejects entries that do not fit into a Secret, and names the sources that are too large.

use super::contribution::Contribution;
use super::problem::invalid;
use super::remembered::LastGood;
use crate::credential::Entries;
use crate::docker_config::{MAX_BYTES, rendered_len};

/// What the state Secret needs for each registry besides its entries: names of server and source, and quotes.
const STATE_ROOM: usize = 1024;

/// The length of a docker config without entries, minus a comma.
const EMPTY: usize = r#"{"auths":{}}"#.len() - 1;

/// Removes entries that do not fit. Their registry keeps the last good ones, and gets a problem that says why.
///
/// The last good entries fit, because they were written once. Registries that need no more room than before come first,
/// then the others in the order of the list. The size is that of the state Secret, which is at least that of a copy.
pub(super) fn fit(contributions: &mut [Contribution<'_>], last_good: &LastGood) {
    let last: Vec<usize> = contributions
        .iter()
        .map(|contribution| last_of(contribution, last_good))
        .collect();
    let sizes: Vec<usize> = contributions
        .iter()
        .zip(&last)
        .map(|(contribution, &last)| contribution.now.as_ref().map_or(last, measure))
        .collect();
    let kept = of_former_references(contributions, last_good);
    let total = kept + sizes.iter().sum::<usize>();
    if total <= MAX_BYTES {
        return;
    }
    let grows = |at: usize| contributions[at].now.is_some() && sizes[at] > last[at];
    let (growing, others): (Vec<usize>, Vec<usize>) = (0..contributions.len()).partition(|&at| grows(at));
    let before: usize = growing.iter().map(|&at| last[at]).sum();
    let mut used = kept + before + others.iter().map(|&at| sizes[at]).sum::<usize>();
    let why = explanation(contributions, &sizes, total);
    for at in growing {
        let with = used - last[at] + sizes[at];
        if with <= MAX_BYTES {
            used = with;
        } else {
            contributions[at].now = None;
            contributions[at].problem = Some(invalid(why.clone()));
        }
    }
}

fn measure(entries: &Entries) -> usize {
    rendered_len(entries) + STATE_ROOM
}

fn last_of(contribution: &Contribution<'_>, last_good: &LastGood) -> usize {
    let remembered = last_good.get(&contribution.resolution.key);
    remembered.map_or(0, |remembered| measure(&remembered.entries))
}

/// Entries under a key that is no longer declared stay only while a registry does not resolve.
fn of_former_references(contributions: &[Contribution<'_>], last_good: &LastGood) -> usize {
    if contributions.iter().all(|contribution| contribution.now.is_some()) {
        return 0;
    }
    let is_former = |key: &String| {
        contributions
            .iter()
            .all(|contribution| contribution.resolution.key != *key)
    };
    let former = last_good.iter().filter(|(key, _)| is_former(key));
    former.map(|(_, remembered)| measure(&remembered.entries)).sum()
}

/// Says by how much it is too large, and names the sources, the largest first.
fn explanation(contributions: &[Contribution<'_>], sizes: &[usize], total: usize) -> String {
    let sources = sizes.iter().zip(contributions);
    let mut sources: Vec<(usize, String)> = sources
        .filter(|(size, _)| **size > 0)
        .map(|(size, contribution)| {
            let origin = contribution.resolution.origin.as_ref();
            (size - STATE_ROOM, origin.map(ToString::to_string).unwrap_or_default())
        })
        .collect();
    sources.sort_by(|a, b| b.cmp(a));
    // In a copy the entries share one wrapping, so it is possible that only the state is too large.
    let copy = EMPTY + sources.iter().map(|(size, _)| size - EMPTY).sum::<usize>();
    let excess = Some(copy).filter(|copy| *copy > MAX_BYTES).unwrap_or(total) - MAX_BYTES;
    let shown: Vec<String> = sources
        .iter()
        .map(|(size, source)| format!("secret {source:?} needs {size}"))
        .collect();
    format!(
        "all registries of this object together are {excess} bytes too large for a Secret (1 MiB), which holds each \
         login twice: {}",
        shown.join(", ")
    )
}

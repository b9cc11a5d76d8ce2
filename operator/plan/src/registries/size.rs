//! What does not fit into a Secret is refused before it is written, by the source that it comes from.

use super::{Entries, LastGood, Offer, invalid};
use crate::docker_config::{MAX_BYTES, rendered_len};

/// What the state Secret holds for each registry beside its entries: the names of server and source, and quotes.
const STATE_ROOM: usize = 1024;

/// The length of a docker config without entries, less a comma.
const EMPTY: usize = r#"{"auths":{}}"#.len() - 1;

/// Takes back what does not fit: the registry then has what it gave last, and a problem that says why.
///
/// What was given last fits, since it was written once. On top of it come first the registries that need no more room
/// than before, then the others in the order of their list. The measure is what the state Secret holds, which is at
/// least what a copy does.
pub(super) fn fit(offers: &mut [Offer<'_>], last_good: &LastGood) {
    let last: Vec<usize> = offers.iter().map(|offer| last_of(offer, last_good)).collect();
    let sizes: Vec<usize> = offers
        .iter()
        .zip(&last)
        .map(|(offer, &last)| offer.now.as_ref().map_or(last, measure))
        .collect();
    let kept = of_former_references(offers, last_good);
    let total = kept + sizes.iter().sum::<usize>();
    if total <= MAX_BYTES {
        return;
    }
    let grows = |at: usize| offers[at].now.is_some() && sizes[at] > last[at];
    let (growing, others): (Vec<usize>, Vec<usize>) = (0..offers.len()).partition(|&at| grows(at));
    let before: usize = growing.iter().map(|&at| last[at]).sum();
    let mut used = kept + before + others.iter().map(|&at| sizes[at]).sum::<usize>();
    let why = explanation(offers, &sizes, total);
    for at in growing {
        let with = used - last[at] + sizes[at];
        if with <= MAX_BYTES {
            used = with;
        } else {
            offers[at].now = None;
            offers[at].problem = Some(invalid(why.clone()));
        }
    }
}

fn measure(entries: &Entries) -> usize {
    rendered_len(entries) + STATE_ROOM
}

fn last_of(offer: &Offer<'_>, last_good: &LastGood) -> usize {
    let remembered = last_good.get(&offer.resolution.key);
    remembered.map_or(0, |remembered| measure(&remembered.entries))
}

/// What is remembered under no key that is declared stays only while a registry does not resolve.
fn of_former_references(offers: &[Offer<'_>], last_good: &LastGood) -> usize {
    if offers.iter().all(|offer| offer.now.is_some()) {
        return 0;
    }
    let is_former = |key: &String| offers.iter().all(|offer| offer.resolution.key != *key);
    let former = last_good.iter().filter(|(key, _)| is_former(key));
    former.map(|(_, remembered)| measure(&remembered.entries)).sum()
}

/// By how much it is too large, and which sources make it so, the largest first.
fn explanation(offers: &[Offer<'_>], sizes: &[usize], total: usize) -> String {
    let sources = sizes.iter().zip(offers);
    let mut sources: Vec<(usize, String)> = sources
        .filter(|(size, _)| **size > 0)
        .map(|(size, offer)| {
            let origin = offer.resolution.origin.as_ref();
            (size - STATE_ROOM, origin.map(ToString::to_string).unwrap_or_default())
        })
        .collect();
    sources.sort_by(|a, b| b.cmp(a));
    // Joined, each of them loses its own wrapping; only the state may be too large.
    let copy = EMPTY + sources.iter().map(|(size, _)| size - EMPTY).sum::<usize>();
    let excess = Some(copy).filter(|copy| *copy > MAX_BYTES).unwrap_or(total) - MAX_BYTES;
    let shown: Vec<String> = sources
        .iter()
        .map(|(size, source)| format!("secret {source:?} needs {size}"))
        .collect();
    format!(
        "the merged docker config, in which each login stands twice, is {excess} bytes too large for a Secret (1 MiB): {}",
        shown.join(", ")
    )
}

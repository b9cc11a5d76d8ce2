//! The entry of a list of pull secrets that nearly matches.

use plan::keyring::{Difference, differences};
use serde::{Serialize, Serializer};

use super::view::View;
use crate::world::Text;

/// The most entries of one list that are compared. A Secret of a megabyte may hold 30,000.
const MOST: usize = 1_000;

/// An entry of a pull secret that does not match an image, and would with a small change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Near {
    /// The Secret.
    pub secret: Text,
    /// The key of the entry if that is a server, `entry N` otherwise.
    pub entry: String,
    /// In what key and image differ. Empty if the key matches and the entry has no user name.
    #[serde(serialize_with = "words")]
    pub differs: Vec<Difference>,
}

/// Returns the entry with the fewest differences; the first of several in the order of the list.
pub(super) fn near(view: &View<'_>, image: &str) -> Option<Near> {
    let entries = view.entries().take(MOST);
    let compared = entries.filter_map(|(secret, entry)| Some((secret, entry, differences(&entry.key, image)?)));
    let (secret, entry, differs) = compared.min_by_key(|(_, _, differs)| differs.len())?;
    Some(Near {
        secret: secret.clone(),
        entry: entry.name().shown(),
        differs,
    })
}

/// Writes differences as the words `Scheme`, `Case`, `Port` and `Path`.
fn words<S: Serializer>(differences: &[Difference], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(differences.iter().map(|difference| word(*difference)))
}

fn word(difference: Difference) -> &'static str {
    match difference {
        Difference::Scheme => "Scheme",
        Difference::Case => "Case",
        Difference::Port => "Port",
        Difference::Path => "Path",
    }
}

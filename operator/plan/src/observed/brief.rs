//! Short substitutes for long texts.

use std::borrow::Cow;
use std::hash::Hasher as _;

use siphasher::sip128::{Hash128, Hasher128 as _, SipHasher24};

/// The longest key or value of a label or an annotation that is kept literally.
const MAX_LITERAL: usize = 48;

/// Returns a short text for a key or a value of a label or an annotation. Equal texts give equal results.
pub fn brief(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_LITERAL {
        return Cow::Borrowed(text);
    }
    // No key or value that a spec may have begins so.
    Cow::Owned(format!("\u{1}{:032x}", hashed(text).as_u128()))
}

/// Returns the hash of a name. Two names with one hash cost a read.
pub(crate) fn hash(name: &str) -> u64 {
    hashed(name).h1
}

fn hashed(text: &str) -> Hash128 {
    let mut hasher = SipHasher24::new();
    hasher.write(text.as_bytes());
    hasher.finish128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_become_short_and_stay_distinct() {
        let long = "x".repeat(100_000);
        assert_eq!(brief("short"), "short");
        assert!(brief(&long).len() <= MAX_LITERAL);
        assert_eq!(brief(&long), brief(&long.clone()));
        assert_ne!(brief(&long), brief(&format!("{long}y")));
        assert_ne!(brief(&long), &long[..MAX_LITERAL]);
    }
}

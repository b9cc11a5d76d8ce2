//! Globs over the names of namespaces and `ServiceAccount`s.

use std::fmt;

use thiserror::Error;

/// A pattern over names.
///
/// `*` matches any run of characters, also an empty one. `?` matches exactly one character, and any other character
/// matches itself. Globs are ordered and compared by their text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glob(String);

/// Why a text is not a [`Glob`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GlobError {
    /// It is empty, like no name.
    #[error("a glob may not be empty; `*` matches every name")]
    Empty,
    /// No name has this character, so the glob is a typo.
    #[error("{0:?} cannot stand in a glob; use a-z, 0-9, `.`, `-`, `*` and `?`")]
    Character(char),
}

impl Glob {
    /// Parses a glob over `[a-z0-9.*?-]`.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        if text.is_empty() {
            return Err(GlobError::Empty);
        }
        match text.chars().find(|&c| !may_stand_in_a_glob(c)) {
            Some(stranger) => Err(GlobError::Character(stranger)),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// Returns whether the whole of `name` matches. It takes at most `glob × name` steps.
    pub fn matches(&self, name: &str) -> bool {
        covers(self.0.as_bytes(), name.as_bytes())
    }

    /// Returns the only name that matches, if the glob has neither `*` nor `?`.
    pub fn exact(&self) -> Option<&str> {
        (!self.0.contains(['*', '?'])).then_some(self.0.as_str())
    }

    /// Returns the glob as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn may_stand_in_a_glob(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '*' | '?')
}

/// Returns whether `pattern` covers the whole of `text`, byte by byte.
///
/// It backtracks to the last `*` only, because that one can match all that an earlier one could give up. So the work is
/// the product of the lengths instead of exponential.
pub fn covers(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                last_star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            Some(_) | None => {
                let Some((star, taken)) = last_star else {
                    return false;
                };
                last_star = Some((star, taken + 1));
                p = star + 1;
                t = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(text: &str) -> Glob {
        Glob::parse(text).expect(text)
    }

    /// The definition, with full backtracking.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
            Some((&c, rest)) => text
                .split_first()
                .is_some_and(|(&first, tail)| (c == b'?' || c == first) && naive(rest, tail)),
        }
    }

    #[test]
    fn a_glob_matches_whole_names_only() {
        for (pattern, name, expected) in [
            ("*", "a", true),
            ("ci-*", "ci-", true),
            ("ci-*", "ci-12", true),
            ("ci-*", "ci", false),
            ("ci-*", "my-ci-12", false),
            ("*-test", "a-test", true),
            ("*-test", "a-test-b", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("team-?", "team-a", true),
            ("team-?", "team-", false),
            ("team-?", "team-ab", false),
            ("**", "a", true),
            ("default", "default", true),
            ("default", "default2", false),
            ("a.b", "axb", false),
        ] {
            assert_eq!(glob(pattern).matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_glob_without_wildcards_is_exact() {
        assert_eq!(glob("default").exact(), Some("default"));
        assert_eq!(glob("ci-*").exact(), None);
        assert_eq!(glob("ci-?").exact(), None);
    }

    #[test]
    fn characters_outside_names_are_rejected() {
        assert_eq!(Glob::parse(""), Err(GlobError::Empty));
        for (text, stranger) in [("Ci-*", 'C'), ("a b", ' '), ("[ab]", '['), ("a_b", '_'), ("ä", 'ä')] {
            assert_eq!(Glob::parse(text), Err(GlobError::Character(stranger)), "{text}");
        }
    }

    #[test]
    fn a_hostile_glob_takes_little_time() {
        let pattern = format!("{}b", "a*".repeat(200));
        assert!(!glob(&pattern).matches(&"a".repeat(20_000)));
    }

    proptest! {
        #[test]
        fn a_glob_agrees_with_its_definition(pattern in "[ab*?]{1,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(
                glob(&pattern).matches(&name),
                naive(pattern.as_bytes(), name.as_bytes())
            );
        }
    }
}

//! The terminal, if there is one.

use std::io::{IsTerminal as _, stderr, stdin, stdout};

use terminal_size::{Width, terminal_size_of};

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Its columns. None: there is no terminal, and lines may be of any length.
    pub width: Option<usize>,
    /// It shows more than ASCII.
    pub unicode: bool,
}

/// The narrowest terminal for which lines are broken.
const NARROWEST: usize = 40;

impl Terminal {
    /// Asks standard output and the environment. `COLUMNS` wins, and makes tests and recordings possible.
    pub fn of_the_process() -> Self {
        let given = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let asked = || terminal_size_of(stdout()).map(|(Width(width), _)| usize::from(width));
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .filter_map(|name| std::env::var(name).ok());
        let locale = locale.into_iter().find(|value| !value.is_empty());
        Self {
            width: given.or_else(asked).filter(|width| *width >= NARROWEST),
            unicode: is_unicode(locale.as_deref()),
        }
    }
}

/// Returns whether a person can be asked.
pub fn asks() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// Without a locale, as in many containers, UTF-8 is the rule. `C` and `POSIX` are ASCII.
fn is_unicode(locale: Option<&str>) -> bool {
    locale.is_none_or(|locale| !matches!(locale, "C" | "POSIX"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_c_means_ascii() {
        assert!(!is_unicode(Some("C")) && !is_unicode(Some("POSIX")));
        assert!(is_unicode(Some("C.UTF-8")) && is_unicode(Some("de_DE.UTF-8")) && is_unicode(None));
    }
}

//! A credential that is looked for wherever it must not be.
//!
//! Each scene has a canary of its own: some random letters and digits that are in the user name and the password of every
//! login it makes ([`Canary::login`]). At the end of the scene they are looked for ([`search()`]) in all that the
//! operator said and wrote: in the forms that text takes on its way into logs and objects, and everywhere but in the
//! Secrets that are there to hold it.

mod forms;
mod search;

use crate::oracle::Login;

pub use search::{Places, search};

/// Enough that no other text has it by chance, in whatever form.
const LENGTH: usize = 16;

/// Characters that no escape and no alphabet of base64 changes, so that one form stands for its escaped ones too.
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// See the module.
#[derive(Debug, Clone)]
pub struct Canary {
    core: String,
    needles: Vec<forms::Needle>,
}

impl Canary {
    /// A new one, unlike any other.
    pub fn new() -> Self {
        let letter = || char::from(ALPHABET[rand::random_range(0..ALPHABET.len())]);
        Self::of((0..LENGTH).map(|_| letter()).collect())
    }

    fn of(core: String) -> Self {
        let needles = forms::needles(&core);
        Self { core, needles }
    }

    /// A login that holds the canary in both halves, beside characters that must be escaped in JSON, in a URL and in a
    /// shell. Logins for different `what` differ.
    pub fn login(&self, what: &str) -> Login {
        let Self { core, .. } = self;
        Login::new(&format!("robot${core}"), &format!(r#"{what}:{core} "\&<%>é+/?"#))
    }

    /// The random part itself, for values that are no login.
    pub fn core(&self) -> &str {
        &self.core
    }

    /// The form in which the text holds it, and where; none if it does not.
    pub fn found_in(&self, text: &str) -> Option<(&'static str, usize)> {
        let find = |needle: &forms::Needle| Some((needle.form, text.find(&needle.text)?));
        self.needles.iter().find_map(find)
    }
}

impl Default for Canary {
    fn default() -> Self {
        Self::new()
    }
}

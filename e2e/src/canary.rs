//! Canary: a recognisable credential that must not appear in the wrong places.
//!
//! Each scenario has its own canary: random letters and digits in the user name and password of every login that it
//! makes ([`Canary::login`]). At the end, [`secrecy`](crate::secrecy) searches everything that the operator logged and
//! wrote for it. The search covers the usual encodings, and every place except the Secrets that must contain the login.

mod forms;

use crate::login::Login;

/// Precedes the canary in a user name.
const ROBOT: &str = "robot";

/// Precedes each random part.
const SEPARATOR: char = '$';

/// Long enough that no other text contains it by chance, in any form.
const LENGTH: usize = 16;

/// Characters that no escape and no alphabet of base64 changes, so that one form covers the escaped ones.
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A recognisable credential; see the module.
#[derive(Debug, Clone)]
pub struct Canary {
    core: String,
    /// Distinguishes the logins of one user from those of the others.
    own: Option<String>,
    needles: Vec<forms::Needle>,
}

impl Canary {
    /// Creates a canary that differs from all others.
    pub fn new() -> Self {
        let core = random();
        let needles = forms::needles(&core);
        Self {
            core,
            own: None,
            needles,
        }
    }

    /// Returns the same canary for another user. A search finds the logins of all users, and each match shows the user.
    #[must_use]
    pub fn part(&self) -> Self {
        Self {
            own: Some(random()),
            ..self.clone()
        }
    }

    /// Returns a login with the canary in user name and password, beside characters that need escaping in JSON, URLs
    /// and shells. Logins for different `what` differ.
    pub fn login(&self, what: &str) -> Login {
        let Self { core, own, .. } = self;
        let own = own.as_ref().map(|own| format!("{SEPARATOR}{own}")).unwrap_or_default();
        Login::new(
            &format!("{ROBOT}{SEPARATOR}{core}{own}"),
            &format!(r#"{what}:{core}{own} "\&<%>é+/?"#),
        )
    }

    /// Returns the random part itself, for values other than logins.
    pub fn core(&self) -> &str {
        &self.core
    }

    /// Returns the form and the position of the canary in the text, if the text contains it.
    pub fn found_in(&self, text: &str) -> Option<(&'static str, usize)> {
        let find = |needle: &forms::Needle| Some((needle.form, text.find(&needle.text)?));
        self.needles.iter().find_map(find)
    }
}

fn random() -> String {
    let letter = || char::from(ALPHABET[rand::random_range(0..ALPHABET.len())]);
    (0..LENGTH).map(|_| letter()).collect()
}

/// Returns the random part of a login from a canary, for one user if there are several.
pub(crate) fn core_of(login: &Login) -> Option<&str> {
    let (_, core) = login.username.strip_prefix(ROBOT)?.rsplit_once(SEPARATOR)?;
    (core.len() == LENGTH && core.bytes().all(|byte| ALPHABET.contains(&byte))).then_some(core)
}

/// Returns all forms of the random part in a text.
pub(crate) fn forms(core: &str) -> impl Iterator<Item = String> {
    forms::needles(core).into_iter().map(|needle| needle.text)
}

impl Default for Canary {
    fn default() -> Self {
        Self::new()
    }
}

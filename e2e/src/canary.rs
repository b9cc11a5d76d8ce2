//! A credential that is looked for wherever it must not be.
//!
//! Each scenario has a canary of its own: some random letters and digits that are in the user name and the password of
//! every login it makes ([`Canary::login`]). At the end of the scenario they are looked for ([`secrecy`](crate::secrecy))
//! in all that the operator said and wrote: in the forms that text takes on its way into logs and objects, and everywhere
//! but in the Secrets that are there to hold it.

mod forms;

use crate::login::Login;

/// Before the canary in a user name.
const ROBOT: &str = "robot";

/// Before each random part of it.
const SEPARATOR: char = '$';

/// Enough that no other text has it by chance, in whatever form.
const LENGTH: usize = 16;

/// Characters that no escape and no alphabet of base64 changes, so that one form stands for its escaped ones too.
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// See the module.
#[derive(Debug, Clone)]
pub struct Canary {
    core: String,
    /// What tells the logins of one user of it from those of the others.
    own: Option<String>,
    needles: Vec<forms::Needle>,
}

impl Canary {
    /// A new one, unlike any other.
    pub fn new() -> Self {
        let core = random();
        let needles = forms::needles(&core);
        Self {
            core,
            own: None,
            needles,
        }
    }

    /// The same one for another user of it. Whoever looks for it finds the logins of all; of which of them they are,
    /// they tell too.
    #[must_use]
    pub fn part(&self) -> Self {
        Self {
            own: Some(random()),
            ..self.clone()
        }
    }

    /// A login that holds the canary in both halves, beside characters that must be escaped in JSON, in a URL and in a
    /// shell. Logins for different `what` differ.
    pub fn login(&self, what: &str) -> Login {
        let Self { core, own, .. } = self;
        let own = own.as_ref().map(|own| format!("{SEPARATOR}{own}")).unwrap_or_default();
        Login::new(
            &format!("{ROBOT}{SEPARATOR}{core}{own}"),
            &format!(r#"{what}:{core}{own} "\&<%>é+/?"#),
        )
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

fn random() -> String {
    let letter = || char::from(ALPHABET[rand::random_range(0..ALPHABET.len())]);
    (0..LENGTH).map(|_| letter()).collect()
}

/// The random part of a login that a canary made: of one user's of it, if there are several.
pub(crate) fn core_of(login: &Login) -> Option<&str> {
    let (_, core) = login.username.strip_prefix(ROBOT)?.rsplit_once(SEPARATOR)?;
    (core.len() == LENGTH && core.bytes().all(|byte| ALPHABET.contains(&byte))).then_some(core)
}

/// All forms in which the random part may be in a text.
pub(crate) fn forms(core: &str) -> impl Iterator<Item = String> {
    forms::needles(core).into_iter().map(|needle| needle.text)
}

impl Default for Canary {
    fn default() -> Self {
        Self::new()
    }
}

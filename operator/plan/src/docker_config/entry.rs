//! One entry of `auths`.

use super::auth;
use super::entry_error::EntryError;
use super::json::{Value, is_field};
use crate::credential::Credential;

/// The fields that a kubelet reads. The last value that is not `null` wins.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) auth: String,
    pub(super) username: String,
    pub(super) password: String,
    /// The e-mail address is not a string. Kubelets then read no entry of the docker config.
    pub(super) odd_email: bool,
    /// A token. Kubelets ignore it, even if the entry has no other login.
    token: Option<&'static str>,
}

/// Returns the login that a kubelet takes from this entry.
pub(super) fn credential(entry: Value<'_>) -> Result<Credential, EntryError> {
    let Fields {
        auth,
        username,
        password,
        token,
        odd_email: _,
    } = fields(entry)?;
    let login = if !auth.is_empty() {
        auth::decode(&auth)
    } else if username.is_empty() && password.is_empty() {
        Err(EntryError::Empty)
    } else {
        Credential::new(&username, &password).map_err(EntryError::from)
    };
    login.map_err(|error| token.map_or(error, EntryError::TokenIgnored))
}

/// Reads the fields of an entry that is not `null`.
pub(super) fn fields(entry: Value<'_>) -> Result<Fields, EntryError> {
    let mut fields = Fields::default();
    for (name, value) in entry.object().ok_or(EntryError::NotAnObject)? {
        if is_field(&name, "auth") {
            set(&mut fields.auth, "auth", value)?;
        } else if is_field(&name, "username") {
            set(&mut fields.username, "username", value)?;
        } else if is_field(&name, "password") {
            set(&mut fields.password, "password", value)?;
        } else if is_field(&name, "email") {
            fields.odd_email |= !value.is_null() && value.text().is_none();
        } else {
            fields.token = fields.token.or(token(&name, value));
        }
    }
    Ok(fields)
}

fn set(field: &mut String, name: &'static str, value: Value<'_>) -> Result<(), EntryError> {
    if !value.is_null() {
        *field = value.text().ok_or(EntryError::NotAString(name))?;
    }
    Ok(())
}

/// Returns the name of the field if it is a token that is set.
fn token(name: &str, value: Value<'_>) -> Option<&'static str> {
    let is_set = || !value.is_null() && value.text().is_none_or(|text| !text.is_empty());
    ["identitytoken", "registrytoken"]
        .into_iter()
        .find(|token| is_field(name, token) && is_set())
}

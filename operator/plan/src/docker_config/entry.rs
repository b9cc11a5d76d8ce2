//! One entry of `auths`.

use super::json::{Node, is_field};
use super::{EntryError, auth};
use crate::credential::Credential;

/// The fields that decide, as a kubelet sees them: the last that is not `null` wins.
#[derive(Default)]
struct Fields {
    auth: String,
    username: String,
    password: String,
}

/// The login that a kubelet takes from this entry.
pub(super) fn credential(entry: Node) -> Result<Credential, EntryError> {
    let Fields {
        auth,
        username,
        password,
    } = fields(entry)?;
    if !auth.is_empty() {
        return auth::decode(&auth);
    }
    if username.is_empty() && password.is_empty() {
        return Err(EntryError::Empty);
    }
    Ok(Credential::new(&username, &password)?)
}

fn fields(entry: Node) -> Result<Fields, EntryError> {
    let Node::Object(object) = entry else {
        return Err(EntryError::NotAnObject);
    };
    let mut fields = Fields::default();
    for (name, node) in object {
        if is_field(&name, "auth") {
            set(&mut fields.auth, "auth", node)?;
        } else if is_field(&name, "username") {
            set(&mut fields.username, "username", node)?;
        } else if is_field(&name, "password") {
            set(&mut fields.password, "password", node)?;
        } else {
            refuse_token(&name, &node)?;
        }
    }
    Ok(fields)
}

fn set(field: &mut String, name: &'static str, node: Node) -> Result<(), EntryError> {
    match node {
        Node::Text(text) => *field = text,
        Node::Null => {}
        Node::Object(_) | Node::Other => return Err(EntryError::NotAString(name)),
    }
    Ok(())
}

fn refuse_token(name: &str, node: &Node) -> Result<(), EntryError> {
    let is_set = match node {
        Node::Null => false,
        Node::Text(text) => !text.is_empty(),
        Node::Object(_) | Node::Other => true,
    };
    ["identitytoken", "registrytoken"]
        .into_iter()
        .find(|token| is_set && is_field(name, token))
        .map_or(Ok(()), |token| Err(EntryError::TokenIgnored(token)))
}

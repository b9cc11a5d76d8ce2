//! The distinct logins of all Secrets.

use std::collections::HashMap;
use std::fmt;

use plan::docker_config::SentLogin;

/// Stands for a login. Equal logins have equal ids within one snapshot. It shows no part of the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginId(u32);

/// The distinct logins. Only a request to a registry may use their values.
#[derive(Default)]
pub struct Logins {
    by_id: Vec<SentLogin>,
    ids: HashMap<SentLogin, LoginId>,
}

impl Logins {
    /// Returns the id of a login. A login that was added before keeps its id.
    pub fn add(&mut self, login: SentLogin) -> LoginId {
        if let Some(&known) = self.ids.get(&login) {
            return known;
        }
        let id = LoginId(u32::try_from(self.by_id.len()).unwrap_or(u32::MAX));
        self.ids.insert(login.clone(), id);
        self.by_id.push(login);
        id
    }

    /// Returns the login, to send it to a registry.
    pub fn get(&self, id: LoginId) -> Option<&SentLogin> {
        self.by_id.get(usize::try_from(id.0).ok()?)
    }

    /// Returns whether the login has no user name, so that no kubelet can log in with it.
    pub fn is_blank(&self, id: LoginId) -> bool {
        self.get(id).is_none_or(SentLogin::is_blank)
    }
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logins({}, redacted)", self.by_id.len())
    }
}

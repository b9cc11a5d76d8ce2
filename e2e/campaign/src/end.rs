//! What must be true at the end of a run.

use crate::env::Env;
use e2e::oracle::{self, Expected, Login, Needles};

/// What must be true in the end.
#[derive(Debug, Clone)]
pub struct End {
    /// Of each object that is there.
    pub served: Vec<Expected>,
    /// Objects that are gone, with all that was theirs.
    pub gone: Vec<String>,
    /// `Ready` of each object that is there: its reason.
    pub reason: &'static str,
    /// The selected namespaces that have no copy, and that the status says so of.
    pub failed: Vec<String>,
}

impl End {
    /// All is well with this object, the only one.
    pub(crate) fn served(expected: Expected) -> Self {
        Self {
            served: vec![expected],
            gone: Vec::new(),
            reason: "Synced",
            failed: Vec::new(),
        }
    }

    /// This object is gone, the only one.
    pub(crate) fn deleted(object: &str) -> Self {
        Self {
            served: Vec::new(),
            gone: vec![object.to_owned()],
            reason: "Synced",
            failed: Vec::new(),
        }
    }

    /// Whether the store is like this.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub async fn check(&self, env: &Env) -> Result<(), String> {
        let (allowed, needles) = (env.allowed(), env.needles());
        let all = logins(env);
        for expected in &self.served {
            oracle::check_allowing(env.client(), expected, &allowed).await?;
            let former = all
                .iter()
                .filter(|login| !expected.logins.values().any(|current| current == *login));
            oracle::check_state(env.client(), &expected.object, &Needles::whole(former)).await?;
        }
        for object in &self.gone {
            oracle::check_gone(env.client(), object, object, &needles, &allowed).await?;
        }
        Ok(())
    }
}

/// The logins, in the order in which they are declared.
pub fn logins(env: &Env) -> [Login; 3] {
    ["first", "second", "third"].map(|what| env.login(what))
}

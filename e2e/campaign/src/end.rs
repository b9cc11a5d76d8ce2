//! Expected state at the end of a run.

use crate::env::Env;
use e2e::oracle::{self, Expected, Login, Needles};

/// The expected state.
#[derive(Debug, Clone)]
pub struct End {
    /// The expected effect of each existing object.
    pub served: Vec<Expected>,
    /// Deleted objects, which must have left no trace.
    pub gone: Vec<String>,
    /// The expected reason of `Ready` of each existing object.
    pub reason: &'static str,
    /// The selected namespaces that lack a copy, and that the status must report.
    pub failed: Vec<String>,
}

impl End {
    /// Returns the end with this object alone, fully served.
    pub(crate) fn served(expected: Expected) -> Self {
        Self {
            served: vec![expected],
            gone: Vec::new(),
            reason: "Synced",
            failed: Vec::new(),
        }
    }

    /// Returns the end with this object deleted, and no other.
    pub(crate) fn deleted(object: &str) -> Self {
        Self {
            served: Vec::new(),
            gone: vec![object.to_owned()],
            reason: "Synced",
            failed: Vec::new(),
        }
    }

    /// Checks the store.
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

/// Returns the logins in the order of their declaration.
pub fn logins(env: &Env) -> [Login; 3] {
    ["first", "second", "third"].map(|what| env.login(what))
}

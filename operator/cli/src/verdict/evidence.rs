//! What registries answered. Without it a verdict takes each login for good.

use std::collections::HashMap;

use serde::Serialize;

use crate::world::{LoginId, Text};

/// What registries answered in this run.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    logins: HashMap<(LoginId, Text), LoginOutcome>,
    probes: HashMap<Text, Probe>,
}

/// What a registry answered to a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum LoginOutcome {
    /// It gave the manifest.
    Accepted,
    /// The tool could not reach it, or its answer leaves the login open.
    Unknown,
    /// It refused the login.
    Refused,
}

/// What a registry answered to a request without a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Probe {
    /// It gave the manifest.
    Open,
    /// The tool could not reach it, or its answer leaves logins open.
    Unknown,
    /// It asks for a login.
    Closed,
}

impl Evidence {
    /// Records the answer to this login for this image, as written.
    pub fn login(&mut self, login: LoginId, image: &str, outcome: LoginOutcome) {
        self.logins.insert((login, image.into()), outcome);
    }

    /// Records the answer to a request for this image without a login.
    pub fn probe(&mut self, image: &str, answer: Probe) {
        self.probes.insert(image.into(), answer);
    }

    /// Returns what the registry answered to this login. It is unknown if the login was not tried.
    pub fn of_login(&self, login: LoginId, image: &Text) -> LoginOutcome {
        let found = self.logins.get(&(login, image.clone()));
        found.copied().unwrap_or(LoginOutcome::Unknown)
    }

    /// Returns what the registry answered without a login.
    pub fn of_probe(&self, image: &str) -> Probe {
        self.probes.get(image).copied().unwrap_or(Probe::Unknown)
    }

    /// Iterates over the logins that were tried: the login, the image and the outcome.
    pub fn logins(&self) -> impl Iterator<Item = (LoginId, &Text, LoginOutcome)> {
        self.logins
            .iter()
            .map(|((login, image), outcome)| (*login, image, *outcome))
    }
}

//! Kinds of errors, in the words of the headline.

use std::collections::BTreeSet;
use std::fmt;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde::{Deserialize, Serialize};

use crate::end::End;
use crate::env::Env;
use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::{self, Expected, Place};

/// The oracle that noticed the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Oracle {
    /// A copy or a reference is missing in the end.
    Lost,
    /// A copy is not as declared in the end.
    Stale,
    /// A copy exists in the end where none should.
    Orphaned,
    /// A reference exists in the end where none should.
    Dangling,
    /// A foreign object was changed, at any moment.
    Foreign,
    /// A copy or reference that should exist throughout was missing or wrong for a moment.
    Gap,
    /// Two writes were made in the wrong order.
    Order,
    /// A credential is in a wrong place.
    Leak,
    /// A deleted object still exists.
    Stuck,
    /// The operator keeps writing, or writes far more than it must.
    Loop,
    /// The status does not report the state.
    Untold,
    /// A status was ready when the state was wrong.
    FalseReady,
    /// The process ended, or failed its liveness probe.
    Ended,
    /// The end is right, but came after the bound.
    Slow,
}

impl Oracle {
    /// All of them, in the order of the headline.
    pub const ALL: [Self; 14] = [
        Self::Lost,
        Self::Stale,
        Self::Orphaned,
        Self::Dangling,
        Self::Foreign,
        Self::Gap,
        Self::Order,
        Self::Leak,
        Self::Stuck,
        Self::Loop,
        Self::Untold,
        Self::FalseReady,
        Self::Ended,
        Self::Slow,
    ];
}

impl fmt::Display for Oracle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Lost => "lost",
            Self::Stale => "stale",
            Self::Orphaned => "orphaned",
            Self::Dangling => "dangling",
            Self::Foreign => "foreign changed",
            Self::Gap => "gap",
            Self::Order => "wrong order",
            Self::Leak => "leak",
            Self::Stuck => "stuck",
            Self::Loop => "hot loop",
            Self::Untold => "untold",
            Self::FalseReady => "false Ready",
            Self::Ended => "ended",
            Self::Slow => "slow",
        })
    }
}

/// An error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrong {
    /// The oracle that noticed it.
    pub oracle: Oracle,
    /// The error, in a sentence.
    pub what: String,
}

impl Wrong {
    /// Creates an error noticed by `oracle`.
    pub fn new(oracle: Oracle, what: impl Into<String>) -> Self {
        Self {
            oracle,
            what: what.into(),
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.oracle, self.what)
    }
}

impl std::error::Error for Wrong {}

/// Classifies a wrong end.
pub(crate) async fn of_end(env: &Env, end: &End, seen: &str) -> Wrong {
    let oracle = name(env, end).await.unwrap_or(Oracle::Untold);
    Wrong::new(oracle, seen)
}

async fn name(env: &Env, end: &End) -> Result<Oracle, String> {
    // By their bytes, because a login without a label is still a login.
    let holders = oracle::places(env.client(), &env.needles()).await?;
    let holders: BTreeSet<&Place> = holders.iter().filter(|place| place.0 != SYSTEM_NAMESPACE).collect();
    for object in &end.gone {
        if oracle::object(env.client(), object).await?.is_some() {
            return Ok(Oracle::Stuck);
        }
    }
    for expected in &end.served {
        let found: BTreeSet<String> = oracle::uids(env.client(), &expected.object)
            .await?
            .into_keys()
            .collect();
        let wanted: BTreeSet<String> = expected.holders.keys().cloned().collect();
        if found.difference(&wanted).next().is_some() {
            return Ok(Oracle::Orphaned);
        }
        if wanted.difference(&found).next().is_some() {
            return Ok(Oracle::Lost);
        }
        if let Some(oracle) = of_references(env, expected).await? {
            return Ok(oracle);
        }
    }
    let wanted = |place: &Place| {
        let asks = |expected: &Expected| expected.secret == place.1 && expected.holders.contains_key(&place.0);
        end.served.iter().any(asks)
    };
    if holders.into_iter().any(|place| !wanted(place)) {
        return Ok(Oracle::Orphaned);
    }
    match end.check(env).await {
        Ok(()) => Ok(Oracle::Untold),
        Err(_) if end.served.is_empty() => Ok(Oracle::Dangling),
        Err(_) => Ok(Oracle::Stale),
    }
}

async fn of_references(env: &Env, expected: &Expected) -> Result<Option<Oracle>, String> {
    let accounts: Api<ServiceAccount> = Api::all(env.client().clone());
    let accounts = accounts.list(&ListParams::default()).await;
    for account in accounts.map_err(|error| error.to_string())? {
        let holders = expected.holders.get(&account.namespace().unwrap_or_default());
        let wanted = holders.is_some_and(|holders| holders.contains(&account.name_any()));
        let mut entries = account.image_pull_secrets.iter().flatten();
        match (wanted, entries.any(|entry| entry.name == expected.secret)) {
            (true, false) => return Ok(Some(Oracle::Lost)),
            (false, true) => return Ok(Some(Oracle::Dangling)),
            _ => {}
        }
    }
    Ok(None)
}

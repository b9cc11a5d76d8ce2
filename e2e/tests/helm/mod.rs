//! The chart in `config/helm`, under Helm 3 and Helm 4. The first tests render it and need no control plane. The others
//! install it on a real one, where a stand-in node runs its Pods as processes ([`e2e::node`]).
#![allow(clippy::unwrap_used, clippy::panic, reason = "also in what the tests share")]

mod accepted;
mod chart;
mod elsewhere;
mod equal;
mod lifecycle;
mod schema;
mod values;

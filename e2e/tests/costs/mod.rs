//! Cost of one party for the others: each sends the worst that it may, while new namespaces arrive elsewhere.
#![allow(clippy::unwrap_used, clippy::panic, reason = "also in what the tests share")]

mod parties;
mod webhook;

use std::time::Duration;

use e2e::scenario::{LABEL, SOON, Scenario};
use e2e::wait::eventually;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use tokio::time::Instant;

/// New namespaces, one after another. The slowest stands for the 99th of a hundred.
const NEW_NAMESPACES: usize = 12;

/// Pauses of the machine itself: two cores run a control plane beside the test.
const NOISE: Duration = Duration::from_millis(400);

/// Allowed growth of resident memory.
const MORE_KIB: u64 = 16 * 1024;

/// Figures before the party began.
struct Before {
    slowest: Duration,
    resident_kib: u64,
}

impl Before {
    /// Measures the service of the scenario's object and some new namespaces.
    async fn measure(scenario: &Scenario) -> Self {
        let login = scenario.login("first");
        scenario.set_up(&["old"], &login).await;
        let (slowest, resident_kib) = new_namespaces(scenario, "before").await;
        Self { slowest, resident_kib }
    }

    /// Measures again while the party goes on. New namespaces must not wait, and memory must not grow.
    async fn holds_during(&self, scenario: &Scenario, party: &str) {
        let (slowest, resident_kib) = new_namespaces(scenario, "during").await;
        let allowed = 2 * self.slowest.max(NOISE);
        eprintln!(
            "{party}: {:?} before, {slowest:?} during; {} KiB before, {resident_kib} KiB during",
            self.slowest, self.resident_kib
        );
        assert!(
            slowest <= allowed,
            "{party}: a new namespace waited {slowest:?}, not {allowed:?} at most"
        );
        let most = self.resident_kib + MORE_KIB;
        assert!(
            resident_kib <= most,
            "{party}: {resident_kib} KiB are resident, not {most} at most"
        );
    }
}

/// Returns the service time of the slowest new namespace, and the peak memory during it.
async fn new_namespaces(scenario: &Scenario, when: &str) -> (Duration, u64) {
    let (mut slowest, mut resident_kib) = (Duration::ZERO, 0);
    for number in 0..NEW_NAMESPACES {
        let part = format!("{when}-{number}");
        let name = scenario.in_scenario(&[&part]).remove(0);
        let begun = Instant::now();
        scenario.namespaces(&[&part]).await;
        is_served(scenario, &name).await;
        slowest = slowest.max(begun.elapsed());
        resident_kib = resident_kib.max(scenario.memory_kib().0);
    }
    (slowest, resident_kib)
}

async fn is_served(scenario: &Scenario, namespace: &str) {
    let secrets: Api<Secret> = Api::namespaced(scenario.client().clone(), namespace);
    let accounts: Api<ServiceAccount> = Api::namespaced(scenario.client().clone(), namespace);
    eventually("the new namespace is served", SOON, async || {
        let said = |error: kube::Error| error.to_string();
        let copy = secrets.get_opt(scenario.name()).await.map_err(said)?;
        let account = accounts.get_opt("default").await.map_err(said)?;
        let refers = account.is_some_and(|account| account.image_pull_secrets.is_some());
        (copy.is_some() && refers)
            .then_some(())
            .ok_or_else(|| "not yet".to_owned())
    })
    .await;
}

/// Returns the label of the namespaces that the scenario's object selects.
fn selected(scenario: &Scenario) -> (String, String) {
    (LABEL.to_owned(), scenario.name().to_owned())
}

//! An installation whose watches have gone silent, and which gets an object back.

use std::time::Duration;

use e2e::OPERATOR_USER;
use e2e::scenario::Scenario;
use e2e::wait::quiet;

use super::second::{first_behind_proxy, install_second, remove_state_of_second, source_in_second, start_second};
use super::seen::{is_acted_for_by, writes};
use super::{FIRST, SECOND, hand_over};
use crate::replicas::{is_silent, silence};

/// Shorter than the time after which a silent watch is reopened.
const A_WHILE: Duration = Duration::from_secs(10);

/// What the other installation did, this one did not see: a namespace that was labelled, a new password. It takes none of
/// it back.
#[tokio::test]
async fn object_handed_back_keeps_what_was_done() {
    let scenario = Scenario::own("back").await;
    let (proxy, first) = first_behind_proxy(&scenario).await;
    let [old, new] = ["old", "new"].map(|what| scenario.login(what));
    scenario.set_up(&["a"], &old).await;
    scenario.unselected_namespaces(&["labelled"]).await;
    is_acted_for_by(&scenario, FIRST).await;
    install_second(&scenario).await;
    source_in_second(&scenario, &old).await;
    let second = start_second(&scenario).await;
    hand_over(&scenario, SECOND).await;
    is_acted_for_by(&scenario, SECOND).await;
    scenario.says("Ready", "True", "Synced").await;

    silence(&proxy, "namespaces MODIFIED /back-labelled");
    scenario
        .kubectl(&["label", "namespace", "back-labelled", "scenario=back"])
        .await;
    let parts = ["a", "labelled"];
    scenario
        .holds("the second serves it", &scenario.expected(&parts, &old))
        .await;
    is_silent(&proxy).await;
    silence(&proxy, "secrets MODIFIED pullsecrets-system/back");
    scenario.source(&new).await;
    is_silent(&proxy).await;
    source_in_second(&scenario, &new).await;
    let expected = scenario.expected(&parts, &new);
    scenario.holds("the second rotates", &expected).await;
    scenario.says("Ready", "True", "Synced").await;

    let mark = scenario.mark().await;
    hand_over(&scenario, FIRST).await;
    is_acted_for_by(&scenario, FIRST).await;
    quiet("the first leaves all as it is", A_WHILE, async || {
        let made = writes(&scenario, mark).await.into_iter();
        let of_first = made.filter(|record| record.user == OPERATOR_USER && record.namespace.starts_with("back-"));
        let of_first: Vec<_> = of_first.map(|record| record.summary()).collect();
        of_first
            .is_empty()
            .then_some(())
            .ok_or_else(|| format!("{of_first:#?}"))
    })
    .await;
    remove_state_of_second(&scenario).await;
    e2e::oracle::check(scenario.client(), &expected).await.unwrap();
    scenario.namespaces(&["late"]).await;
    let parts = ["a", "labelled", "late"];
    scenario
        .holds("the first serves again", &scenario.expected(&parts, &new))
        .await;
    scenario.says("Ready", "True", "Synced").await;
    second.stop().await.unwrap();
    first.stop().await.unwrap();
    scenario.start_operator().await;
}

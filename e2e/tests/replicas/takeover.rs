//! A standby whose watches have gone silent, and which becomes the leader.

use std::time::Duration;

use e2e::faults::proxy::Proxy;
use e2e::operator::{Operator, Options};
use e2e::scenario::{SOON, Scenario};
use e2e::wait::quiet;

use super::{HANDED_OVER, SLOW_MACHINE, is_led_by, is_silent, silence};

/// Shorter than the time after which a silent watch is reopened.
const A_WHILE: Duration = Duration::from_secs(10);

/// What the leader before did last, the new one did not see: a namespace that was labelled, an object that names one
/// more, a new password. It takes none of it back.
#[tokio::test]
async fn new_leader_undoes_nothing_it_missed() {
    let scenario = Scenario::own("missed").await;
    let (first, second) = (scenario.login("first"), scenario.login("second"));
    scenario.set_up(&["a"], &first).await;
    scenario.unselected_namespaces(&["labelled", "named"]).await;
    scenario.says("Ready", "True", "Synced").await;
    is_led_by(&scenario, "pullsecrets-0", SOON).await;
    let cluster = scenario.cluster();
    let (proxy, kubeconfig) = Proxy::for_operator(cluster).await.unwrap();
    let options = Options {
        pod: "pullsecrets-1".to_owned(),
        ..Options::default()
    };
    let standby = Operator::start_as(cluster, &options, &kubeconfig).await.unwrap();

    silence(&proxy, "namespaces MODIFIED /missed-labelled");
    scenario
        .kubectl(&["label", "namespace", "missed-labelled", "scenario=missed"])
        .await;
    scenario
        .holds("the leader serves it", &scenario.expected(&["a", "labelled"], &first))
        .await;
    is_silent(&proxy).await;
    silence(&proxy, "clusterpullsecrets MODIFIED /missed");
    let mut object = scenario.object();
    object["spec"]["namespaces"]["names"] = ["missed-named"].into();
    scenario.apply(&object).await;
    let parts = ["a", "labelled", "named"];
    scenario
        .holds("the leader serves it", &scenario.expected(&parts, &first))
        .await;
    is_silent(&proxy).await;
    silence(&proxy, "secrets MODIFIED pullsecrets-system/missed");
    scenario.source(&second).await;
    let expected = scenario.expected(&parts, &second);
    scenario.holds("the leader rotates", &expected).await;
    is_silent(&proxy).await;
    scenario.says("Ready", "True", "Synced").await;

    let mark = scenario.mark().await;
    scenario.stop_operator().await;
    is_led_by(&scenario, "pullsecrets-1", HANDED_OVER + SLOW_MACHINE).await;
    quiet("the new leader leaves all as it is", A_WHILE, async || {
        let writes = scenario.writes_since(mark).await.into_iter();
        let elsewhere: Vec<_> = writes.filter(|write| write.namespace.starts_with("missed-")).collect();
        let is_quiet = elsewhere.is_empty();
        is_quiet.then_some(()).ok_or_else(|| format!("{elsewhere:#?}"))
    })
    .await;
    e2e::oracle::check(scenario.client(), &expected).await.unwrap();
    scenario.namespaces(&["late"]).await;
    let parts = [&parts[..], &["late"]].concat();
    scenario
        .holds("the new leader serves", &scenario.expected(&parts, &second))
        .await;
    standby.stop().await.unwrap();
    scenario.start_operator().await;
}

//! An installation whose watch of objects lags behind its watch of copies.

use std::time::Duration;

use e2e::OPERATOR_USER;
use e2e::faults::plan::{Fault, Trigger};
use e2e::scenario::{SOON, Scenario};
use e2e::wait::{eventually, quiet};

use super::second::{first_behind_proxy, install_second, source_in_second, start_second};
use super::seen::{installation_of, writes};
use super::{FIRST, SECOND};

/// Longer than a copy without an object waits for its references to go, and shorter than the proxy's silence.
const A_WHILE: Duration = Duration::from_secs(20);

/// The object of one installation is not shown to the other, but its copy is. The other takes away neither the copy nor
/// the reference.
#[tokio::test]
async fn unseen_objects_keep_copy_and_reference() {
    let scenario = Scenario::own("lag").await;
    let (proxy, first) = first_behind_proxy(&scenario).await;
    let login = scenario.login("first");
    scenario.set_up(&["a"], &login).await;
    assert_eq!(installation_of(&scenario, "lag").await, FIRST);
    install_second(&scenario).await;
    source_in_second(&scenario, &login).await;
    let second = start_second(&scenario).await;

    let trigger = Trigger {
        what: "watch clusterpullsecrets ADDED /late".to_owned(),
        occurrence: 1,
    };
    proxy.arm(Some((trigger, Fault::Silence)));
    let mark = scenario.mark().await;
    let mut object = scenario.object();
    object["metadata"]["name"] = "late".into();
    scenario.apply(&object).await;
    eventually("the second installation serves it", SOON, async || {
        let account = scenario.kubectl(&["get", "serviceaccount", "default", "-n", "lag-a", "-o", "yaml"]);
        let account = account.await;
        account.contains("- name: late").then_some(()).ok_or(account)
    })
    .await;
    assert_eq!(installation_of(&scenario, "late").await, SECOND);
    quiet(
        "the first one removes neither copy nor reference",
        A_WHILE,
        async || {
            let made = writes(&scenario, mark).await.into_iter();
            let of_first: Vec<_> = made.filter(|record| record.user == OPERATOR_USER).collect();
            of_first
                .is_empty()
                .then_some(())
                .ok_or_else(|| format!("{of_first:#?}"))
        },
    )
    .await;
    assert!(proxy.record().fired);
    first.stop().await.unwrap();
    for name in ["late", "lag"] {
        scenario.kubectl(&["delete", "cps", name, "--wait=false"]).await;
    }
    second.stop().await.unwrap();
    scenario.start_operator().await;
}

//! Cost of a namespace on the wire. The length of requests, responses and events varies only by a few bytes. The bounds
//! are wider because of the status, which is written once a second.

use std::time::Duration;

use e2e::operator::{Operator, Options};
use e2e::scenario::Scenario;
use e2e::wire::{Bytes, Wire};
use e2e::{OPERATOR_ACCOUNT, SYSTEM_NAMESPACE};

use crate::MACHINE;

const NAMESPACES: u64 = 200;

/// Bytes for each namespace with one account, to the server and from it. A copy with a scenario's login has about 300
/// bytes of data. The server answers both writes with metadata, and sends both back as events with the whole object.
/// The first object also makes the operator relist the namespaces, because it kept none that no object selects.
const FILL: [u64; 2] = [3200, 4400];
const ROTATE: [u64; 2] = [2000, 2700];

/// A namespace costs no more bytes than the bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_for_each_namespace_are_bounded() {
    let _alone = MACHINE.write().await;
    let scenario = Scenario::own("wire").await;
    scenario.stop_operator().await;
    let cluster = scenario.cluster();
    let account = cluster.service_account_kubeconfig(SYSTEM_NAMESPACE, OPERATOR_ACCOUNT);
    let wire = Wire::start(&account.await.unwrap(), Duration::ZERO).await.unwrap();
    let options = Options::default();
    let operator = Operator::start_as(cluster, &options, wire.kubeconfig()).await.unwrap();

    let (first, second) = (scenario.login("first"), scenario.login("second"));
    let parts: Vec<String> = (0..NAMESPACES).map(|number| format!("{number:03}")).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    scenario.namespaces(&parts).await;
    scenario.wait_for_accounts(&scenario.in_scenario(&parts)).await;
    scenario.source(&first).await;

    let before = wire.bytes();
    scenario.apply(&scenario.object()).await;
    scenario
        .holds("all are served", &scenario.expected(&parts, &first))
        .await;
    scenario.counts(parts.len()).await;
    let filled = wire.bytes();
    let fill = each(before, filled);
    println!("filled: {fill:?} bytes for each namespace, sent and received");
    assert!(fill[0] <= FILL[0] && fill[1] <= FILL[1], "{fill:?}, at most {FILL:?}");

    scenario.source(&second).await;
    scenario
        .holds("all are rotated", &scenario.expected(&parts, &second))
        .await;
    scenario.counts(parts.len()).await;
    let rotated = wire.bytes();
    let rotate = each(filled, rotated);
    println!("rotated: {rotate:?} bytes for each namespace, sent and received");
    assert!(
        rotate[0] <= ROTATE[0] && rotate[1] <= ROTATE[1],
        "{rotate:?}, at most {ROTATE:?}"
    );
    operator.stop().await.unwrap();
}

fn each(before: Bytes, after: Bytes) -> [u64; 2] {
    [after.sent - before.sent, after.received - before.received].map(|bytes| bytes / NAMESPACES)
}

//! Parties: writers of a namespace, an object or a source namespace; clients of the operator's addresses; receivers of
//! its traces; and a webhook.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::operator::Options;
use e2e::scenario::{SOON, Scenario};
use e2e::wait::eventually;
use e2e::{SYSTEM_NAMESPACE, loopback};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::webhook::{Manner, Webhook};
use super::{Before, selected};
use crate::MACHINE;

/// The label of the namespaces under the webhook.
const REVIEWED: &str = "example.com/reviewed";

/// Repeats an action until dropped.
struct Goes(JoinHandle<()>);

impl Goes {
    fn on<F: Future<Output = ()> + Send>(every: Duration, act: impl Fn(usize) -> F + Send + Sync + 'static) -> Self {
        Self(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(every);
            for number in 0.. {
                ticks.tick().await;
                act(number).await;
            }
        }))
    }
}

impl Drop for Goes {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn make_accounts(scenario: &Scenario, namespace: &str, accounts: Vec<Value>) {
    let api: Api<ServiceAccount> = Api::namespaced(scenario.client().clone(), namespace);
    let made = stream::iter(accounts).map(|account| {
        let api = api.clone();
        async move {
            let account: ServiceAccount = serde_json::from_value(account).unwrap();
            api.create(&PostParams::default(), &account).await
        }
    });
    let made: Result<Vec<_>, _> = made.buffer_unordered(8).try_collect().await;
    made.expect("accounts can be made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_costs_the_others_nothing() {
    let _alone = MACHINE.write().await;
    let scenario = Scenario::own("tenant").await;
    let before = Before::measure(&scenario).await;
    scenario.unselected_namespaces(&["theirs"]).await;
    let theirs = scenario.in_scenario(&["theirs"]).remove(0);
    let labels: BTreeMap<String, String> = (0..4_000)
        .map(|number| (format!("example.com/label-{number:05}"), "v".repeat(60)))
        .collect();
    let entries: Vec<Value> = (0..20_000)
        .map(|number| json!({"name": format!("entry-{number:05}")}))
        .collect();
    let accounts = (0..60).map(|number| json!({"metadata": {"name": format!("labels-{number}"), "labels": labels}}));
    let lists =
        (0..20).map(|number| json!({"metadata": {"name": format!("list-{number}")}, "imagePullSecrets": entries}));
    make_accounts(&scenario, &theirs, accounts.chain(lists).collect()).await;

    just_below_the_bounds(&scenario, &theirs).await;

    let names: Vec<String> = (0..52_000).map(|number| format!("{number:04x}")).collect();
    let record = json!({"pullsecrets.dev/attached": names.join(",")});
    make_accounts(
        &scenario,
        &theirs,
        vec![json!({"metadata": {"name": "record", "annotations": record}})],
    )
    .await;
    let api: Api<ServiceAccount> = Api::namespaced(scenario.client().clone(), &theirs);
    let _touches = Goes::on(Duration::from_millis(250), move |number| {
        let api = api.clone();
        async move {
            let patch = Patch::Merge(json!({"metadata": {"labels": {"touched": number.to_string()}}}));
            let touched = api.patch("record", &PatchParams::default(), &patch).await;
            touched.expect("a tenant may touch its account");
        }
    });
    before.holds_during(&scenario, "tenant").await;
}

/// Creates accounts and Secrets at the size limits of what the operator keeps.
async fn just_below_the_bounds(scenario: &Scenario, namespace: &str) {
    let accounts = (0..300).map(|account| {
        let names: Vec<String> = (0..255).map(|entry| format!("{account:03}-{entry:0>58}")).collect();
        let entries: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        json!({
            "metadata": {
                "name": format!("below-{account}"),
                "annotations": {"pullsecrets.dev/attached": names.join(",")},
            },
            "imagePullSecrets": entries,
        })
    });
    make_accounts(scenario, namespace, accounts.collect()).await;
    let api: Api<Secret> = Api::namespaced(scenario.client().clone(), namespace);
    let secrets = (0..90).map(|secret| {
        let keys: Vec<String> = (0..20).map(|key| format!("a{key}")).collect();
        let value = |key: &String| (key.clone(), format!("{secret}-{key}-{}", "v".repeat(12_000)));
        let mut annotations: BTreeMap<String, String> = keys.iter().map(value).collect();
        annotations.insert("pullsecrets.dev/declared".to_owned(), keys.join(","));
        let labels = json!({"pullsecrets.dev/cluster-pull-secret": "x"});
        let secret =
            json!({"metadata": {"name": format!("copy-{secret}"), "labels": labels, "annotations": annotations}});
        let api = api.clone();
        async move {
            let secret: Secret = serde_json::from_value(secret).unwrap();
            api.create(&PostParams::default(), &secret).await
        }
    });
    let made: Result<Vec<_>, _> = stream::iter(secrets).buffer_unordered(8).try_collect().await;
    made.expect("secrets can be made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_author_costs_the_others_nothing() {
    let _alone = MACHINE.write().await;
    let scenario = Scenario::own("author").await;
    let before = Before::measure(&scenario).await;
    let mut other = scenario.object();
    other["metadata"]["name"] = "restless".into();
    scenario.apply(&other).await;
    let kubectl = scenario.cluster().kubectl().clone();
    // Each edit selects by new keys, so that the operator relists everything.
    let _edits = Goes::on(Duration::from_millis(200), move |number| {
        let (kubectl, mut other) = (kubectl.clone(), other.clone());
        async move {
            let selector = json!([{"matchLabels": {format!("example.com/k{number}"): "v"}}]);
            other["spec"]["namespaces"]["selectors"] = selector.clone();
            other["spec"]["serviceAccounts"] = json!({"selectors": selector});
            kubectl
                .apply(&other.to_string())
                .await
                .expect("an author may change an object");
        }
    });
    before.holds_during(&scenario, "author").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_namespace_costs_the_others_nothing() {
    let _alone = MACHINE.write().await;
    let scenario = Scenario::own("sources").await;
    let before = Before::measure(&scenario).await;
    let api: Api<Secret> = Api::namespaced(scenario.client().clone(), SYSTEM_NAMESPACE);
    let large = "x".repeat(1_000_000);
    for number in 0..40 {
        let secret = json!({"metadata": {"name": format!("large-{number}")}, "stringData": {"value": large}});
        let secret: Secret = serde_json::from_value(secret).unwrap();
        api.create(&PostParams::default(), &secret).await.unwrap();
    }
    // As sources, the operator keeps them without the keys that no object reads.
    let mut other = scenario.object();
    other["metadata"]["name"] = "curious".into();
    let registry = |number: usize| {
        json!({
            "server": format!("registry-{number}.example.com"),
            "credentials": {"basicAuth": {"secretRef": {"name": format!("large-{number}")}}},
        })
    };
    other["spec"]["registries"] = (0..16).map(registry).collect();
    scenario.apply(&other).await;
    before.holds_during(&scenario, "source namespace").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prober_costs_the_others_nothing() {
    let _alone = MACHINE.write().await;
    let scenario = Scenario::own("prober").await;
    let before = Before::measure(&scenario).await;
    let (health, metrics) = scenario.addresses();
    let head = vec![b'x'; 400_000];
    let mut silent = Vec::new();
    for address in [&health, &metrics] {
        for _ in 0..400 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // The operator may close the connection before it has received all.
            let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nX: ").await;
            let _ = tokio::time::timeout(Duration::from_millis(1), stream.write_all(&head)).await;
            silent.push(stream);
        }
    }
    for (address, path) in [(&health, "/livez"), (&metrics, "/metrics")] {
        let (code, _) = loopback::get(address, path, None).await.unwrap();
        assert_eq!(code, 200, "{path} answers beside silent clients");
    }
    before.holds_during(&scenario, "prober").await;
    let open = silent.iter_mut().map(|stream| async {
        let read = tokio::time::timeout(Duration::from_millis(1), stream.read(&mut [0; 64])).await;
        usize::from(read.is_err())
    });
    let open: usize = futures::future::join_all(open).await.into_iter().sum();
    assert!(open <= 64, "{open} of them are still open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_costs_the_others_nothing() {
    let _alone = MACHINE.write().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    // Its response never ends.
    let endless = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 1024]).await;
                let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n\r\n";
                let _ = stream.write_all(head).await;
                let part = vec![0; 64 * 1024];
                while stream.write_all(&part).await.is_ok() {}
            });
        }
    });
    let scenario = Scenario::own("collector").await;
    let before = Before::measure(&scenario).await;
    scenario.stop_operator().await;
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "200".to_owned()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
    scenario
        .start_operator_with(Options {
            environment,
            ..Options::default()
        })
        .await;
    before.holds_during(&scenario, "collector").await;
    endless.abort();
}

/// Creates forty accounts of one tenant, and one in each of forty namespaces, behind the webhook.
async fn reviewed(scenario: &Scenario, webhook: &Webhook, under_way: usize) {
    scenario.apply(&webhook.configuration(scenario.name(), REVIEWED)).await;
    let labels = BTreeMap::from([selected(scenario), (REVIEWED.to_owned(), "yes".to_owned())]);
    let names: Vec<String> = (0..40)
        .map(|number| format!("{}-reviewed-{number}", scenario.name()))
        .collect();
    scenario.make_namespaces(names.clone(), &labels).await;
    let accounts = (0..40).map(|number| json!({"metadata": {"name": format!("account-{number}")}}));
    make_accounts(scenario, &names[0], accounts.collect()).await;
    let known = "what waits for the webhook has its share";
    eventually(known, SOON, async || {
        let (reviews, metrics) = (webhook.reviews(), scenario.metrics().await);
        let mut lines = metrics.lines();
        let in_flight = lines.find_map(|line| line.strip_prefix("pullsecrets_writes_in_flight "));
        let in_flight: usize = in_flight.unwrap().parse().unwrap();
        // More than the number of slots: the first have ended, or were given up as slow.
        let known = reviews > 32 && in_flight <= under_way;
        known
            .then_some(())
            .ok_or_else(|| format!("{reviews} reviews, {in_flight} in flight"))
    })
    .await;
}

/// Checks one webhook: `under_way` writes may wait for it once the operator knows that it is slow.
async fn a_webhook(name: &str, manner: Manner, under_way: usize) {
    let _alone = MACHINE.write().await;
    let scenario = Scenario::own(name).await;
    let before = Before::measure(&scenario).await;
    let mut object = scenario.object();
    object["spec"]["serviceAccounts"] = json!({"names": ["*"]});
    scenario.apply(&object).await;
    let webhook = Webhook::start(manner);
    reviewed(&scenario, &webhook, under_way).await;
    before.holds_during(&scenario, name).await;
    scenario
        .kubectl(&["delete", "validatingwebhookconfiguration", scenario.name()])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_webhook_costs_the_others_nothing() {
    a_webhook("slow-webhook", Manner::Waits(Duration::from_secs(20)), 16).await;
}

/// A webhook that defers writes delays no other namespace.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deferring_webhook_does_not_delay_others() {
    let status = json!({"code": 429, "message": "x".repeat(2_000_000), "details": {"retryAfterSeconds": 3600}});
    a_webhook("busy-webhook", Manner::Denies(status), 0).await;
}

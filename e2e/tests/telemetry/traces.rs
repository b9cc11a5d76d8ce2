//! Traces: their content, and the operator's independence of the collector. The tests use several threads, because the
//! collector must answer while a test waits for the operator's end.

use e2e::SYSTEM_NAMESPACE;
use e2e::operator::{self, Options};
use e2e::scenario::{SOON, Scenario};
use e2e::wait::eventually;
use http::StatusCode;

use crate::telemetry::collector::{Collector, Manner, Span};

/// Returns options of an operator that sends its traces there, more often than every five seconds.
fn tracing_to(endpoint: &str) -> Options {
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Options {
        log: "trace".to_owned(),
        environment: vec![
            variable("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            variable("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ],
        ..Options::default()
    }
}

/// Waits for a span of this name with these attributes.
async fn arrives(collector: &Collector, name: &str, attributes: &[(&str, &str)]) -> Span {
    eventually(&format!("a span {name} with {attributes:?}"), SOON, async || {
        let of_name: Vec<Span> = collector.spans().into_iter().filter(|span| span.name == name).collect();
        let is_it = |span: &&Span| {
            let has = |&(key, value): &(&str, &str)| span.attributes.get(key).is_some_and(|held| held == value);
            attributes.iter().all(has)
        };
        of_name
            .iter()
            .find(is_it)
            .cloned()
            .ok_or_else(|| format!("{of_name:?}"))
    })
    .await
}

/// Each step, each write and each source is a span, and no credential is in any.
#[tokio::test(flavor = "multi_thread")]
async fn steps_writes_and_sources_are_spans() {
    let collector = Collector::start(Manner::Takes).await;
    let scenario = Scenario::own_with("traces", tracing_to(&collector.endpoint())).await;
    let (first, second) = (scenario.login("first"), scenario.login("second"));
    scenario.set_up(&["a"], &first).await;

    let write = arrives(&collector, "write", &[("namespace", "traces-a"), ("secret", "traces")]).await;
    assert_eq!(write.service, "pullsecrets");
    assert!(write.nanoseconds > 0);
    arrives(
        &collector,
        "write",
        &[("namespace", "traces-a"), ("service_account", "default")],
    )
    .await;
    let source = [
        ("object", "traces"),
        ("registry", "0"),
        ("namespace", SYSTEM_NAMESPACE),
        ("secret", "traces"),
    ];
    arrives(&collector, "source", &[&source[..], &[("reason", "Resolved")]].concat()).await;
    for step in ["arm", "remember", "report"] {
        arrives(&collector, "reconcile", &[("object", "traces"), ("step", step)]).await;
    }

    // Causes for the operator to handle a credential: a new one, an edited one, an unusable one.
    scenario.source(&second).await;
    scenario.holds("rotated", &scenario.expected(&["a"], &second)).await;
    let edit = r#"{"data":{".dockerconfigjson":"eyJhdXRocyI6e319"}}"#; // {"auths":{}}
    scenario
        .kubectl(&["patch", "secret", "traces", "-n", "traces-a", "-p", edit])
        .await;
    scenario.holds("restored", &scenario.expected(&["a"], &second)).await;
    let broken = format!(
        r#"{{"stringData":{{"username":"{}:","password":"p"}}}}"#,
        scenario.canary().core()
    );
    scenario
        .kubectl(&["patch", "secret", "traces", "-n", SYSTEM_NAMESPACE, "-p", &broken])
        .await;
    scenario.says("CredentialsReady", "False", "SourceInvalid").await;
    arrives(
        &collector,
        "source",
        &[&source[..], &[("reason", "SourceInvalid")]].concat(),
    )
    .await;

    // The operator sends the remaining spans before it ends.
    scenario.kubectl(&["delete", "cps", "traces"]).await;
    scenario.stop_operator().await;
    arrives(&collector, "reconcile", &[("object", "traces"), ("step", "disarm")]).await;
    for request in collector.received() {
        assert!(request.head.starts_with("POST /v1/traces "), "{}", request.head);
        let whole = format!("{} {}", request.head, String::from_utf8_lossy(&request.body));
        assert_eq!(scenario.canary().found_in(&whole), None, "a credential is in a trace");
    }
}

/// With or without a working collector, the operator keeps working and ends in time.
#[tokio::test(flavor = "multi_thread")]
async fn missing_collector_does_not_delay_the_operator() {
    let refusing = Collector::start(Manner::Refuses(StatusCode::SERVICE_UNAVAILABLE)).await;
    let hanging = Collector::start(Manner::NeverAnswers).await;
    let nobody = format!("http://127.0.0.1:{}", e2e::ports::free().unwrap());
    let scenario = Scenario::own("untraced").await;
    let login = scenario.login("first");
    scenario.set_up(&["a"], &login).await;
    let mut parts = vec!["a"];
    for (part, endpoint, told) in [
        ("nobody", nobody, "Connect"),
        ("refusing", refusing.endpoint(), "the collector answered 503"),
        ("hanging", hanging.endpoint(), "did not answer in time"),
    ] {
        scenario.stop_operator().await;
        let before = warnings(&scenario).len();
        scenario.start_operator_with(tracing_to(&endpoint)).await;
        parts.push(part);
        scenario.namespaces(&[part]).await;
        let expected = scenario.expected(&parts, &login);
        scenario
            .holds(&format!("{part}: a namespace is served"), &expected)
            .await;
        eventually(&format!("{part}: the log says so"), SOON, async || {
            let warnings = warnings(&scenario).split_off(before);
            let right = warnings.len() == 1 && warnings[0].contains(told);
            right.then_some(()).ok_or_else(|| format!("{warnings:?}"))
        })
        .await;
    }
    // Each time within ten seconds, and with success; the last one while a request hangs.
    scenario.stop_operator().await;
    assert_eq!(warnings(&scenario).len(), 3, "each reports it once");
}

fn warnings(scenario: &Scenario) -> Vec<String> {
    let log = operator::logged(scenario.cluster()).unwrap();
    let lines = log.lines().filter(|line| line.contains("traces do not arrive"));
    lines.map(str::to_owned).collect()
}

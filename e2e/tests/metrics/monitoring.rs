//! `config/monitoring`: its metrics exist, its alerts fire when they must, and its manifests are accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use e2e::cluster::{Cluster, Options};
use e2e::scenario::SOON;
use e2e::wait::{blocking, eventually};
use e2e::{SYSTEM_NAMESPACE, binaries};
use serde_json::{Value, json};

use crate::metrics::scrape::table;

const RULES: &str = "config/monitoring/rules.yaml";

fn yaml(path: &str) -> Value {
    let text = std::fs::read_to_string(e2e::workspace().join(path)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| unreachable!("{value} is no list"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| unreachable!("{value} is no text"))
}

fn rules() -> Vec<Value> {
    list(&yaml(RULES)["spec"]["groups"])
        .iter()
        .flat_map(|group| list(&group["rules"]).to_vec())
        .collect()
}

/// Calls `e2e/alerts`.
async fn ask(command: &'static str, question: Value) -> Value {
    let answer = blocking(move || {
        let mut child = Command::new(binaries::alerts()?)
            .arg(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child.stdin.take().unwrap().write_all(question.to_string().as_bytes())?;
        let output = child.wait_with_output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    });
    answer.await.unwrap()
}

fn seconds(minutes: &str) -> u64 {
    minutes.strip_suffix('m').unwrap().parse::<u64>().unwrap() * 60
}

/// Every alert fires when it must, and at no other time.
#[tokio::test]
async fn every_alert_fires_only_when_it_must() {
    let (rules, cases) = (rules(), yaml("e2e/alerts/rules_test.yaml"));
    // By alert: whether it fired, and whether it stayed silent.
    let mut seen: BTreeMap<&str, [bool; 2]> = rules.iter().map(|rule| (text(&rule["alert"]), [false; 2])).collect();
    for case in list(&cases["tests"]) {
        let question = json!({
            "rules": rules, "input_series": case["input_series"], "interval": case["interval"], "until": "60m",
        });
        let fired = ask("fire", question).await;
        for expected in list(&case["alert_rule_test"]) {
            let (alert, at) = (text(&expected["alertname"]), seconds(text(&expected["eval_time"])));
            let then = |firing: &&Value| firing["alert"] == alert && firing["seconds"] == at;
            let firing: Vec<&Value> = list(&fired)
                .iter()
                .filter(then)
                .map(|firing| &firing["labels"])
                .collect();
            let wanted = list(&expected["exp_alerts"]).iter().map(|one| &one["exp_labels"]);
            assert_eq!(
                firing,
                wanted.collect::<Vec<_>>(),
                "{}: {alert} after {at} s",
                case["name"]
            );
            seen.get_mut(alert).unwrap()[usize::from(firing.is_empty())] = true;
        }
    }
    assert!(seen.values().all(|both| *both == [true; 2]), "{seen:?}");
}

/// Alerts and panels ask for metrics and labels that there are.
#[tokio::test]
async fn alerts_and_panels_use_existing_metrics() {
    let dashboard: Value = yaml("config/monitoring/dashboard.json");
    let targets = list(&dashboard["panels"])
        .iter()
        .flat_map(|panel| list(&panel["targets"]));
    let asked: Vec<String> = rules()
        .iter()
        .chain(targets)
        .map(|asks| text(&asks["expr"]).replace("$__rate_interval", "5m"))
        .collect();
    let (known, names) = (table(), ask("names", json!(asked)).await);
    // Labels that Prometheus adds to every series.
    let added = BTreeSet::from(["job", "pod", "le"]);
    for (expression, selectors) in asked.iter().zip(list(&names)) {
        for selector in list(selectors) {
            let metric = text(&selector["metric"]);
            let whole = metric.strip_suffix("_bucket").unwrap_or(metric);
            let about = known
                .get(whole)
                .unwrap_or_else(|| unreachable!("{expression}: there is no {metric}"));
            assert_eq!(about.kind == "histogram", whole != metric, "{expression}");
            for label in list(&selector["labels"]).iter().map(text) {
                let there = about.labels.contains(label) || added.contains(label);
                assert!(there, "{expression}: {metric} has no label {label}");
            }
        }
    }
    for rule in rules() {
        for part in [
            "/annotations/summary",
            "/annotations/description",
            "/annotations/runbook",
            "/labels/severity",
            "/for",
        ] {
            assert!(
                rule.pointer(part).is_some_and(|value| !text(value).is_empty()),
                "{part} of {rule}"
            );
        }
    }
}

/// All of it is accepted with the definitions of the Prometheus operator.
#[tokio::test]
async fn monitoring_is_accepted_by_prometheus_operator_definitions() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    cluster.install().await.unwrap();
    let definitions = blocking(binaries::prometheus_operator).await.unwrap();
    for kind in ["servicemonitors", "prometheusrules"] {
        let file = format!("example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml");
        let path = definitions.join(file);
        let apply = ["apply", "--server-side", "-f", path.to_str().unwrap()];
        cluster.kubectl().run(&apply, "").await.unwrap();
    }
    eventually("it is accepted", SOON, async || {
        let apply = ["apply", "-k", "config/monitoring"];
        let applied = cluster.kubectl().run(&apply, "").await;
        applied.map_err(|error| format!("{error:#}"))
    })
    .await;
    let get = async |what: &str| -> Value {
        let get = ["get", what, "-n", SYSTEM_NAMESPACE, "-o", "json"];
        let found = cluster.kubectl().run(&get, "").await.unwrap();
        serde_json::from_str(&found).unwrap()
    };

    // The monitor must select the Service. The Service and the NetworkPolicy must select the Pods and their ports.
    let (monitor, service) = (
        get("servicemonitor/pullsecrets").await,
        get("service/pullsecrets-metrics").await,
    );
    assert_eq!(
        monitor["spec"]["selector"]["matchLabels"],
        service["metadata"]["labels"]
    );
    assert_eq!(
        monitor["spec"]["endpoints"][0]["port"],
        service["spec"]["ports"][0]["name"]
    );
    let (deployment, policy) = (
        get("deployment/pullsecrets").await,
        get("networkpolicy/pullsecrets").await,
    );
    let pod = &deployment["spec"]["template"];
    for selector in [
        &service["spec"]["selector"],
        &policy["spec"]["podSelector"]["matchLabels"],
    ] {
        assert_eq!(*selector, pod["metadata"]["labels"]);
    }
    let ports = list(&pod["spec"]["containers"][0]["ports"]);
    let ports: BTreeSet<&str> = ports.iter().map(|port| text(&port["name"])).collect();
    assert!(ports.contains(text(&service["spec"]["ports"][0]["targetPort"])));
    let open = list(&policy["spec"]["ingress"])
        .iter()
        .flat_map(|rule| list(&rule["ports"]));
    assert_eq!(open.map(|port| text(&port["port"])).collect::<BTreeSet<_>>(), ports);
}

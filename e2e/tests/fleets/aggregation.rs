//! The status that Karmada makes of those of its member clusters.

use e2e::scenario::Scenario;
use serde_json::{Value, json};

use crate::fleets::argo_cd::testdata;
use crate::gitops::judges::{ask, judge};

const FILE: &str = "config/fleet/karmada.yaml";

/// The generation of the template.
const GENERATION: i64 = 7;

/// Member clusters, with the object that each of them has.
type Clusters = &'static [(&'static str, &'static str)];

/// The clusters, and the words of kstatus and of Argo CD for the whole. The last columns are the namespaces and the
/// beginning of the message of `Ready`.
const TABLE: [(Clusters, &str, &str, &str, &str); 11] = [
    (&[], "InProgress", "Progressing", "0/0", "Karmada has placed"),
    (
        &[("east", "healthy"), ("west", "healthy")],
        "Current",
        "Healthy",
        "1624/1624",
        "ready in 2 of 2 clusters: east, west",
    ),
    (
        &[("west", "suspended"), ("east", "healthy")],
        "Current",
        "Healthy",
        "1624/1624",
        "ready in 2 of 2 clusters: east, west",
    ),
    (
        &[("east", "healthy"), ("west", "degraded")],
        "Failed",
        "Degraded",
        "1623/1624",
        "west: 1 of 812 namespaces failed",
    ),
    (
        &[("east", "healthy"), ("west", "progressing_working")],
        "InProgress",
        "Progressing",
        "1024/1212",
        "west: 212 of 400 namespaces are ready",
    ),
    (
        &[("east", "progressing_working"), ("west", "degraded")],
        "Failed",
        "Degraded",
        "1023/1212",
        "east: 212 of 400 namespaces are ready; west: 1 of 812 namespaces failed",
    ),
    (
        &[("east", "healthy"), ("west", "progressing_new")],
        "InProgress",
        "Progressing",
        "812/812",
        "west: the operator has not reported on this version yet",
    ),
    (
        &[("east", "healthy"), ("west", "progressing_changed")],
        "InProgress",
        "Progressing",
        "1624/1624",
        "west: the operator has not reported on this version yet",
    ),
    // What one cluster reports of this version is enough to fail it.
    (
        &[("east", "degraded"), ("west", "refused")],
        "Failed",
        "Degraded",
        "811/812",
        "east: 1 of 812 namespaces failed; west: no matches for kind",
    ),
    // It has the template of an earlier generation.
    (
        &[("east", "healthy"), ("west", "late")],
        "InProgress",
        "Progressing",
        "1624/1624",
        "west: the operator has not reported on this version yet",
    ),
    (
        &[("east", "healthy"), ("west", "refused")],
        "InProgress",
        "Progressing",
        "812/812",
        "west: no matches for kind",
    ),
];

/// Returns the object in Karmada's own API server, as just created.
fn template() -> Value {
    let mut object = testdata("progressing_new.yaml");
    object["metadata"]["generation"] = json!(GENERATION);
    object["metadata"]["creationTimestamp"] = json!("2026-03-01T00:00:00Z");
    object
}

/// Returns what Karmada knows of a member cluster.
async fn item(cluster: &str, state: &str) -> Value {
    if state == "refused" {
        return json!({"clusterName": cluster, "appliedMessage": "no matches for kind"});
    }
    let late = state == "late";
    let mut object = testdata(&format!("{}.yaml", if late { "healthy" } else { state }));
    let generation = if late { GENERATION - 1 } else { GENERATION };
    object["metadata"]["annotations"] = json!({"resourcetemplate.karmada.io/generation": generation.to_string()});
    let status = ask(&["karmada-reflect", FILE], &[object]).await.remove(0);
    json!({"clusterName": cluster, "applied": true, "status": status})
}

async fn aggregated(object: &Value, items: &[Value]) -> Value {
    let given = json!({"object": object, "items": items});
    ask(&["karmada-aggregate", FILE], &[given]).await.remove(0)
}

/// Counts are sums, the worst cluster decides, and messages name the clusters.
#[tokio::test]
async fn worst_cluster_decides_and_is_named() {
    for (clusters, kstatus, argo_cd, namespaces, message) in TABLE {
        let mut items = Vec::new();
        for (cluster, state) in clusters {
            items.push(item(cluster, state).await);
        }
        let whole = aggregated(&template(), &items).await;
        let status = &whole["status"];
        let verdict = judge(std::slice::from_ref(&whole)).await.remove(0);
        let words = (verdict.of("kstatus"), verdict.of("Argo CD"));
        assert_eq!(words, (kstatus, argo_cd), "{clusters:?}: {status:#}");
        assert_eq!(status["namespaces"]["summary"], namespaces, "{clusters:?}");
        let said = status["conditions"][0]["message"].as_str().unwrap();
        assert!(said.starts_with(message), "{clusters:?}: {said}");
        assert_eq!(
            aggregated(&whole, &items).await,
            whole,
            "a second look changes the object"
        );
    }
}

/// A time of a condition moves only with its status, to a time that a cluster reports.
#[tokio::test]
async fn transition_times_move_with_the_status() {
    let time = |whole: &Value| whole["status"]["conditions"][0]["lastTransitionTime"].clone();
    let mut east = item("east", "healthy").await;
    let first = aggregated(&template(), std::slice::from_ref(&east)).await;
    assert_eq!(time(&first), "2026-03-02T10:00:00Z");
    east["status"]["conditions"][0]["lastTransitionTime"] = json!("2026-03-02T11:00:00Z");
    let same = aggregated(&first, std::slice::from_ref(&east)).await;
    assert_eq!(time(&same), "2026-03-02T10:00:00Z");
    east["status"]["conditions"][0]["status"] = json!("False");
    let other = aggregated(&same, &[east]).await;
    assert_eq!(time(&other), "2026-03-02T11:00:00Z");
}

/// The API server takes the aggregated status of many clusters with long messages, and drops no part of it.
#[tokio::test]
async fn aggregated_status_satisfies_the_schema() {
    let scenario = Scenario::shared("aggregated").await;
    scenario.apply(&scenario.object()).await;
    let mut items = Vec::new();
    for number in 0..60 {
        let mut item = item(&format!("cluster-{number:02}"), "degraded").await;
        let failures = (0..20).map(|failure| {
            json!({
                "namespace": format!("n{failure}"), "reason": "SecretConflict", "message": "ä".repeat(1024),
            })
        });
        item["status"]["failures"] = failures.collect();
        item["status"]["registries"] = json!([{"server": "ghcr.io", "state": "Ready", "reason": "Resolved"}]);
        item["status"]["secretName"] = json!("company");
        items.push(item);
    }
    items[30]["status"]["registries"][0] =
        json!({"server": "ghcr.io", "state": "NotReady", "reason": "SourceNotFound", "message": "no source"});
    let status = aggregated(&template(), &items).await["status"].clone();
    assert_eq!(status["failures"].as_array().unwrap().len(), 20);
    assert_eq!(status["registriesReady"], "0/1");
    assert_eq!(status["registries"][0]["message"], "cluster-30: no source");

    let patch = json!({"status": status}).to_string();
    let arguments = [
        "patch",
        "cps",
        scenario.name(),
        "--subresource=status",
        "--type=merge",
        "--dry-run=server",
        "-o",
        "json",
        "-p",
        &patch,
    ];
    let taken: Value = serde_json::from_str(&scenario.kubectl(&arguments).await).unwrap();
    for (field, value) in status.as_object().unwrap() {
        assert_eq!(&taken["status"][field], value, "{field}");
    }
}

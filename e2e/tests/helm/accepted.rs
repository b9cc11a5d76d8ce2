//! What the chart renders is what the server's own schemas describe.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use e2e::cluster::{Cluster, Options};
use e2e::folder::Folder;
use e2e::scenario::SOON;
use e2e::wait::{blocking, eventually};
use e2e::{binaries, client};
use kube::Client;
use serde_json::{Value, json};

use crate::helm::chart::{BOTH, Helm, USUAL, everything, fed};

/// Where kubeconform finds the schema of a kind.
const FILES: &str = "{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json";

/// kubeconform, strictly and without the network, knows every kind and every field of the chart.
#[tokio::test]
async fn each_object_fits_the_servers_schemas() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    monitoring_kinds(&cluster).await;
    let folder = Folder::new("pullsecrets-schemas").unwrap();
    let mut named = everything();
    named["mode"] = json!("named");
    named["sourceNamespaces"] = json!(["ci"]);
    named["topologySpreadConstraints"] = json!([]);
    named["affinity"] = json!({"podAntiAffinity": null});
    let texts: Vec<String> = [json!({}), everything(), named]
        .iter()
        .flat_map(|values| BOTH.map(|helm| helm.text(USUAL, values).unwrap()))
        .collect();
    let versions: BTreeSet<&str> = texts
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.strip_prefix("apiVersion: "))
        .collect();
    assert!(versions.len() > 7, "{versions:?}");
    let client = cluster.admin().await.unwrap();
    for version in versions {
        eventually("the server describes it", SOON, async || {
            schemas(&client, version, folder.path()).await
        })
        .await;
    }
    for text in &texts {
        assert_eq!(conforms(&folder, text).unwrap(), "");
    }
    // It would notice.
    let misspelt = texts[0].replace("enableServiceLinks", "enableServiceLink");
    assert!(conforms(&folder, &misspelt).unwrap().contains("enableServiceLink"));
}

/// Installs the definitions of the Prometheus operator for which the chart has objects.
pub(crate) async fn monitoring_kinds(cluster: &Cluster) {
    let definitions = blocking(binaries::prometheus_operator).await.unwrap();
    for kind in ["servicemonitors", "podmonitors", "prometheusrules"] {
        let file = format!("example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml");
        let path = definitions.join(file);
        let apply = ["apply", "--server-side", "-f", path.to_str().unwrap()];
        cluster.kubectl().run(&apply, "").await.unwrap();
        let name = format!("crd/{kind}.monitoring.coreos.com");
        let wait = ["wait", "--for=condition=Established", &name, "--timeout=120s"];
        cluster.kubectl().run(&wait, "").await.unwrap();
    }
}

/// Writes the schema of each kind of an API version into the folder.
async fn schemas(client: &Client, version: &str, folder: &Path) -> Result<(), String> {
    let path = if version.contains('/') { "apis" } else { "api" };
    let text = client::get(client, &format!("/openapi/v3/{path}/{version}"))
        .await
        .map_err(|error| format!("{version}: {error:#}"))?;
    let mut document: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut all = document["components"]["schemas"].take();
    close(&mut all);
    let (group, short) = version.split_once('/').unwrap_or(("", version));
    let mut written = 0;
    for (name, schema) in all.as_object().ok_or("no schemas")? {
        let kinds = schema["x-kubernetes-group-version-kind"].as_array();
        // The objects of deletions belong to every group.
        for kind in kinds.filter(|kinds| kinds.len() == 1).into_iter().flatten() {
            if kind["group"] != group || kind["version"] != short {
                continue;
            }
            let reference = format!("#/components/schemas/{name}");
            let whole = json!({"$ref": reference, "components": {"schemas": all}});
            let kind = kind["kind"].as_str().unwrap_or_default().to_lowercase();
            // To kubeconform the version of the core group is its name too.
            let file = format!("{}_{short}_{kind}.json", if group.is_empty() { short } else { group });
            std::fs::write(folder.join(file), whole.to_string()).map_err(|error| error.to_string())?;
            written += 1;
        }
    }
    if written == 0 {
        Err(format!("{version} has no kind"))
    } else {
        Ok(())
    }
}

/// Refuses what a schema does not name, wherever it names fields.
fn close(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(close);
            let open = ["additionalProperties", "x-kubernetes-preserve-unknown-fields"];
            if fields.get("properties").is_some_and(Value::is_object)
                && !open.iter().any(|key| fields.contains_key(*key))
            {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Returns what kubeconform has to say about a text.
fn conforms(folder: &Folder, text: &str) -> anyhow::Result<String> {
    let mut command = Command::new(binaries::kubeconform()?);
    let place = folder.join(FILES);
    command.args(["-strict", "-schema-location"]).arg(place).arg("-");
    let output = fed(command, text)?;
    Ok(format!(
        "{}{}",
        String::from_utf8(output.stdout)?,
        String::from_utf8(output.stderr)?
    ))
}

/// A server accepts the release in a dry run, with everything on.
#[tokio::test]
async fn server_accepts_the_release_in_a_dry_run() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    monitoring_kinds(&cluster).await;
    let folder = Folder::new("pullsecrets-values").unwrap();
    let values = folder.join("values.json");
    std::fs::write(&values, everything().to_string()).unwrap();
    for helm in BOTH {
        let (name, namespace) = USUAL;
        let install = [
            "install",
            name,
            super::chart::CHART,
            "--namespace",
            namespace,
            "--create-namespace",
        ];
        let dry = ["--dry-run=server", "--values", values.to_str().unwrap()];
        let printed = helm
            .run(cluster.kubeconfig_path(), &[&install[..], &dry].concat())
            .await
            .unwrap();
        assert!(
            printed.contains("kubectl delete cps --all"),
            "{helm:?}: its notes are missing"
        );
    }
    let listed = Helm::Four
        .run(cluster.kubeconfig_path(), &["list", "--all-namespaces", "--short"])
        .await;
    assert_eq!(listed.unwrap(), "");
}

//! Refusals at apply: a message names the field and the fix, also for `--dry-run=server`, and the store does not
//! change.

use std::collections::BTreeMap;
use std::path::Path;

use e2e::audit::{Audit, Mark, Record};
use e2e::kubectl::Kubectl;
use e2e::oracle;
use e2e::pool::Lent;
use e2e::store::everything;
use kube::Client;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::bad_input::cases::{self, Refused, folder, name, object};

/// The API server refuses an object that can never work, and the store does not change.
#[tokio::test]
async fn impossible_specs_are_refused_at_apply() {
    let cluster = Lent::installed().await.unwrap();
    let (kubectl, client, audit) = (cluster.kubectl(), cluster.admin().await.unwrap(), cluster.audit());
    let cases: Vec<Refused> = cases::refused()
        .into_iter()
        .chain(crate::bad_input::bounds::cases())
        .chain(huge())
        .collect();
    assert!(cases.len() > 60, "{} cases", cases.len());

    let before = cases
        .iter()
        .enumerate()
        .filter_map(|(at, case)| Some(object(&name(at), case.was.as_ref()?)));
    apply(&kubectl, &folder(cluster.folder(), "before", before), &[])
        .await
        .unwrap();
    let bad = cases.iter().enumerate();
    let bad = bad.map(|(at, case)| object(&case.name.clone().unwrap_or_else(|| name(at)), &case.spec));
    let bad = folder(cluster.folder(), "bad", bad);
    let (mark, before) = (settled(&audit, &client).await, versions(&client).await);

    for mode in [&["--dry-run=server"][..], &[]] {
        let told = apply(&kubectl, &bad, mode).await.unwrap_err();
        let mut wrong = Vec::new();
        for (at, case) in cases.iter().enumerate() {
            let refusal = of_file(&told, &name(at));
            if !refusal.contains(&case.says) || !refusal.contains(&case.field) {
                wrong.push(format!(
                    "{} should say {:?} of {}:\n{refusal}",
                    name(at),
                    case.says,
                    case.field
                ));
            }
        }
        assert!(
            wrong.is_empty(),
            "{mode:?}, {} of {}:\n{}",
            wrong.len(),
            cases.len(),
            wrong.join("\n")
        );
    }

    audit.settle(&client).await.unwrap();
    let writes = audit.writes_since(mark, "admin").unwrap().objects;
    assert!(writes.len() >= cases.len(), "{} were sent", writes.len());
    let taken: Vec<String> = writes
        .iter()
        .filter(|write| write.code < 400)
        .map(Record::summary)
        .collect();
    assert_eq!(taken, Vec::<String>::new(), "writes that were not refused");
    assert_eq!(versions(&client).await, before, "the store");
}

/// An object that can work is accepted as written.
#[tokio::test]
async fn possible_specs_are_accepted_as_written() {
    let cluster = Lent::installed().await.unwrap();
    let (kubectl, client) = (cluster.kubectl(), cluster.admin().await.unwrap());
    let cases = cases::accepted();
    let good = cases.iter().enumerate().map(|(at, spec)| object(&name(at), spec));
    let good = folder(cluster.folder(), "good", good);
    apply(&kubectl, &good, &["--dry-run=server"]).await.unwrap();
    assert_eq!(objects(&client).await, 0, "a dry run creates no object");
    apply(&kubectl, &good, &[]).await.unwrap();
    assert_eq!(objects(&client).await, cases.len());
}

/// Returns absurd cases: ten million characters in a short field.
fn huge() -> Vec<Refused> {
    let megabytes = |count: usize| json!("a".repeat(count * 1_000_000));
    let spec = |pointer: &str, value: Value| {
        let mut spec = cases::good();
        spec["secret"] = json!({"annotations": {"pull-secret.a/b": "c"}});
        *spec.pointer_mut(pointer).unwrap() = value;
        spec
    };
    let server = spec("/registries/0/server", megabytes(1));
    let larger = [
        "/registries/0/server",
        "/namespaces/names/0",
        "/secret/annotations/pull-secret.a~1b",
    ];
    let larger = larger.map(|pointer| Refused::new("too large", "Request entity", spec(pointer, megabytes(10))));
    let mut all = vec![Refused::new("Too long", "spec.registries[0].server", server)];
    all.extend(larger);
    all
}

/// Applies every file of a folder; the error has the whole output of kubectl.
async fn apply(kubectl: &Kubectl, folder: &Path, mode: &[&str]) -> Result<(), String> {
    let folder = folder.display().to_string();
    let arguments: Vec<&str> = ["apply", "-f", &folder]
        .into_iter()
        .chain(mode.iter().copied())
        .collect();
    let output = kubectl.output(&arguments, "").await.unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Returns the output for one file: a refusal names its file, and precedes that of the next one.
fn of_file<'a>(told: &'a str, name: &str) -> &'a str {
    let file = format!("{name}.json\"");
    let start = told.rfind(&file).map_or(told.len(), |at| at + file.len());
    let rest = &told[start..];
    &rest[..rest.find(".json\"").unwrap_or(rest.len())]
}

async fn settled(audit: &Audit, client: &Client) -> Mark {
    audit.settle(client).await.unwrap();
    audit.mark().unwrap()
}

/// Returns the resourceVersion of every object, except those that the control plane renews by itself.
async fn versions(client: &Client) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    for listed in everything(client).await.unwrap() {
        let renewed = ["leases", "events"].iter().any(|kind| listed.path.ends_with(kind));
        for object in listed.items().unwrap().into_iter().filter(|_| !renewed) {
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            let place = format!("{} {}/{}", listed.path, text("namespace"), text("name"));
            versions.insert(place, text("resourceVersion"));
        }
    }
    versions
}

async fn objects(client: &Client) -> usize {
    oracle::objects(client)
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .len()
}

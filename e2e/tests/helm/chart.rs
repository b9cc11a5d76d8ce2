//! Helm, and what it renders.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail};
use e2e::{SYSTEM_NAMESPACE, binaries, workspace};
use serde_json::{Value, json};

/// The chart, in the workspace.
pub(crate) const CHART: &str = "config/helm";

/// Objects by kind and name. The key of an object outside of the release's namespace has its namespace too.
pub(crate) type Objects = BTreeMap<String, Value>;

/// One major version of Helm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Helm {
    Three,
    Four,
}

pub(crate) const BOTH: [Helm; 2] = [Helm::Three, Helm::Four];

/// Name and namespace of a release.
pub(crate) type Release<'a> = (&'a str, &'a str);

/// The release that installs the same as `config/default`.
pub(crate) const USUAL: Release<'static> = ("pullsecrets", SYSTEM_NAMESPACE);

impl Helm {
    pub(crate) fn binary(self) -> anyhow::Result<PathBuf> {
        match self {
            Self::Three => binaries::helm_3(),
            Self::Four => binaries::helm_4(),
        }
    }

    /// Returns a command in the workspace that sees no settings of the user.
    pub(crate) fn command(self, arguments: &[impl AsRef<OsStr>]) -> anyhow::Result<Command> {
        let mut command = Command::new(self.binary()?);
        command.args(arguments).current_dir(workspace());
        let settings = std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"HELM_"));
        for (name, _) in settings {
            command.env_remove(name);
        }
        for home in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(home, workspace().join("target/helm"));
        }
        Ok(command)
    }

    /// Runs Helm for the cluster of this kubeconfig, and returns its standard output.
    pub(crate) async fn run(self, kubeconfig: &Path, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = tokio::process::Command::from(self.command(arguments)?);
        command
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        said(
            &format!("{self:?}: helm {}", arguments.join(" ")),
            command.output().await?,
        )
    }

    /// Renders the release with these values; an error has the words of Helm.
    pub(crate) fn render(self, (name, namespace): Release, values: &Value) -> anyhow::Result<Objects> {
        let text = self.text((name, namespace), values)?;
        objects(&text, namespace)
    }

    /// As [`render`](Self::render), as the text that Helm prints.
    pub(crate) fn text(self, (name, namespace): Release, values: &Value) -> anyhow::Result<String> {
        let arguments = ["template", name, CHART, "--namespace", namespace, "--values", "-"];
        let output = fed(self.command(&arguments)?, &values.to_string())?;
        said(&format!("{self:?}: helm template"), output)
    }
}

/// Runs a command with this standard input.
pub(crate) fn fed(mut command: Command, input: &str) -> anyhow::Result<Output> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
    // It may end before it has read everything. Its own words then matter.
    let _ = child
        .stdin
        .take()
        .context("it has no input")?
        .write_all(input.as_bytes());
    Ok(child.wait_with_output()?)
}

/// Returns the standard output of a command that succeeded.
pub(crate) fn said(what: &str, output: Output) -> anyhow::Result<String> {
    if !output.status.success() {
        bail!("{what}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Returns the objects that `kubectl kustomize` prints for this folder, without the Namespace.
pub(crate) fn kustomized(folder: &str) -> anyhow::Result<Objects> {
    let mut command = Command::new(&binaries::binaries()?.kubectl);
    command.args(["kustomize", folder]).current_dir(workspace());
    let mut found = objects(&said(folder, command.output()?)?, SYSTEM_NAMESPACE)?;
    found.retain(|_, object| object["kind"] != "Namespace");
    Ok(found)
}

/// Returns the objects of a text with several documents.
fn objects(text: &str, namespace: &str) -> anyhow::Result<Objects> {
    let mut found = Objects::new();
    for document in format!("\n{text}").split("\n---") {
        let object: Option<Value> = serde_saphyr::from_str(document).with_context(|| document.to_owned())?;
        let Some(object) = object.filter(|object| !object.is_null()) else {
            continue;
        };
        let metadata = &object["metadata"];
        let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let place = match part(&metadata["namespace"]) {
            own if own.is_empty() || own == namespace => String::new(),
            other => format!("{other}/"),
        };
        let key = format!("{} {place}{}", part(&object["kind"]), part(&metadata["name"]));
        let twice = found.insert(key.clone(), object);
        anyhow::ensure!(twice.is_none(), "{key} twice");
    }
    Ok(found)
}

/// Takes off what only Helm adds: its labels, and the annotation that keeps the definition.
pub(crate) fn without_marks_of_helm(mut objects: Objects) -> Objects {
    for object in objects.values_mut() {
        let metadata = object["metadata"].as_object_mut().unwrap();
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.retain(|key, value| match key.as_str() {
                "helm.sh/chart" | "app.kubernetes.io/instance" | "app.kubernetes.io/version" => false,
                "app.kubernetes.io/managed-by" => value != "Helm",
                _ => true,
            });
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("helm.sh/resource-policy");
        }
        metadata.retain(|key, value| !(["annotations", "labels"].contains(&key.as_str()) && *value == json!({})));
    }
    objects
}

/// Returns what differs: `+ KIND NAME` and `- KIND NAME` for an object that came or went, and `KIND NAME /FIELD/...`
/// with the new value for a field. A field that went has none.
pub(crate) fn differences(before: &Objects, after: &Objects) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (key, object) in before {
        match after.get(key) {
            Some(other) => compare(&format!("{key} "), object, other, &mut found),
            None => drop(found.insert(format!("- {key}"), json!(true))),
        }
    }
    let came = after.keys().filter(|key| !before.contains_key(*key));
    found.extend(came.map(|key| (format!("+ {key}"), json!(true))));
    found
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut BTreeMap<String, Value>) {
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => {
            let mut fields: Vec<&String> = one.keys().chain(other.keys()).collect();
            fields.sort();
            fields.dedup();
            for field in fields {
                compare(&format!("{path}/{field}"), &before[field], &after[field], found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (at, (one, other)) in one.iter().zip(other).enumerate() {
                compare(&format!("{path}/{at}"), one, other, found);
            }
        }
        _ if before == after => {}
        _ => drop(found.insert(path.to_owned(), after.clone())),
    }
}

/// Returns values with everything optional on.
pub(crate) fn everything() -> Value {
    let on = json!({"enabled": true});
    json!({
        "recoverPods": true,
        "admission": {"authors": true, "accounts": true, "pods": true},
        "monitoring": {"service": on, "serviceMonitor": on, "podMonitor": on, "rules": on, "dashboard": on},
        "networkPolicy": on,
    })
}

//! What the container of a Pod asks for: variables, ports and probes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use k8s_openapi::api::core::v1::{Container, EnvVar, Pod, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

/// Returns the value of a variable of the container.
pub(super) fn value(variable: &EnvVar, pod: &Pod) -> anyhow::Result<String> {
    let field = variable.value_from.as_ref().and_then(|from| from.field_ref.as_ref());
    match field.map(|field| field.field_path.as_str()) {
        None => Ok(variable.value.clone().unwrap_or_default()),
        Some("metadata.name") => Ok(pod.name_any()),
        Some("metadata.namespace") => Ok(pod.namespace().unwrap_or_default()),
        Some(path) => bail!("{}: this node knows no {path}", variable.name),
    }
}

/// Returns the default ports of a binary from its help, each with the environment variable that changes it.
pub(super) fn listens(binary: &Path) -> anyhow::Result<Vec<(String, i32)>> {
    let help = Command::new(binary).arg("--help").env_clear().output()?;
    let help = String::from_utf8(help.stdout)?;
    let mut found = Vec::new();
    for flag in help.split("[env: ").skip(1) {
        let (variable, rest) = flag.split_once('=').context("a variable in the help")?;
        if variable.ends_with("_BIND_ADDRESS") {
            let default = rest.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']'));
            let port = default.and_then(|(address, _)| address.rsplit_once(':')?.1.parse().ok());
            found.push((
                variable.to_owned(),
                port.with_context(|| format!("the port of {variable}"))?,
            ));
        }
    }
    Ok(found)
}

/// Returns address and path of each probe; `here` maps the ports of the Pod to local addresses.
pub(super) fn probes(container: &Container, here: &BTreeMap<i32, String>) -> anyhow::Result<Vec<(String, String)>> {
    let named = |name: &str| {
        let mut ports = container.ports.iter().flatten();
        ports
            .find(|port| port.name.as_deref() == Some(name))
            .map(|port| port.container_port)
    };
    let one = |probe: &Probe| {
        let get = probe.http_get.as_ref().context("a probe that is no GET")?;
        let port = match &get.port {
            IntOrString::Int(port) => *port,
            IntOrString::String(name) => named(name).with_context(|| format!("no port {name}"))?,
        };
        let address = here
            .get(&port)
            .with_context(|| format!("no process listens on {port}"))?;
        Ok((address.clone(), get.path.clone().unwrap_or_else(|| "/".to_owned())))
    };
    let probes: Vec<&Probe> = [
        &container.startup_probe,
        &container.liveness_probe,
        &container.readiness_probe,
    ]
    .into_iter()
    .flatten()
    .collect();
    ensure!(container.readiness_probe.is_some(), "it has no readiness probe");
    probes.into_iter().map(one).collect()
}

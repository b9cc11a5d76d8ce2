//! A cluster as the API sends it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cli::verdict::{Evidence, LoginOutcome, Probe};
use cli::world::{Kind, Secret, World};
use serde_json::{Value, json};

use crate::case::{Case, Pod, Workload};

pub(crate) const NAMESPACE: &str = "ns";

pub(crate) fn world(case: &Case) -> World {
    let mut world = World::default();
    for (name, list) in &case.accounts {
        let account = json!({"metadata": metadata(name), "imagePullSecrets": references(list)});
        world.add(Kind::ServiceAccount, &account.to_string());
    }
    for (name, written) in &case.secrets {
        let data = written
            .secret
            .data
            .iter()
            .map(|(key, value)| (key.clone(), STANDARD.encode(value).into()));
        let data: serde_json::Map<String, Value> = data.collect();
        let secret = json!({"metadata": metadata(name), "type": written.secret.kind, "data": data});
        world.add(Kind::Secret, &secret.to_string());
    }
    for workload in &case.workloads {
        add_workload(&mut world, case, workload);
        for pod in &workload.pods {
            world.add(Kind::Pod, &pod_of(case, workload, pod).to_string());
        }
    }
    assert_eq!(world.problems, [], "what the author writes can be decoded");
    world
}

/// What the registries of the author answer.
pub(crate) fn evidence(case: &Case, world: &World) -> Evidence {
    let mut evidence = Evidence::default();
    let secrets = world.namespaces.values().flat_map(|seen| seen.secrets.values());
    for entry in secrets.flat_map(Secret::entries) {
        let login = world.logins.get(entry.login).expect("a login for each id");
        let refused = case.refused.contains(login.username());
        let outcome = if refused {
            LoginOutcome::Refused
        } else {
            LoginOutcome::Accepted
        };
        for image in &case.images {
            evidence.login(entry.login, image, outcome);
        }
    }
    for image in &case.images {
        let closed = case.closed.contains(image);
        evidence.probe(image, if closed { Probe::Closed } else { Probe::Open });
    }
    evidence
}

fn add_workload(world: &mut World, case: &Case, workload: &Workload) {
    let template = json!({"spec": spec(case, workload, &workload.own)});
    let spec = match workload.kind {
        "Pod" => return,
        "CronJob" => json!({"jobTemplate": {"spec": {"template": template}}}),
        _ => json!({"replicas": workload.pods.len(), "template": template}),
    };
    let api = if workload.kind == "CronJob" {
        "batch/v1"
    } else {
        "apps/v1"
    };
    let kind = Kind::of(api, workload.kind).expect("a known kind");
    let object = json!({"metadata": metadata(&workload.name), "spec": spec});
    world.add(kind, &object.to_string());
}

fn pod_of(case: &Case, workload: &Workload, pod: &Pod) -> Value {
    let mut metadata = metadata(&pod.name);
    if workload.kind != "Pod" {
        metadata["ownerReferences"] = json!([{"kind": workload.kind, "name": workload.name, "controller": true}]);
    }
    let statuses = pod.states.iter().enumerate().map(|(at, state)| {
        let state = match *state {
            "Running" => json!({"running": {}}),
            reason => json!({"waiting": {"reason": reason}}),
        };
        json!({"name": format!("c{at}"), "state": state})
    });
    let statuses: Vec<Value> = statuses.collect();
    json!({
        "metadata": metadata,
        "spec": spec(case, workload, &pod.list),
        "status": {"phase": "Pending", "containerStatuses": statuses},
    })
}

fn spec(case: &Case, workload: &Workload, list: &[String]) -> Value {
    let containers = workload.images.iter().enumerate().map(|(at, (image, policy))| {
        json!({"name": format!("c{at}"), "image": case.images[*image], "imagePullPolicy": policy})
    });
    json!({
        "serviceAccountName": workload.account,
        "imagePullSecrets": references(list),
        "containers": containers.collect::<Vec<_>>(),
    })
}

fn references(list: &[String]) -> Value {
    let reference = |name: &String| {
        if name.is_empty() {
            json!({})
        } else {
            json!({"name": name})
        }
    };
    list.iter().map(reference).collect()
}

fn metadata(name: &str) -> Value {
    json!({"name": name, "namespace": NAMESPACE, "creationTimestamp": "2026-11-30T10:00:00Z"})
}

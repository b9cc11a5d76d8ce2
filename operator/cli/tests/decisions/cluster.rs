//! A cluster in a few words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cli::audit::{Finding, Options, Part, Report};
use cli::verdict::Evidence;
use cli::world::{Kind, World};
use plan::server::Server;
use serde_json::{Value, json};

/// The image of most cases.
pub(crate) const IMAGE: &str = "r.example.com/team/app:1";

/// A cluster with the namespace `ns` and, at first, the account `default`.
#[derive(Default)]
pub(crate) struct Cluster {
    pub(crate) world: World,
    pub(crate) evidence: Evidence,
}

impl Cluster {
    /// A cluster whose account `default` lists these Secrets.
    pub(crate) fn listing(names: &[&str]) -> Self {
        Self::default().account("default", names)
    }

    pub(crate) fn account(self, name: &str, secrets: &[&str]) -> Self {
        self.add(
            Kind::ServiceAccount,
            json!({"metadata": metadata(name), "imagePullSecrets": references(secrets)}),
        )
    }

    /// A pull secret with a login under each of these keys.
    pub(crate) fn login(self, name: &str, keys: &[&str]) -> Self {
        let entries = keys
            .iter()
            .map(|key| ((*key).to_owned(), json!({"username": "user", "password": "CANARY"})));
        self.config(
            name,
            &json!({"auths": entries.collect::<serde_json::Map<_, _>>()}).to_string(),
        )
    }

    /// A pull secret with this docker config.
    pub(crate) fn config(self, name: &str, text: &str) -> Self {
        self.secret(name, "kubernetes.io/dockerconfigjson", &[(".dockerconfigjson", text)])
    }

    pub(crate) fn secret(self, name: &str, kind: &str, data: &[(&str, &str)]) -> Self {
        let data = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), STANDARD.encode(value).into()));
        let data: serde_json::Map<String, Value> = data.collect();
        self.add(
            Kind::Secret,
            json!({"metadata": metadata(name), "type": kind, "data": data}),
        )
    }

    /// A Deployment `api` with this list and the image.
    pub(crate) fn deployment(self, own: &[&str]) -> Self {
        self.workload(Kind::Deployment, "api", own, &[(IMAGE, "IfNotPresent")])
    }

    pub(crate) fn workload(self, kind: Kind, name: &str, own: &[&str], images: &[(&str, &str)]) -> Self {
        let template = json!({"spec": spec(own, images)});
        let spec = match kind {
            Kind::CronJob => json!({"jobTemplate": {"spec": {"template": template}}}),
            _ => json!({"template": template}),
        };
        self.add(kind, json!({"metadata": metadata(name), "spec": spec}))
    }

    /// A Pod of the Deployment `api` with this list, whose container is in this state.
    pub(crate) fn pod(self, name: &str, list: &[&str], policy: &str, state: &Value) -> Self {
        let mut metadata = metadata(name);
        metadata["ownerReferences"] = json!([{"kind": "Deployment", "name": "api", "controller": true}]);
        let mut spec = spec(list, &[(IMAGE, policy)]);
        spec["nodeName"] = "node-3".into();
        let status = json!({"containerStatuses": [{"name": "c0", "state": state}]});
        self.add(Kind::Pod, json!({"metadata": metadata, "spec": spec, "status": status}))
    }

    #[expect(clippy::needless_pass_by_value, reason = "cases write the object in place")]
    pub(crate) fn add(mut self, kind: Kind, object: Value) -> Self {
        self.world.add(kind, &object.to_string());
        self
    }

    pub(crate) fn report(&self, servers: &[&str]) -> Report {
        let servers = servers
            .iter()
            .map(|server| Server::parse(server).expect("a server"))
            .collect();
        let options = Options {
            servers,
            ..Options::default()
        };
        Report::of(
            vec![Part::of("dev", &self.world, &self.evidence, &options)],
            &options,
            true,
        )
    }

    /// The only finding.
    pub(crate) fn finding(&self) -> Finding {
        let mut findings = self.report(&[]).findings;
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings.remove(0)
    }
}

pub(crate) fn metadata(name: &str) -> Value {
    json!({"name": name, "namespace": "ns"})
}

pub(crate) fn running() -> Value {
    json!({"running": {}})
}

pub(crate) fn waiting(reason: &str) -> Value {
    json!({"waiting": {"reason": reason}})
}

pub(crate) fn spec(list: &[&str], images: &[(&str, &str)]) -> Value {
    let containers = images
        .iter()
        .enumerate()
        .map(|(at, (image, policy))| json!({"name": format!("c{at}"), "image": image, "imagePullPolicy": policy}));
    json!({"imagePullSecrets": references(list), "containers": containers.collect::<Vec<_>>()})
}

fn references(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"name": name})).collect()
}

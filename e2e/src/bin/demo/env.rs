//! Cluster, node, operator and registry of the demo.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::SYSTEM_NAMESPACE;
use e2e::binaries::runtime;
use e2e::cluster::{self, Cluster};
use e2e::image::Image;
use e2e::kubelet::Node;
use e2e::machine;
use e2e::operator::{self, Operator};
use e2e::oracle::{self, Allowed, DATA_KEY, Expected, Login, Needles};
use e2e::registry::Registry;
use e2e::wait::{blocking, until};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use anyhow::{Context, ensure};

use crate::terminal::{Terminal, note, say};

/// Name of the object, and so of its copies.
pub(crate) const OBJECT: &str = "company";

/// The Secret with the login.
pub(crate) const SOURCE: &str = "robot-login";

/// The user that the registry accepts.
pub(crate) const USER: &str = "robot";

/// The repository of the demo's private images, and their tags.
const REPOSITORY: &str = "company/app";
const TAGS: [&str; 2] = ["1", "2"];

/// Time limit for each promise, for a busy machine.
const SOON: Duration = Duration::from_mins(2);

/// A cluster with the operator on it, a node if the machine can run one, and a registry.
pub(crate) struct Env {
    pub(crate) operator: Operator,
    pub(crate) registry: Registry,
    node: Option<Node>,
    pub(crate) cluster: Cluster,
    pub(crate) client: Client,
}

impl Env {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let missing = machine::missing();
        let node = if missing.is_none() { ", a node" } else { "" };
        note(&format!(
            "starting etcd, kube-apiserver, kube-controller-manager, a registry{node} and the operator"
        ));
        if let Some(missing) = &missing {
            note(&format!(
                "no Pod runs in this demo: for a node this machine lacks {missing}"
            ));
        }
        let options = cluster::Options {
            nodes: missing.is_none(),
            ..cluster::Options::default()
        };
        let (cluster, mut registry) = tokio::try_join!(Cluster::start(options), Registry::start())?;
        let node = if missing.is_some() {
            None
        } else {
            let program = blocking(|| Ok(std::fs::read(&runtime()?.container)?)).await?;
            for tag in TAGS {
                let image = Image::of_container(&program, tag);
                registry.push(REPOSITORY, tag, &image).await?;
            }
            Some(Node::start(&cluster, "127.0.0.1").await?)
        };
        cluster.install().await?;
        let operator = Operator::start(&cluster, &operator::Options::default()).await?;
        let client = cluster.admin().await?;
        Ok(Self {
            operator,
            registry,
            node,
            cluster,
            client,
        })
    }

    /// Stops everything, and reports a process that had to be killed.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.operator.stop().await?;
        self.node.map_or(Ok(()), Node::end)?;
        self.cluster.stop()
    }

    /// Runs a Pod with a private image in each of these namespaces, and waits until it is ready, if there is a node.
    pub(crate) async fn run_pods(
        &self,
        terminal: &Terminal,
        namespaces: &[&str],
        name: &str,
        tag: usize,
    ) -> anyhow::Result<()> {
        if self.node.is_none() {
            return Ok(());
        }
        let image = format!("{}/{REPOSITORY}:{}", self.registry.address(), TAGS[tag]);
        for namespace in namespaces {
            self.kubectl(terminal, &format!("run {name} -n {namespace} --image={image}"))
                .await?;
        }
        for namespace in namespaces {
            let ready = format!("wait pod/{name} -n {namespace} --for=condition=Ready --timeout=1m");
            self.kubectl(terminal, &ready).await?;
        }
        self.show_pods(terminal).await
    }

    /// Prints all Pods, if there is a node.
    pub(crate) async fn show_pods(&self, terminal: &Terminal) -> anyhow::Result<()> {
        if self.node.is_none() {
            return Ok(());
        }
        self.kubectl(terminal, "get pods -A").await
    }

    /// Prints a kubectl command, runs it, and prints its output.
    pub(crate) async fn kubectl(&self, terminal: &Terminal, command: &str) -> anyhow::Result<()> {
        terminal.command(&format!("kubectl {command}"));
        // The commands of the story have no quoted blanks, except in a label selector or a patch without blanks.
        let arguments: Vec<String> = command
            .split_whitespace()
            .map(|word| word.trim_matches('\'').to_owned())
            .collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = self.cluster.kubectl().output(&arguments, "").await?;
        // A terminal shows both streams; "No resources found" is on standard error.
        say(&String::from_utf8_lossy(&output.stdout));
        say(&String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "kubectl {command} fails");
        Ok(())
    }

    /// Prints and runs `kubectl apply` of a manifest.
    pub(crate) async fn apply(&self, terminal: &Terminal, manifest: &str) -> anyhow::Result<()> {
        terminal.command(&format!("kubectl apply -f - <<'EOF'\n{manifest}EOF"));
        say(&self.cluster.kubectl().apply(manifest).await?);
        Ok(())
    }

    /// Creates or updates the source Secret with the login, without printing the password.
    pub(crate) async fn write_source(&self, terminal: &Terminal, password: &str) -> anyhow::Result<()> {
        let create = format!(
            "create secret generic {SOURCE} -n {SYSTEM_NAMESPACE} --type=kubernetes.io/basic-auth \
             --from-literal=username={USER} --dry-run=client -o yaml"
        );
        terminal.command(&format!(
            "kubectl {create} --from-literal=password=$PASSWORD | kubectl apply -f -"
        ));
        let secret = format!("--from-literal=password={password}");
        let arguments: Vec<&str> = create.split_whitespace().chain([secret.as_str()]).collect();
        let output = self.cluster.kubectl().output(&arguments, "").await?;
        ensure!(output.status.success(), "kubectl create secret fails");
        let manifest = String::from_utf8_lossy(&output.stdout);
        say(&self.cluster.kubectl().apply(&manifest).await?);
        Ok(())
    }

    /// Returns the expected state of the store when the object serves the `default` accounts of these namespaces.
    pub(crate) fn expected(&self, namespaces: &[&str], password: &str) -> Expected {
        let accounts = BTreeSet::from(["default".to_owned()]);
        let login = Login::new(USER, password);
        Expected {
            object: OBJECT.to_owned(),
            secret: OBJECT.to_owned(),
            logins: BTreeMap::from([(self.registry.address().to_owned(), login)]),
            holders: namespaces
                .iter()
                .map(|name| ((*name).to_owned(), accounts.clone()))
                .collect(),
        }
    }

    /// Waits until the store is in the expected state.
    pub(crate) async fn holds(&self, what: &str, expected: &Expected) -> anyhow::Result<()> {
        until(what, SOON, async || oracle::check(&self.client, expected).await).await
    }

    /// Waits until all copies, references and state of the object are gone.
    pub(crate) async fn gone(&self, passwords: &[&str]) -> anyhow::Result<()> {
        let logins: Vec<Login> = passwords.iter().map(|password| Login::new(USER, password)).collect();
        let (needles, allowed) = (Needles::of(&logins), Allowed::default());
        until("the object has left no trace", SOON, async || {
            oracle::check_gone(&self.client, OBJECT, OBJECT, &needles, &allowed).await
        })
        .await
    }

    /// Waits until `kubectl get` would show the object as ready with this many namespaces.
    pub(crate) async fn ready(&self, namespaces: usize) -> anyhow::Result<()> {
        until("the object is ready", SOON, async || {
            let object = oracle::object(&self.client, OBJECT).await?.ok_or("no such object")?;
            let status = &object.data["status"];
            let ready = status["conditions"].as_array().is_some_and(|conditions| {
                conditions
                    .iter()
                    .any(|found| found["type"] == "Ready" && found["status"] == "True")
            });
            let counted = status["namespaces"]["ready"] == namespaces;
            if ready && counted {
                Ok(())
            } else {
                Err(status["namespaces"].to_string())
            }
        })
        .await
    }

    /// Returns the registry's answer to the login in a namespace's copy.
    pub(crate) async fn answer(&self, namespace: &str) -> anyhow::Result<u16> {
        let copies: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let copy = copies.get(OBJECT).await?;
        let data = copy.data.unwrap_or_default();
        let bytes = data.get(DATA_KEY).context("the copy has no docker config")?;
        self.registry.status_with_docker_config(&bytes.0).await
    }

    /// Prints and checks the registry's answer for the copy of each namespace.
    pub(crate) async fn check_answers(
        &self,
        terminal: &Terminal,
        namespaces: &[&str],
        expected: u16,
    ) -> anyhow::Result<()> {
        for namespace in namespaces {
            let code = self.answer(namespace).await?;
            ensure!(
                code == expected,
                "the registry answers {code} to the copy in {namespace}"
            );
            terminal.holds(&format!("{namespace}: the registry answers {code} to its copy"));
        }
        Ok(())
    }
}

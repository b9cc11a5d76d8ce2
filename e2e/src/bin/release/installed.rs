//! An installation of the release on a cluster of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use e2e::SYSTEM_NAMESPACE;
use e2e::cluster::{Cluster, Options};
use e2e::login::Login;
use e2e::node::Node;
use e2e::oracle::{self, Expected};
use e2e::wait::until;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::published::{Published, said};
use crate::tool::Tool;

/// The object, its copies and its source.
const NAME: &str = "company";

const SERVER: &str = "registry.example.com";

/// Time limit for each promise, for a busy machine.
const SOON: Duration = Duration::from_mins(1);

/// How a user installs.
pub(crate) enum Way {
    /// With this Helm, from the registry.
    Helm(PathBuf),
    /// With kubectl, from this file.
    Manifest(PathBuf),
    /// With this command-line tool, which knows manifests and image of its release.
    Tool(PathBuf),
}

impl fmt::Display for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Helm(path) | Self::Manifest(path) | Self::Tool(path)) = self;
        write!(formatter, "{}", path.file_name().unwrap_or_default().display())
    }
}

fn login() -> Login {
    Login::new("robot", "token-of-the-robot")
}

/// The source and the object.
fn declared(login: &Login) -> [Value; 2] {
    let source = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
        "metadata": {"name": NAME, "namespace": SYSTEM_NAMESPACE},
        "stringData": {"username": login.username, "password": login.password},
    });
    let object = json!({
        "apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret",
        "metadata": {"name": NAME},
        "spec": {
            "registries": [{"server": SERVER, "credentials": {"basicAuth": {"secretRef": {"name": NAME}}}}],
            "namespaces": {"selectors": [{"matchLabels": {"pulls": NAME}}]},
        },
    });
    [source, object]
}

/// The release on a cluster, with a node that runs its image.
pub(crate) struct Installed {
    cluster: Cluster,
    node: Node,
}

impl Installed {
    /// Installs the release, and waits until its Deployment is available.
    pub(crate) async fn new(way: &Way, published: &Published) -> anyhow::Result<Self> {
        let options = Options {
            workloads: true,
            ..Options::default()
        };
        let cluster = Cluster::start(options).await?;
        let images = BTreeMap::from([(published.image().to_owned(), published.binary())]);
        let node = Node::start(&cluster, images).await?;
        let installed = Self { cluster, node };
        match way {
            Way::Helm(helm) => {
                let chart = published.chart();
                let mut command = Command::new(helm);
                command
                    .args(["install", "pullsecrets", &chart, "--version", published.version()])
                    .args(["--namespace", SYSTEM_NAMESPACE, "--create-namespace", "--plain-http"])
                    .args(["--wait", "--timeout", "2m"])
                    .env("KUBECONFIG", installed.cluster.kubeconfig_path())
                    .env("HELM_REGISTRY_CONFIG", published.login());
                for home in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
                    command.env(home, published.settings());
                }
                said(&mut command).await?;
            }
            Way::Manifest(file) => {
                let file = file.display().to_string();
                installed.kubectl(&["apply", "-f", &file]).await?;
            }
            Way::Tool(tool) => {
                let file = installed.cluster.folder().join("company.yaml");
                let [source, object] = declared(&login());
                std::fs::write(&file, format!("{source}\n---\n{object}\n"))?;
                let mut command = Command::new(tool);
                command
                    .args(["rollout", "--install", "--yes", "--filename"])
                    .arg(&file)
                    .env("KUBECONFIG", installed.cluster.kubeconfig_path());
                said(&mut command).await?;
            }
        }
        let rollout = ["rollout", "status", "deployment/pullsecrets", "--timeout=2m"];
        let rollout = [&rollout[..], &["-n", SYSTEM_NAMESPACE]].concat();
        installed.kubectl(&rollout).await?;
        Ok(installed)
    }

    async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let done = self.cluster.kubectl().run(arguments, "").await;
        done.map_err(|error| error.context(format!("the node: {:#?}", self.node.troubles())))
    }

    /// Creates an object for one namespace, and waits until it is ready and its namespace is served.
    pub(crate) async fn reaches_ready(&self) -> anyhow::Result<()> {
        let login = login();
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "payments", "labels": {"pulls": NAME}}});
        let [source, object] = declared(&login);
        for one in [namespace, source, object] {
            self.cluster.kubectl().apply(&one.to_string()).await?;
        }
        let ready = format!("cps/{NAME}");
        self.kubectl(&["wait", &ready, "--for=condition=Ready", "--timeout=1m"])
            .await?;
        let expected = Expected {
            object: NAME.to_owned(),
            secret: NAME.to_owned(),
            logins: BTreeMap::from([(SERVER.to_owned(), login)]),
            holders: BTreeMap::from([("payments".to_owned(), BTreeSet::from(["default".to_owned()]))]),
        };
        let client = self.cluster.admin().await?;
        until("the namespace is served", SOON, async || {
            oracle::check(&client, &expected).await
        })
        .await?;
        let image = "jsonpath={.items[*].spec.containers[*].image}";
        let images = self
            .kubectl(&["get", "pods", "-n", SYSTEM_NAMESPACE, "-o", image])
            .await?;
        eprintln!(
            "Ready, by {}",
            self.kubectl(&["get", "cps", NAME, "--no-headers"]).await?.trim()
        );
        eprintln!("Pods: {images}");
        Ok(())
    }

    /// The command-line tool shows the object as ready.
    pub(crate) async fn is_read_by(&self, tool: &Tool) -> anyhow::Result<()> {
        let mut command = Command::new(tool.path());
        command
            .args(["status", NAME])
            .env("KUBECONFIG", self.cluster.kubeconfig_path());
        let says = said(&mut command).await?;
        ensure!(says.contains("Ready=True"), "{says}");
        Ok(())
    }

    /// Ends everything; a trouble of the node is an error.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        let troubles = self.node.troubles();
        ensure!(troubles.is_empty(), "the node: {troubles:#?}");
        drop(self.node);
        e2e::wait::blocking(|| self.cluster.stop()).await
    }
}

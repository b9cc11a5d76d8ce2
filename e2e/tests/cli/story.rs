//! The whole story: three clusters whose registry is about to ask for a login. A patcher runs in the second one.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::binaries;
use e2e::canary::Canary;
use e2e::cluster::{Cluster, Options};
use e2e::folder::Folder;
use e2e::login::Login;
use e2e::loopback;
use e2e::node::Node;
use e2e::registry::{OpenRegistry, Registry};
use e2e::wait::blocking;
use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::cli::adopt::history::History;
use crate::cli::adopt::left::Left;
use crate::cli::adopt::stories::{groups, run, steps_first};
use crate::cli::adopt::tools;
use crate::cli::adopt::writers::Writer;
use crate::cli::rollout::installation::IMAGE;
use crate::cli::tool::{Ran, Tool};

const CONTEXTS: [&str; 3] = ["prod-asia", "prod-eu", "prod-us"];

/// The namespaces that the patcher serves.
const PATCHED: [&str; 2] = ["checkout", "search"];

/// How the recording of the rollout begins in the README of the tool. A release needs no `--image`.
const ROLLOUT: &str = r"$ kubectl pullsecrets rollout --server harbor.example.com --name company --username robot --password-stdin \
    --ignore default --install --context 'prod-*' --yes < password.txt
";

/// How the recording of the adoption begins there.
const ADOPTION: &str = "$ kubectl pullsecrets adopt --from patcher --context prod-eu --apply --yes\n";

/// Three clusters, and the registry of all their images.
struct Company {
    clusters: Vec<(Cluster, Node)>,
    registry: Registry,
    open: OpenRegistry,
    canary: Canary,
    tool: Tool,
    _folder: Folder,
}

/// A cluster with a node that runs the operator.
async fn cluster() -> anyhow::Result<(Cluster, Node)> {
    let options = Options {
        workloads: true,
        ..Options::default()
    };
    let cluster = Cluster::start(options).await?;
    let binary = blocking(binaries::operator).await?;
    let node = Node::start(&cluster, BTreeMap::from([(IMAGE.to_owned(), binary)])).await?;
    Ok((cluster, node))
}

/// One kubeconfig with a context for each cluster.
fn kubeconfig(clusters: &[(Cluster, Node)], folder: &Folder) -> String {
    let mut merged = json!({"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []});
    for (name, (cluster, _)) in CONTEXTS.iter().zip(clusters) {
        let one: Value = serde_json::from_slice(&std::fs::read(cluster.kubeconfig_path()).unwrap()).unwrap();
        for part in ["clusters", "users", "contexts"] {
            let mut entry = one[part][0].clone();
            entry["name"] = json!(name);
            if part == "contexts" {
                entry["context"] = json!({"cluster": name, "user": name});
            }
            merged[part].as_array_mut().unwrap().push(entry);
        }
    }
    let path = folder.join("kubeconfig");
    std::fs::write(&path, merged.to_string()).unwrap();
    path.display().to_string()
}

/// Makes a namespace with a workload. The next Pod decides, so there is none yet.
async fn deploy(cluster: &Cluster, namespace: &str, server: &str) {
    let labels = json!({"app": "api"});
    let container = json!({"name": "api", "image": format!("{server}/team/api:1")});
    for object in [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": namespace},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}},
        }),
    ] {
        cluster.kubectl().apply(&object.to_string()).await.unwrap();
    }
    let account = ["wait", "--for=create", "serviceaccount/default", "-n", namespace];
    cluster.kubectl().run(&account, "").await.unwrap();
}

impl Company {
    async fn found() -> Self {
        let clusters = try_join_all(CONTEXTS.map(|_| cluster())).await.unwrap();
        let mut registry = Registry::start().await.unwrap();
        let open = OpenRegistry::before(&mut registry).await.unwrap();
        let folder = Folder::new("pullsecrets-story").unwrap();
        let all = kubeconfig(&clusters, &folder);
        for (cluster, _) in &clusters {
            deploy(cluster, "payments", open.address()).await;
        }
        Self {
            tool: Tool::new(clusters[0].0.kubeconfig_path()).await.with_kubeconfig(all),
            clusters,
            registry,
            open,
            canary: Canary::new(),
            _folder: folder,
        }
    }

    /// Makes a login that the registry accepts.
    fn accepted(&mut self, login: Login) -> Login {
        self.registry.set_password(&login.username, &login.password).unwrap();
        login
    }

    /// What the patcher left in the second cluster.
    async fn patched(&mut self) -> Arc<Left> {
        let login = self.accepted(self.canary.part().login("of the patcher"));
        let (cluster, server) = (&self.clusters[1].0, self.open.address());
        for namespace in PATCHED {
            deploy(cluster, namespace, server).await;
        }
        let patcher = tools::all().into_iter().find(|tool| tool.key == "titansoft").unwrap();
        let (entries, namespaces) = ([patcher.secret], PATCHED.map(str::to_owned).to_vec());
        Arc::new(Left::make(cluster, patcher, namespaces, (server, &login), &entries).await)
    }

    fn troubles(&self) -> Vec<String> {
        let nodes = self.clusters.iter();
        nodes.flat_map(|(_, node)| node.troubles()).collect()
    }

    /// No output shows a login.
    fn is_silent(&self, ran: &Ran) {
        let found = self.canary.found_in(&format!("{}{}", ran.out, ran.err));
        assert!(found.is_none(), "{ran:#?}");
    }

    async fn audit(&self) -> Ran {
        let ran = self.tool.run(&["audit", self.open.address(), "--context=prod-*"]).await;
        self.is_silent(&ran);
        ran
    }

    /// Installs the operator, and serves all clusters. What that shows is in the README of the tool.
    async fn roll_out(&self, login: &Login) {
        let server = ["rollout", "--server", self.open.address(), "--name", "company"];
        let with = ["--username", &login.username, "--password-stdin", "--ignore", "default"];
        let install = ["--install", "--image", IMAGE, "--context=prod-*", "--yes"];
        let arguments = [&server[..], &with, &install].concat();
        let ran = self.tool.run_with(&arguments, &login.password).await;
        assert_eq!(ran.code, Some(0), "{ran:#?}\nthe nodes: {:#?}", self.troubles());
        self.is_silent(&ran);
        self.is_recorded(ROLLOUT, &ran);
    }

    /// The README of the tool has the recording, with the names that a reader would see.
    fn is_recorded(&self, command: &str, ran: &Ran) {
        let mut lines = Vec::new();
        let version = format!("pullsecrets {}:", env!("CARGO_PKG_VERSION"));
        for line in ran.err.lines().chain(ran.out.lines()) {
            let line = line.replace(self.open.address(), "harbor.example.com");
            let line = line
                .replace(&version, "pullsecrets VERSION:")
                .replace(IMAGE, "IMAGE@DIGEST");
            let context = CONTEXTS.iter().find(|context| line.trim_start().starts_with(**context));
            match (context, line.split_once("127.0.0.1:")) {
                (Some(context), Some((before, _))) => lines.push(format!("{before}{context}.example.com:6443")),
                _ => lines.push(line),
            }
        }
        let shown = format!("{command}{}\n$ echo $?\n0\n", lines.join("\n"));
        let page = std::fs::read_to_string(e2e::workspace().join("operator/cli/README.md")).unwrap();
        assert!(page.contains(&shown), "the README has another recording than:\n{shown}");
    }

    /// Takes over what the patcher left, by the steps of the plan, and uninstalls the patcher.
    async fn adopt(&self, patched: &Left) {
        let cluster = &self.clusters[1].0;
        let from = ["--from=patcher", "--context=prod-eu"];
        steps_first(cluster, &self.tool, &from).await;
        let apply = [&["adopt"], &from[..], &["--apply", "--yes"]].concat();
        let ran = self.tool.run(&apply).await;
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        self.is_silent(&ran);
        self.is_recorded(ADOPTION, &ran);
        assert!(run(cluster, &groups(&self.tool, &from).await, "after").await > 0);
        let client = cluster.admin().await.unwrap();
        for namespace in &patched.namespaces {
            let copy = e2e::client::get(&client, &patched.path(namespace)).await.unwrap();
            assert!(copy.contains("pullsecrets.dev/cluster-pull-secret"), "{namespace}");
        }
    }

    /// The answers of the registry to each login that a kubelet would try for the next Pod of a workload.
    async fn answers(&self, cluster: &Cluster, namespace: &str) -> Vec<u16> {
        let read = async |what: &str, name: &str| -> Value {
            let get = ["get", what, name, "-n", namespace, "-o", "json"];
            serde_json::from_str(&cluster.kubectl().run(&get, "").await.unwrap()).unwrap()
        };
        let account = read("serviceaccount", "default").await;
        let mut answers = Vec::new();
        for entry in account["imagePullSecrets"].as_array().into_iter().flatten() {
            let secret = read("secret", entry["name"].as_str().unwrap()).await;
            let config = STANDARD
                .decode(secret["data"][".dockerconfigjson"].as_str().unwrap())
                .unwrap();
            let config: Value = serde_json::from_slice(&config).unwrap();
            let entry = &config["auths"][self.open.address()];
            let auth = format!("Basic {}", entry["auth"].as_str().unwrap());
            let answer = loopback::get(self.open.address(), "/v2/", Some(&auth)).await;
            answers.push(answer.unwrap().0);
        }
        answers
    }
}

/// The audit names the workloads that would break, one command serves all clusters, and the next audit finds nothing. What
/// the patcher left is taken over while it runs. Then the registry asks for a login, and each workload has one.
#[tokio::test]
async fn three_clusters_are_ready_for_the_login() {
    let mut company = Company::found().await;
    let login = company.accepted(company.canary.login("first"));
    let patched = company.patched().await;
    let client = company.clusters[1].0.admin().await.unwrap();
    let history = History::start(&client);
    let writer = Writer::start(client.clone(), Arc::clone(&patched));

    let before = company.audit().await;
    assert_eq!(before.code, Some(1), "{before:#?}");
    let broken: Vec<&str> = before.out.lines().filter(|line| line.contains("NoReference")).collect();
    assert_eq!(broken.len(), CONTEXTS.len(), "{}", before.out);
    for (line, context) in broken.iter().zip(CONTEXTS) {
        assert!(line.starts_with(context) && line.contains("payments"), "{line}");
    }

    company.roll_out(&login).await;
    let after = company.audit().await;
    assert_eq!(after.code, Some(0), "{after:#?}");
    company.adopt(&patched).await;
    writer.stop().await;
    assert_eq!(history.violations(&client, &patched).await, Vec::<String>::new());

    company.open.close();
    let refused = loopback::get(company.open.address(), "/v2/", None).await.unwrap();
    assert_eq!(refused.0, 401);
    for (at, (cluster, _)) in company.clusters.iter().enumerate() {
        let namespaces = ["payments"].into_iter().chain(PATCHED.into_iter().filter(|_| at == 1));
        for namespace in namespaces {
            let answers = company.answers(cluster, namespace).await;
            assert!(answers.iter().all(|answer| *answer == 200), "{namespace}: {answers:?}");
            assert!(!answers.is_empty(), "{namespace}");
        }
    }
    let last = company.audit().await;
    assert_eq!(last.code, Some(0), "{last:#?}");
    assert_eq!(company.troubles(), Vec::<String>::new());
}

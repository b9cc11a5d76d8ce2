//! The operator's own Deployment on two real nodes, pulled from a private registry.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use e2e::binaries;
use e2e::cluster::{Cluster, Options, named_overlay};
use e2e::image::Image;
use e2e::kubelet::{Member, Network, Node, Service, in_own_network};
use e2e::oracle::Login;
use e2e::registry::Registry;
use e2e::wait::{blocking, eventually};
use e2e::{SYSTEM_NAMESPACE, workspace};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::pods::statuses;
use super::story::{PULL, REFUSED, SOON, dozens, only, shown};

/// The binary of an image that exists already, for instance the one that `.ci/image` made.
const SHIPPED: &str = "PULLSECRETS_E2E_SHIPPED";

/// The limit of `config/manager/deployment.yaml`.
const LIMIT_KIB: u64 = 192 * 1024;

/// The names of both nodes, and the ranges of their Pods.
const NODES: [(&str, &str); 2] = [("127.0.0.1", "10.88.1.0/24"), ("127.0.0.2", "10.88.2.0/24")];

/// Namespaces that are made one after the other, each with an image of its own.
const NAMESPACES: [&str; 5] = [
    "first",
    "during-the-update",
    "during-the-drain",
    "after-the-drain",
    "named",
];

/// `config/default` and then `config/named` run as they are, spread, hand over, and outlast a drain.
#[test]
#[cfg_attr(no_node, ignore = "needs a node")]
fn deployment_outlasts_updates_and_a_drain() {
    in_own_network(|| async {
        let _dozens = dozens().await;
        let mut installed = Installed::start().await;
        let login = Login::new("robot", "of the demonstration");
        installed
            .registry
            .set_password(&login.username, &login.password)
            .unwrap();

        let default = workspace().join("config/default");
        installed.apply(&default).await;
        installed.is_spread_and_confined().await;
        installed.serve(&login).await;
        installed.pulls("first").await;

        // A rolling update of both replicas.
        installed
            .kubectl("rollout restart deployment/pullsecrets -n pullsecrets-system")
            .await;
        installed.pulls("during-the-update").await;
        installed.rolled_out().await;

        // The node with the leader goes. A budget evicts one replica at a time.
        let leader = installed.leader().await;
        let drain = format!("drain {leader} --ignore-daemonsets --force --timeout=120s");
        tokio::join!(installed.kubectl(&drain), installed.pulls("during-the-drain"));
        installed.rolled_out().await;
        installed.pulls("after-the-drain").await;
        installed.kubectl(&format!("uncordon {leader}")).await;

        let named = named_overlay(&installed.cluster.folder().join("named"), &["company".to_owned()]).unwrap();
        installed.apply(&named).await;
        installed.pulls("named").await;
        installed.is_within_its_limit().await;
        for node in installed.nodes {
            node.end().unwrap();
        }
    })
    .unwrap();
}

struct Installed {
    nodes: Vec<Node>,
    _service: Service,
    registry: Registry,
    image: String,
    cluster: Cluster,
}

impl Installed {
    async fn start() -> Self {
        let options = Options {
            nodes: true,
            ..Options::default()
        };
        let cluster = Cluster::start(options).await.unwrap();
        let service = Service::start(&cluster).await.unwrap();
        let mut nodes = Vec::new();
        for (address, range) in NODES {
            let network = Network::Range(range.to_owned());
            nodes.push(Node::start_with(&cluster, address, &network).await.unwrap());
        }
        let mut registry = Registry::start().await.unwrap();
        let binary = blocking(|| match std::env::var_os(SHIPPED) {
            Some(shipped) => Ok(PathBuf::from(shipped)),
            None => binaries::operator(),
        });
        let image = Image::of_operator(&binary.await.unwrap()).unwrap();
        let image = registry.push("pullsecrets", "test", &image).await.unwrap();
        let program = blocking(|| Ok(std::fs::read(&binaries::runtime()?.container)?))
            .await
            .unwrap();
        for namespace in NAMESPACES {
            let image = Image::of_container(&program, namespace);
            registry.push(&format!("apps/{namespace}"), "1", &image).await.unwrap();
        }
        Self {
            nodes,
            _service: service,
            registry,
            image,
            cluster,
        }
    }

    async fn kubectl(&self, command: &str) -> String {
        let arguments: Vec<&str> = command.split(' ').collect();
        self.cluster.kubectl().run(&arguments, "").await.unwrap()
    }

    /// Applies an installation with another image and a login for it, and waits until it runs.
    async fn apply(&mut self, folder: &std::path::Path) {
        let Login { username, password } = self.registry.pusher().unwrap();
        let overlay = self.cluster.folder().join("overlay");
        let _ = std::fs::remove_dir_all(&overlay);
        std::fs::create_dir(&overlay).unwrap();
        // kustomize takes relative paths only.
        let up = "../".repeat(overlay.components().count() - 1);
        let base = format!("{up}{}", folder.display().to_string().trim_start_matches('/'));
        let (name, tag) = self.image.rsplit_once(':').unwrap();
        let patch = json!([{
            "op": "add", "path": "/spec/template/spec/imagePullSecrets", "value": [{"name": "registry"}],
        }]);
        let kustomization = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": [base],
            "images": [{"name": "ghcr.io/pullsecrets/pullsecrets", "newName": name, "newTag": tag}],
            "patches": [{"target": {"kind": "Deployment", "name": "pullsecrets"}, "patch": patch.to_string()}],
        });
        std::fs::write(overlay.join("kustomization.yaml"), kustomization.to_string()).unwrap();
        let began = Instant::now();
        let namespace = std::fs::read_to_string(workspace().join("config/manager/namespace.yaml")).unwrap();
        self.cluster.kubectl().apply(&namespace).await.unwrap();
        let entry = json!({"auths": {self.registry.address(): {"username": username, "password": password}}});
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": "registry", "namespace": SYSTEM_NAMESPACE},
            "stringData": {".dockerconfigjson": entry.to_string()},
        });
        self.cluster.kubectl().apply(&secret.to_string()).await.unwrap();
        self.kubectl(&format!("apply -k {}", overlay.display())).await;
        self.rolled_out().await;
        eprintln!(
            "{}: applied and rolled out in {:.1?}",
            folder.display(),
            began.elapsed()
        );
    }

    async fn rolled_out(&self) {
        let status = "rollout status deployment/pullsecrets -n pullsecrets-system --timeout=120s";
        self.kubectl(status).await;
    }

    async fn replicas(&self) -> Vec<Pod> {
        let pods: Api<Pod> = Api::namespaced(self.cluster.admin().await.unwrap(), SYSTEM_NAMESPACE);
        let all = pods.list(&ListParams::default()).await.unwrap();
        all.into_iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            .collect()
    }

    fn processes(&self) -> Vec<Member> {
        let members = self.nodes.iter().flat_map(Node::members);
        members
            .filter(|member| member.command.starts_with("/pullsecrets"))
            .collect()
    }

    /// Both replicas run on different nodes, as an ordinary user, with no right, and on a file system that is read-only.
    async fn is_spread_and_confined(&self) {
        let replicas = self.replicas().await;
        let on = |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
        let nodes: BTreeSet<_> = replicas.iter().filter_map(on).collect();
        assert_eq!((replicas.len(), nodes.len()), (2, 2), "{nodes:?}");
        let processes = self.processes();
        assert_eq!(processes.len(), 2, "{processes:?}");
        for process in processes {
            let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", process.pid)).unwrap();
            let status = read("status");
            for line in [
                "Uid:\t65532\t65532",
                "Gid:\t65532\t65532",
                "CapEff:\t0000000000000000",
                "Seccomp:\t2",
            ] {
                assert!(status.contains(line), "{line:?} is not in\n{status}");
            }
            assert!(status.contains("NoNewPrivs:\t1"), "{status}");
            let mounts = read("mounts");
            let root = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/")).unwrap();
            assert!(
                root.split(' ').nth(3).unwrap().split(',').any(|option| option == "ro"),
                "{root}"
            );
        }
    }

    async fn is_within_its_limit(&self) {
        for process in self.processes() {
            assert!(process.kib < LIMIT_KIB, "{process:?}");
            eprintln!("the operator uses {} MiB of 192", process.kib / 1024);
        }
        for pod in self.replicas().await {
            let restarts: i32 = statuses(&pod).iter().map(|status| status.restart_count).sum();
            assert_eq!(restarts, 0, "{}", pod.name_any());
        }
    }

    /// Returns the node of the replica that holds the Lease.
    async fn leader(&self) -> String {
        // After an update, the Lease may still name the former leader.
        eventually("a replica leads", SOON, async || {
            let holder = "get lease pullsecrets -n pullsecrets-system -o jsonpath={.spec.holderIdentity}";
            let holder = self.kubectl(holder).await;
            let replicas = self.replicas().await;
            let leader = replicas.iter().find(|pod| holder.contains(&pod.name_any()));
            let node = leader.and_then(|leader| leader.spec.as_ref()?.node_name.clone());
            node.ok_or_else(|| format!("no Pod is {holder}"))
        })
        .await
    }

    /// Applies a source and an object for the namespaces with the label `pulls`.
    async fn serve(&self, login: &Login) {
        let manifests = json!({"apiVersion": "v1", "kind": "List", "items": [
            {
                "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
                "metadata": {"name": "robot", "namespace": SYSTEM_NAMESPACE},
                "stringData": {"username": login.username, "password": login.password},
            },
            {
                "apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret", "metadata": {"name": "company"},
                "spec": {
                    "registries": [{
                        "server": self.registry.address(),
                        "credentials": {"basicAuth": {"secretRef": {"name": "robot"}}},
                    }],
                    "namespaces": {"selectors": [{"matchLabels": {"pulls": "company"}}]},
                },
            },
        ]});
        self.cluster.kubectl().apply(&manifests.to_string()).await.unwrap();
    }

    /// A new namespace runs a Pod with a private image. The operator on the nodes serves it.
    async fn pulls(&self, name: &str) {
        let repository = format!("apps/{name}");
        let image = format!("{}/{repository}:1", self.registry.address());
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"pulls": "company"}},
        });
        let began = Instant::now();
        self.cluster.kubectl().apply(&namespace.to_string()).await.unwrap();
        eventually("the account has its reference", SOON, async || {
            let query = format!("get serviceaccount default -n {name} -o jsonpath={{.imagePullSecrets}}");
            let arguments: Vec<&str> = query.split(' ').collect();
            let found = self
                .cluster
                .kubectl()
                .run(&arguments, "")
                .await
                .map_err(|error| format!("{error:#}"))?;
            if found.contains("company") { Ok(()) } else { Err(found) }
        })
        .await;
        let served = began.elapsed();
        self.kubectl(&format!("run app --image={image} -n {name}")).await;
        self.kubectl(&format!("wait pod/app -n {name} --for=condition=Ready --timeout=120s"))
            .await;
        // On a busy machine the kubelet may ask before it could read the Secret, and then once more with it.
        let said = shown(&self.registry.requests(&repository).unwrap());
        let before = said.strip_suffix(PULL).map(|before| before.trim_end_matches(", "));
        let is_right = before.is_some_and(|before| before.is_empty() || only(before, REFUSED));
        assert!(is_right, "{name}: {said}");
        eprintln!("{name}: served after {served:.1?}, Ready after {:.1?}", began.elapsed());
        assert!(served < Duration::from_secs(30), "{name}: served after {served:?}");
    }
}

//! The shared node, and what a test does on it.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::binaries::runtime;
use e2e::cluster::Options;
use e2e::image::Image;
use e2e::kubelet::Node;
use e2e::oracle::{DATA_KEY, Login};
use e2e::registry::{Registry, Request};
use e2e::scenario::{LABEL, Scenario};
use e2e::wait::{blocking, eventually};
use k8s_openapi::api::core::v1::{Event, Namespace, Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, OnceCell, RwLock, RwLockReadGuard};

/// Time limit of a promise, for a machine that also builds. A Pod takes a second on an idle one.
pub(super) const SOON: Duration = Duration::from_mins(4);

/// Time limit for dozens of Pods at once.
pub(super) const LATER: Duration = Duration::from_mins(8);

/// The requests of one pull with a right login: manifest, configuration and layer. containerd first asks without a login,
/// both when it looks the manifest up and when it gets it.
pub(super) const PULL: &str = "HEAD 401, HEAD 200, GET 401, GET 200, GET 200, GET 200";

/// The requests of one attempt with a wrong login: four of them have it.
pub(super) const WRONG: &str = "HEAD 401, HEAD 401, HEAD 401, HEAD 401, HEAD 401";

/// The requests that ask whether an image that is on the node has changed.
pub(super) const ASKED: &str = "HEAD 401, HEAD 200";

/// The requests of one attempt without a login.
pub(super) const REFUSED: &str = "HEAD 401";

/// What all tests of this module share.
struct Shared {
    base: Scenario,
    /// Written while the kubelet restarts, so that no pull is cut off whose requests a test counts.
    node: RwLock<Node>,
    registry: Mutex<Registry>,
    program: Vec<u8>,
}

async fn shared() -> &'static Shared {
    static SHARED: OnceCell<Shared> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async {
            let options = Options {
                nodes: true,
                ..Options::default()
            };
            let base = Scenario::without_operator("pulls", options).await;
            base.start_operator().await;
            let registry = Registry::start().await.expect("a registry");
            let node = Node::start(base.cluster(), "127.0.0.1").await.expect("a node");
            let program = blocking(|| Ok(std::fs::read(&runtime()?.container)?)).await;
            Shared {
                base,
                node: RwLock::new(node),
                registry: Mutex::new(registry),
                program: program.expect("the program of the images"),
            }
        })
        .await
}

/// Waits for its turn. A test that starts dozens of Pods, or nodes of its own, holds the guard: two of them at once would
/// wait for the same cores, and for each other's Pods.
pub(super) async fn dozens() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// One test: a scenario with a login of its own, and repositories that begin with its name.
pub(super) struct Story {
    shared: &'static Shared,
    pub(super) scenario: Scenario,
    pub(super) login: Login,
}

impl Story {
    pub(super) async fn begin(name: &str) -> Self {
        let shared = shared().await;
        let name = format!("{name}-{:04x}", rand::random::<u16>());
        let scenario = shared.base.beside(&name).await;
        let login = scenario.login("right");
        let story = Self {
            shared,
            scenario,
            login,
        };
        story.accept(&story.login).await;
        story
    }

    /// The registry accepts this login from now on, and no earlier one of the same user.
    pub(super) async fn accept(&self, login: &Login) {
        let mut registry = self.shared.registry.lock().await;
        registry.set_password(&login.username, &login.password).unwrap();
    }

    /// Returns the address of the registry.
    pub(super) async fn registry(&self) -> String {
        self.shared.registry.lock().await.address().to_owned()
    }

    /// Makes the node pull images of this host from the registry.
    pub(super) async fn route(&self, host: &str) {
        let registry = self.registry().await;
        self.shared.node.read().await.route(host, &registry).unwrap();
    }

    /// Pushes an image that shares no part with any other, and returns its full name.
    pub(super) async fn image(&self, name: &str) -> String {
        let repository = format!("{}/{name}", self.scenario.name());
        self.image_in(&repository).await
    }

    pub(super) async fn image_in(&self, repository: &str) -> String {
        let unique = format!("{repository} {:032x}", rand::random::<u128>());
        let image = Image::of_container(&self.shared.program, &unique);
        let mut registry = self.shared.registry.lock().await;
        registry.push(repository, "1", &image).await.unwrap()
    }

    /// Returns the requests for the repository of [`image`](Self::image) so far: methods and answers.
    pub(super) async fn requests(&self, name: &str) -> String {
        self.requests_in(&format!("{}/{name}", self.scenario.name())).await
    }

    pub(super) async fn requests_in(&self, repository: &str) -> String {
        let requests = self.shared.registry.lock().await.requests(repository).unwrap();
        shown(&requests)
    }

    /// Returns the same [`with_secret`], for Pods whose namespace has the copy.
    pub(super) async fn pulls(&self, name: &str) -> String {
        self.pulls_in(&format!("{}/{name}", self.scenario.name())).await
    }

    pub(super) async fn pulls_in(&self, repository: &str) -> String {
        let requests = self.shared.registry.lock().await.requests(repository).unwrap();
        with_secret(&requests, unread(&self.scenario).await.values().sum())
    }

    /// Returns how often the registry refused a password in a request for a repository of this test.
    pub(super) async fn failed_checks(&self) -> usize {
        let registry = self.shared.registry.lock().await;
        registry.failed_checks(self.scenario.name()).unwrap()
    }

    /// Applies the source with this login, and the object for this server.
    pub(super) async fn serve(&self, server: &str, login: &Login) {
        self.scenario.source(login).await;
        let mut object = self.scenario.object();
        object["spec"]["registries"][0]["server"] = server.into();
        self.scenario.apply(&object).await;
    }

    /// Creates a namespace that the object selects, and waits for its copy and its reference. Returns its name.
    pub(super) async fn served(&self, part: &str) -> String {
        self.scenario.namespaces(&[part]).await;
        let namespace = self.namespace(part);
        self.has_copy(&namespace, &self.login).await;
        namespace
    }

    /// Creates a namespace that the object does not select. Returns its name.
    pub(super) async fn unserved(&self, part: &str) -> String {
        self.scenario.unselected_namespaces(&[part]).await;
        self.namespace(part)
    }

    pub(super) fn namespace(&self, part: &str) -> String {
        format!("{}-{part}", self.scenario.name())
    }

    /// Labels a namespace that the object did not select, and waits for its copy and its reference.
    pub(super) async fn select(&self, namespace: &str) {
        let label = format!("{LABEL}={}", self.scenario.name());
        self.scenario.kubectl(&["label", "namespace", namespace, &label]).await;
        self.has_copy(namespace, &self.login).await;
    }

    /// Waits until the account refers to the copy, and the copy has this login.
    pub(super) async fn has_copy(&self, namespace: &str, login: &Login) {
        let client = self.scenario.client().clone();
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
        let copies: Api<Secret> = Api::namespaced(client, namespace);
        eventually("copy and reference are there", SOON, async || {
            let account = accounts.get("default").await.map_err(|error| error.to_string())?;
            let mut entries = account.image_pull_secrets.into_iter().flatten();
            if !entries.any(|entry| entry.name == self.scenario.name()) {
                return Err("no reference".to_owned());
            }
            let copy = copies
                .get(self.scenario.name())
                .await
                .map_err(|error| error.to_string())?;
            if holds(&copy, login) {
                Ok(())
            } else {
                Err("another login".to_owned())
            }
        })
        .await;
    }

    /// Waits until the account does not refer to the copy, and the copy is gone.
    pub(super) async fn has_no_copy(&self, namespace: &str) {
        let client = self.scenario.client().clone();
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
        let copies: Api<Secret> = Api::namespaced(client, namespace);
        eventually("copy and reference are gone", SOON, async || {
            let account = accounts.get("default").await.map_err(|error| error.to_string())?;
            let mut entries = account.image_pull_secrets.into_iter().flatten();
            if entries.any(|entry| entry.name == self.scenario.name()) {
                return Err("a reference".to_owned());
            }
            let copy = copies
                .get_opt(self.scenario.name())
                .await
                .map_err(|error| error.to_string())?;
            copy.map_or(Ok(()), |_| Err("a copy".to_owned()))
        })
        .await;
    }

    /// Deletes the namespaces of the test, so that the node has room for the Pods of others.
    pub(super) async fn end(self) {
        let namespaces: Api<Namespace> = Api::all(self.scenario.client().clone());
        for namespace in namespaces.list(&ListParams::default()).await.unwrap() {
            let name = namespace.name_any();
            if name.starts_with(&format!("{}-", self.scenario.name())) {
                namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
            }
        }
    }

    /// Keeps the kubelet from a restart while the guard lives. Only for tests that create Pods with [`pod`](Self::pod).
    pub(super) async fn steady(&self) -> RwLockReadGuard<'static, Node> {
        self.shared.node.read().await
    }

    /// Restarts the kubelet, which tries every image again. The guard is that of [`steady`](Self::steady).
    pub(super) async fn try_again(&self) -> RwLockReadGuard<'static, Node> {
        let node = self.shared.node.write().await;
        node.restart_kubelet().await.unwrap();
        node.downgrade()
    }

    /// Returns the memory of the node's own processes, by the first word of their command, in MiB.
    pub(super) async fn memory(&self) -> Vec<(String, u64)> {
        let members = self.shared.node.read().await.members();
        let mut sums = BTreeMap::new();
        for member in members {
            let mut words = member.command.split(' ');
            let program = words.next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
            let program = if program == "controlplane" { "kubelet" } else { program };
            *sums.entry(program.to_owned()).or_insert(0) += member.kib;
        }
        sums.into_iter().map(|(program, kib)| (program, kib / 1024)).collect()
    }

    /// Applies a pull secret that the test writes itself.
    pub(super) async fn secret(&self, namespace: &str, name: &str, config: &Value) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": name, "namespace": namespace},
            "stringData": {DATA_KEY: config.to_string()},
        });
        self.scenario.apply(&secret).await;
    }

    /// Deletes the copy of a namespace, which the operator then makes again.
    pub(super) async fn delete_copy(&self, namespace: &str) {
        let copies: Api<Secret> = Api::namespaced(self.scenario.client().clone(), namespace);
        copies
            .delete(self.scenario.name(), &DeleteParams::default())
            .await
            .unwrap();
    }
}

/// Returns how often the kubelets said that they could not read a copy of this scenario, by the uid of the Pod.
pub(super) async fn unread(scenario: &Scenario) -> BTreeMap<String, usize> {
    let events: Api<Event> = Api::all(scenario.client().clone());
    let failed = ListParams::default().fields("reason=FailedToRetrieveImagePullSecret");
    let prefix = format!("{}-", scenario.name());
    let mut unread = BTreeMap::new();
    for event in events.list(&failed).await.unwrap() {
        let namespace = event.metadata.namespace.unwrap_or_default();
        // Unable to retrieve some image pull secrets (NAME, ...); ...
        let message = event.message.unwrap_or_default();
        let mut names = message.split(['(', ')']).nth(1).unwrap_or_default().split(", ");
        if namespace.starts_with(&prefix) && names.any(|name| name == scenario.name()) {
            let uid = event.involved_object.uid.unwrap_or_default();
            *unread.entry(uid).or_default() += usize::try_from(event.count.unwrap_or(1)).unwrap();
        }
    }
    unread
}

/// Returns methods and answers of the requests, without the first `unread` attempts that had no login.
///
/// A kubelet waits for a pull secret for one second at most (`Get` of `watch_based_manager.go`). On a machine that is
/// busy it may give up on one that is there. It then asks without a login, as its Event says, and again after a back-off.
pub(super) fn with_secret(requests: &[Request], mut unread: usize) -> String {
    let mut kept = Vec::new();
    for (at, request) in requests.iter().enumerate() {
        let is_head = |status: u16, request: &Request| request.method == "HEAD" && request.status == status;
        let is_answered = requests.get(at + 1).is_some_and(|next| is_head(200, next));
        if unread > 0 && is_head(401, request) && !is_answered {
            unread -= 1;
        } else {
            kept.push(request);
        }
    }
    shown(kept)
}

/// Returns methods and answers of the requests.
pub(super) fn shown<'a>(requests: impl IntoIterator<Item = &'a Request>) -> String {
    let requests = requests.into_iter();
    let shown = requests.map(|request| format!("{} {}", request.method, request.status));
    shown.collect::<Vec<_>>().join(", ")
}

/// Returns whether the requests are one or more attempts of this kind: a kubelet in back-off repeats them.
pub(super) fn only(requests: &str, attempt: &str) -> bool {
    let mut rest = requests;
    loop {
        let Some(after) = rest.strip_prefix(attempt) else {
            return false;
        };
        match after.strip_prefix(", ") {
            Some(next) => rest = next,
            None => return after.is_empty(),
        }
    }
}

fn holds(copy: &Secret, login: &Login) -> bool {
    let data = copy.data.as_ref().and_then(|data| data.get(DATA_KEY));
    let config: Value = data
        .and_then(|bytes| serde_json::from_slice(&bytes.0).ok())
        .unwrap_or_default();
    let mut entries = config["auths"].as_object().into_iter().flat_map(|auths| auths.values());
    entries.any(|entry| entry["password"] == login.password.as_str())
}

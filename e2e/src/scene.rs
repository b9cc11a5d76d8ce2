//! A stage for one scenario: a cluster with the operator on it, and names that no other scenario uses.
//!
//! The operator serves a whole cluster, so scenarios share one of each ([`Scene::shared`]) and keep apart by name: a scene's
//! namespaces start with its name and carry it as a label, its object and its source have it as their name. Scenarios that
//! stop the operator, or count everything that it does, get a cluster of their own ([`Scene::own`]).
//!
//! Scenes are for tests: whatever the stage itself cannot do (start a process, run kubectl) is a panic that says so, and a
//! panic of the scenario prints the end of the operator's log.
#![expect(clippy::missing_panics_doc, reason = "said once above, for all of them")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::audit::{Mark, Record};
use crate::cluster::{self, Cluster};
use crate::operator::{self, Operator};
use crate::oracle::{self, Expected, Foreign, Login};
use crate::wait::{blocking, eventually};
use crate::{OPERATOR_USER, SYSTEM_NAMESPACE, binaries};

/// The registry that a scene's object declares; nobody calls it.
pub const SERVER: &str = "registry.example.com";

/// How long a promise may take to come true. What takes milliseconds on an idle machine gets this much on a busy one.
pub const SOON: Duration = Duration::from_secs(30);

/// The label of a scene's namespaces.
pub const LABEL: &str = "scene";

/// Requests in flight while a scene makes many things; the API server is on the same machine.
const AT_ONCE: usize = 32;

/// One condition of an object's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The reason, in one word.
    pub reason: String,
    /// For a person.
    pub message: String,
}

/// The stage of one scenario.
pub struct Scene {
    name: String,
    running: Arc<Running>,
    client: Client,
}

struct Running {
    // Dropped in this order: the operator before what it talks to.
    operator: Mutex<Option<Operator>>,
    cluster: Cluster,
    shared: bool,
}

impl Running {
    async fn start(shared: bool, options: operator::Options) -> anyhow::Result<Arc<Self>> {
        // First what fails first when something does not compile.
        blocking(binaries::operator).await?;
        let cluster = Cluster::start(cluster::Options::default()).await?;
        cluster.install().await?;
        let operator = Operator::start(&cluster, &options).await?;
        Ok(Arc::new(Self {
            operator: Mutex::new(Some(operator)),
            cluster,
            shared,
        }))
    }

    fn operator(&self) -> MutexGuard<'_, Option<Operator>> {
        self.operator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the operator out, if this scene may do so.
    fn take_operator(&self) -> Operator {
        assert!(!self.shared, "a scene that shares its operator leaves it alone");
        self.operator().take().expect("the operator runs")
    }
}

impl Scene {
    /// A part of the cluster and of the operator that all scenarios of this test binary share. `name` is a DNS label.
    pub async fn shared(name: &str) -> Self {
        // Tests have an async runtime each; what is kept here are processes, which belong to none.
        // A failure is kept too: the next scenario would only fail in the same way, a minute later.
        static SHARED: OnceCell<anyhow::Result<Arc<Running>>> = OnceCell::const_new();
        let running = SHARED
            .get_or_init(|| Running::start(true, operator::Options::default()))
            .await;
        Self::on(name, running.as_ref().expect("the shared cluster starts").clone()).await
    }

    /// A cluster and an operator for this scenario alone.
    pub async fn own(name: &str) -> Self {
        Self::own_with(name, operator::Options::default()).await
    }

    /// As [`own`](Self::own), with the operator started in another way; a later start is the usual one again.
    pub async fn own_with(name: &str, options: operator::Options) -> Self {
        let running = Running::start(false, options).await;
        Self::on(name, running.expect("a cluster starts")).await
    }

    /// Another scene on the same cluster, with the same operator.
    pub async fn beside(&self, name: &str) -> Self {
        Self::on(name, self.running.clone()).await
    }

    async fn on(name: &str, running: Arc<Running>) -> Self {
        let client = running.cluster.admin().await.expect("an administrator");
        Self {
            name: name.to_owned(),
            running,
            client,
        }
    }

    /// The name of the scene, of its object and of its source.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The administrator.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.running.cluster
    }

    /// Asks the operator to end, and waits. Not in a shared scene.
    pub fn stop_operator(&self) {
        self.running
            .take_operator()
            .stop()
            .expect("the operator ends by itself");
    }

    /// Ends the operator as a crash would. Not in a shared scene.
    pub fn kill_operator(&self) {
        self.running
            .take_operator()
            .kill()
            .expect("the operator runs until it is killed");
    }

    /// Starts the operator again, and waits until it is ready.
    pub async fn start_operator(&self) {
        let operator = Operator::start(self.cluster(), &operator::Options::default()).await;
        *self.running.operator() = Some(operator.expect("the operator starts"));
    }

    /// The operator's resident memory now and at its peak, in KiB.
    pub fn memory_kib(&self) -> (u64, u64) {
        let operator = self.running.operator();
        let operator = operator.as_ref().expect("the operator runs");
        let kib = operator.rss_kib().and_then(|now| Ok((now, operator.peak_kib()?)));
        kib.expect("the operator lives")
    }

    /// The names of this scene's namespaces, from their last parts.
    pub fn in_scene(&self, parts: &[&str]) -> Vec<String> {
        parts.iter().map(|part| format!("{}-{part}", self.name)).collect()
    }

    /// Makes namespaces that the scene's object selects.
    pub async fn namespaces(&self, parts: &[&str]) {
        let labels = BTreeMap::from([(LABEL.to_owned(), self.name.clone())]);
        self.make_namespaces(self.in_scene(parts), &labels).await;
    }

    /// Makes namespaces that it does not select, and waits for their `default` accounts.
    pub async fn unselected_namespaces(&self, parts: &[&str]) {
        let names = self.in_scene(parts);
        self.make_namespaces(names.clone(), &BTreeMap::new()).await;
        self.wait_for_accounts(&names).await;
    }

    /// Makes namespaces with these names and labels, many at once.
    pub async fn make_namespaces(&self, names: Vec<String>, labels: &BTreeMap<String, String>) {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let made = stream::iter(names).map(|name| {
            let metadata = ObjectMeta {
                name: Some(name),
                labels: Some(labels.clone()),
                ..ObjectMeta::default()
            };
            let api = api.clone();
            async move {
                let namespace = Namespace {
                    metadata,
                    ..Namespace::default()
                };
                api.create(&PostParams::default(), &namespace).await
            }
        });
        let made: Result<Vec<_>, _> = made.buffer_unordered(AT_ONCE).try_collect().await;
        made.expect("namespaces can be made");
    }

    /// Waits until each of these namespaces has its `default` account.
    pub async fn wait_for_accounts(&self, namespaces: &[String]) {
        let api: Api<ServiceAccount> = Api::all(self.client.clone());
        let default = kube::api::ListParams::default().fields("metadata.name=default");
        eventually("namespaces have their account", SOON, async || {
            let accounts = api.list(&default).await.map_err(|error| error.to_string())?;
            let there: BTreeSet<String> = accounts
                .items
                .into_iter()
                .filter_map(|account| account.metadata.namespace)
                .collect();
            let missing = namespaces.iter().filter(|name| !there.contains(*name)).count();
            if missing == 0 {
                Ok(())
            } else {
                Err(format!("{missing} have none"))
            }
        })
        .await;
    }

    /// Makes or changes the object's source: a basic-auth Secret named as the scene in the operator's namespace.
    pub async fn source(&self, login: &Login) {
        self.source_named(&self.name, login).await;
    }

    /// As [`source`](Self::source), under another name.
    pub async fn source_named(&self, name: &str, login: &Login) {
        let Login { username, password } = login;
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
            "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE},
            "stringData": {"username": username, "password": password},
        }))
        .await;
    }

    /// The scene's object: one registry, whose login is in [`source`](Self::source), for the `default` account of all namespaces
    /// with the scene's label. To be changed as needed and given to [`apply`](Self::apply).
    pub fn object(&self) -> Value {
        json!({
            "apiVersion": "pullsecrets.dev/v1alpha1",
            "kind": "ClusterPullSecret",
            "metadata": {"name": self.name},
            "spec": {
                "registries": [{
                    "server": SERVER,
                    "credentials": {"basicAuth": {"secretRef": {"name": self.name}}},
                }],
                "namespaces": {"selectors": [self.selector()]},
            },
        })
    }

    /// The selector that chooses this scene's namespaces, for objects of another shape.
    pub fn selector(&self) -> Value {
        json!({"matchLabels": {LABEL: self.name}})
    }

    /// `kubectl apply` of one object.
    pub async fn apply(&self, object: &Value) {
        let applied = self.cluster().kubectl().apply(&object.to_string()).await;
        applied.expect("kubectl apply is accepted");
    }

    /// Runs kubectl, which must succeed, and gives what it prints.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.cluster().kubectl().run(arguments, "").await;
        output.expect("kubectl succeeds")
    }

    /// What the scene's object must bring about in these namespaces, on their `default` accounts.
    pub fn expected(&self, parts: &[&str], login: &Login) -> Expected {
        let accounts = BTreeSet::from(["default".to_owned()]);
        Expected {
            object: self.name.clone(),
            secret: self.name.clone(),
            logins: BTreeMap::from([(SERVER.to_owned(), login.clone())]),
            holders: self
                .in_scene(parts)
                .into_iter()
                .map(|namespace| (namespace, accounts.clone()))
                .collect(),
        }
    }

    /// The usual beginning: namespaces, a source, the object, and all of it come true.
    pub async fn set_up(&self, parts: &[&str], login: &Login) {
        self.namespaces(parts).await;
        self.source(login).await;
        self.apply(&self.object()).await;
        self.holds("the object is carried out", &self.expected(parts, login))
            .await;
    }

    /// Waits until the store is as expected.
    pub async fn holds(&self, what: &str, expected: &Expected) {
        eventually(what, SOON, async || oracle::check(&self.client, expected).await).await;
    }

    /// Waits until nothing of the scene's object is left.
    pub async fn gone(&self, what: &str) {
        eventually(what, SOON, async || {
            oracle::check_gone(&self.client, &self.name, &self.name).await
        })
        .await;
    }

    /// What is not the operator's in these namespaces, now.
    pub async fn foreign(&self, parts: &[&str]) -> Foreign {
        let namespaces = self.in_scene(parts);
        let foreign = Foreign::in_namespaces(&self.client, &namespaces, &self.name).await;
        foreign.expect("the store can be read")
    }

    /// The uid of the copy in each namespace.
    pub async fn uids(&self) -> BTreeMap<String, String> {
        oracle::uids(&self.client, &self.name)
            .await
            .expect("the store can be read")
    }

    /// The object as it is now.
    pub async fn current(&self) -> Value {
        let object = oracle::object(&self.client, &self.name)
            .await
            .expect("the store can be read");
        serde_json::to_value(object.expect("the object exists")).expect("an object is JSON")
    }

    /// One condition of the object, if it is there and speaks of the object's present generation.
    pub async fn condition(&self, kind: &str) -> Option<Condition> {
        let object = self.current().await;
        if object["status"]["observedGeneration"] != object["metadata"]["generation"] {
            return None;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let conditions = object["status"]["conditions"].as_array()?;
        let condition = conditions.iter().find(|condition| condition["type"] == kind)?;
        Some(Condition {
            status: text(&condition["status"]),
            reason: text(&condition["reason"]),
            message: text(&condition["message"]),
        })
    }

    /// Waits until a condition has this status and this reason, and gives its message.
    pub async fn says(&self, kind: &str, status: &str, reason: &str) -> String {
        let what = format!("{} says {kind}={status} {reason}", self.name);
        let right = |seen: &Condition| seen.status == status && seen.reason == reason;
        self.condition_that(&what, kind, right).await.message
    }

    /// Waits until a condition has this status, for whatever reason.
    pub async fn reaches(&self, kind: &str, status: &str) -> Condition {
        let what = format!("{} says {kind}={status}", self.name);
        self.condition_that(&what, kind, |seen| seen.status == status).await
    }

    async fn condition_that(&self, what: &str, kind: &str, right: impl Fn(&Condition) -> bool) -> Condition {
        eventually(what, SOON, async || match self.condition(kind).await {
            Some(seen) if right(&seen) => Ok(seen),
            seen => Err(format!("{seen:?}")),
        })
        .await
    }

    /// Waits until the status counts this many namespaces, all of them ready.
    pub async fn counts(&self, namespaces: usize) {
        let what = format!("{} counts {namespaces} namespaces", self.name);
        eventually(&what, SOON, async || {
            let seen = self.current().await["status"]["namespaces"].clone();
            let right = seen["selected"] == namespaces && seen["ready"] == namespaces && seen["failed"] == 0;
            if right { Ok(()) } else { Err(seen.to_string()) }
        })
        .await;
    }

    /// The place in the audit log behind everything that was answered by now.
    pub async fn mark(&self) -> Mark {
        let audit = self.cluster().audit();
        audit.settle(&self.client).await.expect("the audit log catches up");
        audit.mark().expect("the audit log is there")
    }

    /// What the operator wrote since `mark` into this scene's namespaces, or to its object.
    pub async fn writes_since(&self, mark: Mark) -> Vec<Record> {
        let audit = self.cluster().audit();
        audit.settle(&self.client).await.expect("the audit log catches up");
        let writes = audit
            .writes_since(mark, OPERATOR_USER)
            .expect("the audit log can be read");
        let prefix = format!("{}-", self.name);
        let ours = |record: &Record| record.namespace.starts_with(&prefix) || record.name == self.name;
        writes.objects.into_iter().filter(ours).collect()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let operator = self.running.operator();
            let tail = operator.as_ref().map_or_else(String::new, Operator::tail);
            eprintln!("scene {}\n{tail}", self.name);
        }
    }
}

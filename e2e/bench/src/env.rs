//! Cluster of both contenders: its namespaces, the object, the logins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::audit::Audit;
use e2e::cluster::{self, Cluster, Part};
use e2e::oracle::{self, Allowed, Expected, Login, Needles};
use e2e::wait::until;
use e2e::wire::{Bytes, Wire};
use e2e::{OPERATOR_ACCOUNT, SYSTEM_NAMESPACE};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::progress::Progress;

/// Name of the object, its source and its copies.
pub(crate) const OBJECT: &str = "bench";

/// The registry in the copies. It is never called.
pub(crate) const SERVER: &str = "registry.example.com";

/// Accounts of each namespace. Kubernetes creates the first.
pub(crate) const ACCOUNTS: [&str; 3] = ["default", "build", "deploy"];

/// The label of namespaces that the object selects.
const LABEL: &str = "bench";

/// Gives a docker config of about 1.4 kB, as that of a cloud registry.
const PASSWORD_LENGTH: usize = 550;

/// Concurrent requests during the setup.
const AT_ONCE: usize = 32;

/// The cluster of both contenders; see the module.
pub(crate) struct Env {
    pub(crate) cluster: Cluster,
    /// Client of the administrator.
    pub(crate) client: Client,
    /// Kubeconfig with the operator's rights.
    direct: PathBuf,
    /// The relay that both contenders use, if any.
    pub(crate) wire: Option<Wire>,
    /// Flags of the operator.
    pub(crate) flags: Vec<String>,
    /// The permitted names of copies. Empty permits all names.
    pub(crate) permitted: Vec<String>,
    pub(crate) size: usize,
    /// The processes whose CPU seconds count as the server's.
    pub(crate) servers: [u32; 2],
    seed: u64,
    logins: u64,
    /// All logins that sources ever held.
    given: Vec<Login>,
}

impl Env {
    pub(crate) async fn start(size: usize, seed: u64, progress: &Progress) -> anyhow::Result<Self> {
        progress.step(&format!(
            "a cluster with {size} namespaces of {} accounts",
            ACCOUNTS.len()
        ));
        let mut cluster = Cluster::start(cluster::Options::default()).await?;
        cluster.install().await?;
        let kubeconfig = cluster
            .service_account_kubeconfig(SYSTEM_NAMESPACE, OPERATOR_ACCOUNT)
            .await?;
        let servers = [cluster.part(Part::ApiServer)?.pid(), cluster.part(Part::Etcd)?.pid()];
        let env = Self {
            client: cluster.admin().await?,
            cluster,
            direct: kubeconfig,
            wire: None,
            flags: Vec::new(),
            permitted: Vec::new(),
            size,
            servers,
            seed,
            logins: 0,
            given: Vec::new(),
        };
        env.make_namespaces(env.names(), true).await?;
        env.make_accounts(&env.names(), &ACCOUNTS[1..]).await?;
        Ok(env)
    }

    /// Returns the kubeconfig of both contenders, with the operator's rights.
    pub(crate) fn kubeconfig(&self) -> &Path {
        self.wire.as_ref().map_or(&self.direct, Wire::kubeconfig)
    }

    /// Sends all further requests through a relay that delays each response by `delay`.
    pub(crate) async fn go_through_a_wire(&mut self, delay: Duration) -> anyhow::Result<()> {
        self.wire = Some(Wire::start(&self.direct, delay).await?);
        Ok(())
    }

    /// Returns the bytes through the relay until now, to the server and back.
    pub(crate) fn bytes(&self) -> [u64; 2] {
        self.wire.as_ref().map_or([0; 2], |wire| {
            let Bytes { sent, received } = wire.bytes();
            [sent, received]
        })
    }

    pub(crate) fn audit(&self) -> Audit {
        self.cluster.audit()
    }

    /// Returns the time limit of every wait.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(60) + Duration::from_millis(100) * u32::try_from(self.size).unwrap_or(u32::MAX)
    }

    /// Returns the initial namespaces.
    pub(crate) fn names(&self) -> Vec<String> {
        (0..self.size).map(|number| format!("bench-{number:05}")).collect()
    }

    pub(crate) async fn make_namespaces(&self, names: Vec<String>, selected: bool) -> anyhow::Result<()> {
        let made = stream::iter(&names).map(|name| self.make_namespace(name, selected));
        let _: Vec<()> = made.buffer_unordered(AT_ONCE).try_collect().await?;
        let accounts: Api<ServiceAccount> = Api::all(self.client.clone());
        let default = kube::api::ListParams::default().fields("metadata.name=default");
        until("namespaces have their account", self.patience(), async || {
            let found = accounts
                .list_metadata(&default)
                .await
                .map_err(|error| error.to_string())?;
            let there: BTreeSet<_> = found
                .items
                .into_iter()
                .filter_map(|one| one.metadata.namespace)
                .collect();
            let missing = names.iter().filter(|name| !there.contains(*name)).count();
            (missing == 0)
                .then_some(())
                .ok_or_else(|| format!("{missing} have none"))
        })
        .await
    }

    pub(crate) async fn make_namespace(&self, name: &str, selected: bool) -> anyhow::Result<()> {
        let labels = selected.then(|| BTreeMap::from([(LABEL.to_owned(), "selected".to_owned())]));
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels,
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let api: Api<Namespace> = Api::all(self.client.clone());
        api.create(&PostParams::default(), &namespace).await?;
        Ok(())
    }

    /// Removes the label that the object selects by.
    pub(crate) async fn deselect(&self, name: &str) -> anyhow::Result<()> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let patch = Patch::Merge(json!({"metadata": {"labels": {LABEL: null}}}));
        api.patch(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    pub(crate) async fn make_accounts(&self, namespaces: &[String], names: &[&str]) -> anyhow::Result<()> {
        let all = namespaces
            .iter()
            .flat_map(|namespace| names.iter().map(move |name| (namespace, *name)));
        let made = stream::iter(all).map(|(namespace, name)| self.make_account(namespace, name));
        made.buffer_unordered(AT_ONCE).try_collect().await
    }

    pub(crate) async fn make_account(&self, namespace: &str, name: &str) -> anyhow::Result<()> {
        let account = ServiceAccount {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            ..ServiceAccount::default()
        };
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        api.create(&PostParams::default(), &account).await?;
        Ok(())
    }

    /// Returns a new login.
    pub(crate) fn next_login(&mut self) -> Login {
        self.logins += 1;
        let mut password = String::new();
        for part in 0_u64.. {
            if password.len() >= PASSWORD_LENGTH {
                break;
            }
            let numbers = [self.seed, self.logins, part].map(u64::to_be_bytes).concat();
            password.extend(Sha256::digest(numbers).iter().map(|byte| format!("{byte:02x}")));
        }
        password.truncate(PASSWORD_LENGTH);
        let login = Login::new("robot", &password);
        self.given.push(login.clone());
        login
    }

    /// Writes the login to the source.
    pub(crate) async fn write_source(&self, login: &Login) -> anyhow::Result<()> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        let source = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
            "metadata": {"name": OBJECT},
            "stringData": {"username": login.username, "password": login.password},
        });
        let params = PatchParams::apply("bench").force();
        api.patch(OBJECT, &params, &Patch::Apply(source)).await?;
        Ok(())
    }

    /// Creates the object, which selects the labelled namespaces and these accounts in them.
    pub(crate) async fn create_object(&self, accounts: &[&str]) -> anyhow::Result<()> {
        let namespaces = json!({"selectors": [{"matchLabels": {LABEL: "selected"}}]});
        self.create_object_of(OBJECT, &namespaces, accounts).await
    }

    /// As [`create_object`](Self::create_object), with another name and other namespaces.
    pub(crate) async fn create_object_of(
        &self,
        name: &str,
        namespaces: &Value,
        accounts: &[&str],
    ) -> anyhow::Result<()> {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret", "metadata": {"name": name},
            "spec": {
                "registries": [{"server": SERVER, "credentials": {"basicAuth": {"secretRef": {"name": OBJECT}}}}],
                "namespaces": namespaces,
                "serviceAccounts": {"names": accounts},
            },
        }))?;
        oracle::objects(&self.client)
            .create(&PostParams::default(), &object)
            .await?;
        Ok(())
    }

    pub(crate) async fn delete_object(&self, name: &str) -> anyhow::Result<()> {
        oracle::objects(&self.client)
            .delete(name, &DeleteParams::default())
            .await?;
        Ok(())
    }

    /// Checks the store against `expected`. A difference voids the round and ends the benchmark.
    pub(crate) async fn check(&self, expected: &Expected) -> anyhow::Result<()> {
        let right = async || oracle::check(&self.client, expected).await;
        until("the store is as it should be", self.patience(), right).await
    }

    /// Checks that the object has left no trace.
    pub(crate) async fn check_gone(&self, name: &str) -> anyhow::Result<()> {
        let (needles, allowed) = (Needles::of(&self.given), Allowed::default());
        let gone = async || oracle::check_gone(&self.client, name, name, &needles, &allowed).await;
        until("the object has left no trace", self.patience(), gone).await
    }

    /// Deletes the object of all rounds before, and waits until it is gone.
    pub(crate) async fn clear(&self) -> anyhow::Result<()> {
        self.delete_object(OBJECT).await?;
        self.check_gone(OBJECT).await
    }

    pub(crate) fn end(self) -> anyhow::Result<()> {
        self.cluster.stop()
    }
}

/// Returns the expected effect of an object in these namespaces. Its copies have its name.
pub(crate) fn expected(object: &str, namespaces: &[String], accounts: &[&str], login: &Login) -> Expected {
    let accounts: BTreeSet<String> = accounts.iter().map(|&name| name.to_owned()).collect();
    Expected {
        object: object.to_owned(),
        secret: object.to_owned(),
        logins: BTreeMap::from([(SERVER.to_owned(), login.clone())]),
        holders: namespaces.iter().map(|name| (name.clone(), accounts.clone())).collect(),
    }
}

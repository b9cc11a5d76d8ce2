//! A release of the chart on a cluster, and what it serves.

use std::collections::{BTreeMap, BTreeSet};

use e2e::cluster::{Cluster, Options};
use e2e::oracle::{self, Expected, Login};
use e2e::scenario::SOON;
use e2e::wait::eventually;
use kube::Client;
use serde_json::json;

use crate::helm::chart::{Helm, Release};
use crate::upgrade::version::without_a_gap;

const SERVER: &str = "registry.example.com";

/// A cluster whose Deployments run, and a release on it.
pub(super) struct Released<'a> {
    pub(super) helm: Helm,
    pub(super) release: Release<'a>,
    pub(super) cluster: Cluster,
    pub(super) client: Client,
}

impl<'a> Released<'a> {
    pub(super) async fn new(helm: Helm, release: Release<'a>) -> Self {
        let options = Options {
            workloads: true,
            ..Options::default()
        };
        let cluster = Cluster::start(options).await.unwrap();
        let client = cluster.admin().await.unwrap();
        Self {
            helm,
            release,
            cluster,
            client,
        }
    }

    /// Runs Helm in the namespace of the release, until all of it is there or gone.
    pub(super) async fn helm(&self, arguments: &[&str]) -> String {
        let (_, namespace) = self.release;
        let where_and_how_long = ["--namespace", namespace, "--wait", "--timeout", "2m"];
        let arguments = [arguments, &where_and_how_long].concat();
        self.helm.run(self.cluster.kubeconfig_path(), &arguments).await.unwrap()
    }

    /// Installs or upgrades to a chart with this image.
    pub(super) async fn put(&self, verb: &str, chart: &str, image: &str) {
        let (name, _) = self.release;
        let (repository, tag) = image.rsplit_once(':').unwrap();
        let set = format!("image.repository={repository},image.tag={tag}");
        let more: &[&str] = if verb == "install" {
            &["--create-namespace"]
        } else {
            &[]
        };
        self.helm(&[&[verb, name, chart, "--set", &set], more].concat()).await;
    }

    /// Returns the name of the Deployment and of the operator's account.
    fn account(&self) -> String {
        match self.release {
            (name, _) if name.contains("pullsecrets") => name.to_owned(),
            (name, _) => format!("{name}-pullsecrets"),
        }
    }

    pub(super) fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.release.1, self.account())
    }

    pub(super) async fn kubectl(&self, arguments: &[&str]) -> String {
        self.cluster.kubectl().run(arguments, "").await.unwrap()
    }

    pub(super) async fn image(&self) -> String {
        let (_, namespace) = self.release;
        let path = "jsonpath={.spec.template.spec.containers[0].image}";
        self.kubectl(&["get", "deployment", &self.account(), "-n", namespace, "-o", path])
            .await
    }

    /// Creates a source and an object for the namespaces with its label.
    pub(super) async fn declare(&self, login: &Login) {
        let Login { username, password } = login;
        let source = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
            "metadata": {"name": "company", "namespace": self.release.1},
            "stringData": {"username": username, "password": password},
        });
        let object = json!({
            "apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret",
            "metadata": {"name": "company"},
            "spec": {
                "registries": [{"server": SERVER, "credentials": {"basicAuth": {"secretRef": {"name": "company"}}}}],
                "namespaces": {"selectors": [{"matchLabels": {"pulls": "company"}}]},
            },
        });
        for one in [source, object] {
            self.cluster.kubectl().apply(&one.to_string()).await.unwrap();
        }
    }

    pub(super) async fn namespace(&self, name: &str) {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"pulls": "company"}}});
        self.cluster.kubectl().apply(&namespace.to_string()).await.unwrap();
    }

    /// Waits until they are served. A leader whose rights went before it could not release its Lease, and the next one
    /// waits until that has expired.
    pub(super) async fn serves(&self, namespaces: &[&str], login: &Login) {
        let expected = expected(namespaces, login);
        eventually("they are served", SOON * 2, async || {
            oracle::check(&self.client, &expected).await
        })
        .await;
    }

    /// Carries out a change of the release, during which no copy and no reference is missing and the operator writes
    /// no object.
    pub(super) async fn changes(&self, namespaces: &[&str], login: &Login, change: impl Future<Output = ()>) {
        let audit = self.cluster.audit();
        let wait = ["wait", "cps/company", "--for=condition=Ready", "--timeout=120s"];
        self.kubectl(&wait).await;
        audit.settle(&self.client).await.unwrap();
        let (mark, uids) = (
            audit.mark().unwrap(),
            oracle::uids(&self.client, "company").await.unwrap(),
        );
        let expected = expected(namespaces, login);
        let look = async || {
            let now = oracle::uids(&self.client, "company").await?;
            if now != uids {
                return Err(format!("copies are {now:?}, not {uids:?}"));
            }
            oracle::check_references(&self.client, &expected).await
        };
        without_a_gap(look, change).await;
        audit.settle(&self.client).await.unwrap();
        let writes = audit.writes_since(mark, &self.user()).unwrap();
        assert!(writes.objects.is_empty(), "{}", writes.summary());
    }
}

fn expected(namespaces: &[&str], login: &Login) -> Expected {
    let accounts = BTreeSet::from(["default".to_owned()]);
    Expected {
        object: "company".to_owned(),
        secret: "company".to_owned(),
        logins: BTreeMap::from([(SERVER.to_owned(), login.clone())]),
        holders: namespaces
            .iter()
            .map(|&name| (name.to_owned(), accounts.clone()))
            .collect(),
    }
}

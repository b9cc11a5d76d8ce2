//! A node for the operator's Pods without a container runtime: it runs each Pod as a local process.
//!
//! The API server and the controller manager handle the Deployment, its `ReplicaSet`s and the Pods
//! ([`Options::workloads`](crate::cluster::Options::workloads)). The node takes each admitted Pod and starts the real
//! binary with the rights of its `ServiceAccount`. The process gets exactly the arguments and the environment of its
//! container. The node calls its probes on the ports that the container names, and reports the Pod ready when both
//! succeed. When the Pod is deleted, the node sends SIGTERM, waits for the grace period, and reports the Pod gone.
//!
//! Three parts differ from a container. A kubeconfig replaces the mounted token, a loopback port replaces each
//! listening port, and a path replaces the image. Limits of a container (root, a writable file system, memory) do not
//! apply.

mod container;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use k8s_openapi::api::core::v1::{Node as Machine, Pod};
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use nix::sys::signal::Signal;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::certificates::Certificates;
use crate::cluster::{self, Cluster};
use crate::process::{Process, Program};
use crate::wait::blocking;
use crate::{SYSTEM_NAMESPACE, loopback, ports};
use container::{listens, probes, value};

/// The name of the node.
const NAME: &str = "this-machine";

/// Time between two polls of the Pods. A kubelet watches them, and calls probes more rarely.
const PAUSE: Duration = Duration::from_millis(100);

/// The path of the account's token in every Pod.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A node on a cluster. Dropping it ends its processes.
#[derive(Debug)]
pub struct Node {
    task: JoinHandle<()>,
    troubles: Arc<Mutex<Vec<String>>>,
}

impl Node {
    /// Starts to run the Pods of [`SYSTEM_NAMESPACE`]; `images` maps each image to its binary.
    ///
    /// # Errors
    ///
    /// When the API server refuses the node.
    pub async fn start(cluster: &Cluster, images: BTreeMap<String, PathBuf>) -> anyhow::Result<Self> {
        Self::start_for(cluster, SYSTEM_NAMESPACE, images).await
    }

    /// As [`start`](Self::start), for the Pods of another namespace.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_for(
        cluster: &Cluster,
        namespace: &str,
        images: BTreeMap<String, PathBuf>,
    ) -> anyhow::Result<Self> {
        let client = cluster.admin().await?;
        let machine = Machine {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                ..ObjectMeta::default()
            },
            ..Machine::default()
        };
        let machines: Api<Machine> = Api::all(client.clone());
        machines.create(&PostParams::default(), &machine).await?;
        let troubles = Arc::new(Mutex::new(Vec::new()));
        let mut runner = Runner {
            pods: Api::namespaced(client.clone(), namespace),
            namespace: namespace.to_owned(),
            client,
            images,
            certificates: cluster.certificates().clone(),
            log: cluster.operator_log(),
            running: BTreeMap::new(),
            refused: BTreeSet::new(),
            troubles: Arc::clone(&troubles),
        };
        let task = tokio::spawn(async move {
            loop {
                if let Err(error) = runner.look().await {
                    runner.trouble(format!("{error:#}"));
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Ok(Self { task, troubles })
    }

    /// Returns the problems so far: a Pod that cannot be run as specified, or a process that ended by itself or ignored
    /// SIGTERM.
    pub fn troubles(&self) -> Vec<String> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the node: {:#?}", self.troubles());
        }
        self.task.abort();
    }
}

struct Runner {
    client: Client,
    namespace: String,
    pods: Api<Pod>,
    images: BTreeMap<String, PathBuf>,
    certificates: Certificates,
    /// One file for all operators of a cluster.
    log: PathBuf,
    /// By uid.
    running: BTreeMap<String, Running>,
    /// Pods that cannot be run or whose process has ended; each is reported once.
    refused: BTreeSet<String>,
    troubles: Arc<Mutex<Vec<String>>>,
}

/// The process of a Pod.
struct Running {
    process: Process,
    probes: Vec<(String, String)>,
    ready: bool,
}

impl Runner {
    fn trouble(&self, what: String) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles.last() != Some(&what) {
            troubles.push(what);
        }
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        for pod in self.pods.list(&ListParams::default()).await? {
            let uid = pod.uid().unwrap_or_default();
            if self.refused.contains(&uid) {
                continue;
            }
            if pod.metadata.deletion_timestamp.is_some() {
                self.end(&pod, uid);
                continue;
            }
            let outcome = if self.running.contains_key(&uid) {
                self.ask(&pod, &uid).await
            } else {
                self.begin(&pod, &uid).await
            };
            if let Err(error) = outcome {
                self.trouble(format!("pod {}: {error:#}", pod.name_any()));
                self.refused.insert(uid);
            }
        }
        Ok(())
    }

    async fn begin(&mut self, pod: &Pod, uid: &str) -> anyhow::Result<()> {
        let spec = pod.spec.as_ref().context("no spec")?;
        let [container] = spec.containers.as_slice() else {
            bail!("{} containers", spec.containers.len());
        };
        ensure!(container.command.is_none(), "a command in place of the image's own");
        let mounts = container.volume_mounts.iter().flatten();
        ensure!(
            mounts.into_iter().any(|mount| mount.mount_path == TOKEN),
            "it gets no token"
        );
        let image = container.image.as_deref().unwrap_or_default();
        let binary = self.images.get(image).with_context(|| format!("no image {image}"))?;

        let account = spec.service_account_name.as_deref().unwrap_or("default");
        let token = cluster::token(&self.client, &self.namespace, account).await?;
        let kubeconfig = self.log.with_file_name(format!("{uid}.kubeconfig"));
        std::fs::write(&kubeconfig, self.certificates.token_kubeconfig(&token))?;

        let listens = listens(binary)?;
        let mut arguments = vec![
            "-i".to_owned(),
            format!("PULLSECRETS_KUBECONFIG={}", kubeconfig.display()),
        ];
        for variable in container.env.iter().flatten() {
            arguments.push(format!("{}={}", variable.name, value(variable, pod)?));
        }
        let mut here = BTreeMap::new();
        for (variable, port) in listens {
            let address = format!("127.0.0.1:{}", ports::free()?);
            arguments.push(format!("{variable}={address}"));
            here.insert(port, address);
        }
        arguments.push(binary.display().to_string());
        for argument in container.args.iter().flatten() {
            ensure!(!argument.contains("$("), "{argument}: expanded by kubelets only");
            arguments.push(argument.clone());
        }
        let running = Running {
            process: Process::start("pullsecrets", &Program::new("env", arguments), &self.log)?,
            probes: probes(container, &here)?,
            ready: false,
        };
        self.bind(pod).await?;
        self.running.insert(uid.to_owned(), running);
        Ok(())
    }

    /// Binds the Pod to the node. A Pod without a node is gone as soon as it is deleted, without a grace period.
    async fn bind(&self, pod: &Pod) -> anyhow::Result<()> {
        let name = pod.name_any();
        let body = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
            "target": {"apiVersion": "v1", "kind": "Node", "name": NAME},
        });
        let path = format!("/api/v1/namespaces/{}/pods/{name}/binding", self.namespace);
        let request = http::Request::post(path).header("content-type", "application/json");
        self.client
            .request_text(request.body(body.to_string().into_bytes())?)
            .await?;
        Ok(())
    }

    /// Calls the probes, and reports changes.
    async fn ask(&mut self, pod: &Pod, uid: &str) -> anyhow::Result<()> {
        let running = self.running.get_mut(uid).context("it runs")?;
        if let Some(status) = running.process.ended()? {
            let tail = running.process.tail(20);
            self.running.remove(uid);
            bail!("its process ended by itself: {status}\n{tail}");
        }
        let mut ready = true;
        for (address, path) in &running.probes {
            let answer = loopback::get(address, path, None).await;
            ready &= answer.is_ok_and(|(code, _)| (200..400).contains(&code));
        }
        if ready != running.ready {
            running.ready = ready;
            self.report(pod, ready).await?;
        }
        Ok(())
    }

    async fn report(&self, pod: &Pod, ready: bool) -> anyhow::Result<()> {
        let word = if ready { "True" } else { "False" };
        let condition =
            |kind: &str| json!({"type": kind, "status": word, "lastTransitionTime": jiff::Timestamp::now()});
        let status = json!({"status": {
            "phase": "Running",
            "conditions": [condition("Ready"), condition("ContainersReady")],
        }});
        let patch = Patch::Strategic(status);
        self.pods
            .patch_status(&pod.name_any(), &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// Ends a Pod in a separate task, so that the other Pods are still served.
    fn end(&mut self, pod: &Pod, uid: String) {
        let running = self.running.remove(&uid);
        self.refused.insert(uid);
        let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or_default();
        let grace = Duration::from_secs(grace.try_into().unwrap_or_default());
        let (pods, name, troubles) = (self.pods.clone(), pod.name_any(), Arc::clone(&self.troubles));
        tokio::spawn(async move {
            if let Some(Running { mut process, .. }) = running {
                let stopped = blocking(move || {
                    let status = process.stop(Signal::SIGTERM, grace)?;
                    ensure!(status.success(), "it ended with {status}\n{}", process.tail(20));
                    Ok(())
                });
                if let Err(error) = stopped.await {
                    let mut troubles = troubles.lock().unwrap_or_else(PoisonError::into_inner);
                    troubles.push(format!("pod {name}: {error:#}"));
                }
            }
            // The Pod is already gone if its namespace was deleted.
            let _ = pods.delete(&name, &DeleteParams::default().grace_period(0)).await;
        });
    }
}

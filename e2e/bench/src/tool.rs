//! The command-line tool over several large clusters, beside kubectl with the same lists.
//!
//! Both read the same control plane under several contexts, in turns. kubectl reads one context after the other, as a
//! script does. The tool reads four at a time, and judges what it reads.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::process::{Process, Program};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::env::{Env, SERVER};
use crate::figures::Samples;
use crate::machine::Machine;
use crate::progress::Progress;
use crate::table::{Row, Table};

/// Pods of each workload.
const PODS: usize = 5;

/// Requests at a time during the setup.
const AT_ONCE: usize = 32;

/// What the tool may take longer than kubectl, in seconds.
const LONGER: &str = "3 s more";

/// What the tool may hold at most.
const MEMORY: &str = "64 MiB";

/// Longer than any run.
const PATIENCE: Duration = Duration::from_mins(10);

/// How often the memory of the tool is read. Its peak is kept by the kernel, so only growth after the last look is lost.
const LOOK: Duration = Duration::from_millis(2);

/// The lists that the tool reads, as kubectl is asked for them. A field selector needs a request of its own.
const LISTS: [&str; 3] = [
    "namespaces,serviceaccounts,pods,deployments,statefulsets,daemonsets,replicasets,jobs,cronjobs,clusterpullsecrets",
    "secrets --field-selector=type=kubernetes.io/dockerconfigjson",
    "secrets --field-selector=type=kubernetes.io/dockercfg",
];

/// What the clusters have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) contexts: usize,
    pub(crate) namespaces: usize,
    /// Each is a Deployment with its `ReplicaSet` and five Pods.
    pub(crate) workloads: usize,
    pub(crate) rounds: usize,
}

pub(crate) async fn run(size: Size, seed: u64) -> anyhow::Result<Table> {
    let binary = e2e::binaries::cli()?;
    let machine = Machine::of_this_run("tool", &binary, seed, size.rounds)?.with(format!(
        "{} contexts, each with {} namespaces, {} Deployments and {} Pods",
        size.contexts,
        size.namespaces,
        size.workloads,
        size.workloads * PODS
    ));
    let progress = Progress::start(3 + 2 * size.rounds as u64);
    let mut table = Table::new(machine).between("tool", "kubectl");
    let mut env = Env::start(size.namespaces, seed, &progress).await?;
    fill(&mut env, size, &progress).await?;
    let kubeconfig = kubeconfig(&env, size.contexts)?;
    let (mut ours, mut theirs, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    let printed = printed(&env, &kubeconfig).await?;
    for _ in 0..size.rounds {
        progress.step("the tool");
        let audit = audit(&env, &binary, &kubeconfig, size)?;
        ours.push(audit.seconds);
        peaks.push(audit.peak);
        progress.step("kubectl");
        theirs.push(kubectl(&env, &kubeconfig, size.contexts).await?);
    }
    let (ours, theirs) = (Samples(ours), Samples(theirs));
    let differences = ours.0.iter().zip(&theirs.0).map(|(ours, theirs)| ours - theirs);
    let longest = differences.fold(f64::NEG_INFINITY, f64::max);
    let peak = peaks.into_iter().fold(0.0, f64::max);
    let of = |what: &str, unit, value| Row::single(size.namespaces, what, unit, value);
    table.push(Row::rounds(
        size.namespaces,
        "audit, and the same lists: time",
        "s",
        ours,
        theirs,
    ));
    table.push(of("audit takes longer, at most", "s", longest).target(LONGER));
    table.push(of("resident, at most", "MiB", peak).target(MEMORY));
    table.push(of("the lists of a context as kubectl prints them", "MiB", printed));
    progress.finish();
    env.end()?;
    Ok(table)
}

/// Creates a pull secret, a reference and the workloads of each namespace. No controller runs that would change them.
async fn fill(env: &mut Env, size: Size, progress: &Progress) -> anyhow::Result<()> {
    progress.step(&format!("{} pull secrets", size.namespaces));
    let login = env.next_login();
    let config = json!({"auths": {SERVER: {"username": login.username, "password": login.password}}}).to_string();
    let env: &Env = env;
    let names = env.names();
    let each = stream::iter(&names).map(|namespace| pull_secret(env, namespace, &config));
    let _: Vec<()> = each.buffer_unordered(AT_ONCE).try_collect().await?;
    progress.step(&format!("{} workloads", size.workloads));
    let each = stream::iter(0..size.workloads).map(|number| workload(env, &names[number % names.len()], number));
    let _: Vec<()> = each.buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(())
}

async fn pull_secret(env: &Env, namespace: &str, config: &str) -> anyhow::Result<()> {
    let secret = json!({
        "metadata": {"name": "company"}, "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": STANDARD.encode(config)},
    });
    let _: Secret = create(env, namespace, &secret).await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(env.client.clone(), namespace);
    let patch = Patch::Merge(json!({"imagePullSecrets": [{"name": "company"}]}));
    accounts.patch("default", &PatchParams::default(), &patch).await?;
    Ok(())
}

/// Creates a Deployment, its `ReplicaSet` and its Pods, as controllers leave them.
async fn workload(env: &Env, namespace: &str, number: usize) -> anyhow::Result<()> {
    let name = format!("app-{number:05}");
    let labels = json!({"app": name, "pod-template-hash": "7d4b9c6f5"});
    let spec = json!({
        "replicas": PODS,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": template(number)},
    });
    let metadata = json!({"name": name, "labels": labels});
    let deployment: Deployment = create(env, namespace, &json!({"metadata": metadata, "spec": spec})).await?;
    let owner = |kind: &str, name: &str, uid: Option<String>| {
        json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true,
            "blockOwnerDeletion": true}])
    };
    let set = format!("{name}-7d4b9c6f5");
    let owners = owner("Deployment", &name, deployment.uid());
    let metadata = json!({"name": set, "labels": labels, "ownerReferences": owners});
    let created: ReplicaSet = create(env, namespace, &json!({"metadata": metadata, "spec": spec})).await?;
    for pod in 0..PODS {
        let owners = owner("ReplicaSet", &set, created.uid());
        let metadata = json!({"name": format!("{set}-{pod}"), "labels": labels, "ownerReferences": owners});
        let _: Pod = create(env, namespace, &json!({"metadata": metadata, "spec": template(number)})).await?;
    }
    Ok(())
}

/// A Pod as people write them: a container with probes and variables, and one beside it.
fn template(number: usize) -> Value {
    let variables: Vec<Value> = (0..20)
        .map(
            |variable| json!({"name": format!("SETTING_{variable}"), "value": format!("value {variable} of {number}")}),
        )
        .collect();
    let probe = json!({"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10});
    let limits = json!({"limits": {"memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}});
    // Every tenth uses a registry for which no Secret has a login.
    let server = if number.is_multiple_of(10) {
        "other.example.com"
    } else {
        SERVER
    };
    json!({
        "containers": [
            {"name": "main", "image": format!("{server}/team-{}/app-{}:1.{number}", number % 50, number % 500),
                "env": variables, "livenessProbe": probe, "readinessProbe": probe, "resources": limits,
                "ports": [{"containerPort": 8080}], "volumeMounts": [{"name": "data", "mountPath": "/data"}]},
            {"name": "beside", "image": format!("{SERVER}/platform/proxy:3"), "resources": limits},
        ],
        "volumes": [{"name": "data", "emptyDir": {}}],
    })
}

async fn create<T>(env: &Env, namespace: &str, object: &Value) -> anyhow::Result<T>
where
    T: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Serialize
        + DeserializeOwned
        + std::fmt::Debug,
{
    let api: Api<T> = Api::namespaced(env.client.clone(), namespace);
    let object: T = serde_json::from_value(object.clone())?;
    Ok(api.create(&PostParams::default(), &object).await?)
}

/// Writes a kubeconfig with several contexts for the one control plane.
fn kubeconfig(env: &Env, contexts: usize) -> anyhow::Result<PathBuf> {
    let mut kubeconfig: Value = serde_json::from_slice(&std::fs::read(env.cluster.kubeconfig_path())?)?;
    let context = kubeconfig["contexts"][0]["context"].clone();
    let all = (0..contexts).map(|number| json!({"name": name(number), "context": context}));
    kubeconfig["contexts"] = all.collect();
    kubeconfig["current-context"] = json!(name(0));
    let path = env.cluster.folder().join("contexts.kubeconfig");
    std::fs::write(&path, kubeconfig.to_string())?;
    Ok(path)
}

fn name(context: usize) -> String {
    format!("cluster-{context}")
}

/// One run of the tool.
struct Audit {
    seconds: f64,
    /// In MiB.
    peak: f64,
}

fn audit(env: &Env, binary: &Path, kubeconfig: &Path, size: Size) -> anyhow::Result<Audit> {
    let log = env.cluster.folder().join("tool.log");
    let _ = std::fs::remove_file(&log);
    let mut program = Program::new(binary, ["audit", SERVER, "--all-contexts", "--exit-zero"]);
    program.environment.push(("KUBECONFIG".to_owned(), kubeconfig.into()));
    let began = Instant::now();
    let mut process = Process::start("tool", &program, &log)?;
    let mut peak = 0;
    let status = loop {
        peak = peak.max(process.peak_kib().unwrap_or_default());
        if let Some(status) = process.ended()? {
            break status;
        }
        ensure!(began.elapsed() < PATIENCE, "the tool does not end");
        std::thread::sleep(LOOK);
    };
    let seconds = began.elapsed().as_secs_f64();
    ensure!(status.success(), "the tool failed: {}", process.tail(20));
    let expected = format!("{} workloads", size.contexts * size.workloads);
    let said = process.log();
    ensure!(
        said.contains(&expected),
        "the tool does not say {expected:?}: {}",
        process.tail(5)
    );
    Ok(Audit {
        seconds,
        peak: f64::from(u32::try_from(peak)?) / 1024.0,
    })
}

/// Returns the seconds that kubectl takes for the lists of all contexts.
async fn kubectl(env: &Env, kubeconfig: &Path, contexts: usize) -> anyhow::Result<f64> {
    let commands: Vec<String> = (0..contexts)
        .map(|context| commands(kubeconfig, context, ">/dev/null"))
        .collect();
    let began = Instant::now();
    script(env, &commands.concat()).await?;
    Ok(began.elapsed().as_secs_f64())
}

/// Returns how much kubectl prints for one context, in MiB.
async fn printed(env: &Env, kubeconfig: &Path) -> anyhow::Result<f64> {
    let counts = script(env, &commands(kubeconfig, 0, "| wc -c")).await?;
    let counts: Result<Vec<u32>, _> = counts.split_whitespace().map(str::parse).collect();
    Ok(counts?.into_iter().map(f64::from).sum::<f64>() / 1024.0 / 1024.0)
}

fn commands(kubeconfig: &Path, context: usize, then: &str) -> String {
    let (kubeconfig, context) = (kubeconfig.display(), name(context));
    let get = |list| format!("kubectl get {list} -A -o json --kubeconfig={kubeconfig} --context={context} {then}\n");
    LISTS.map(get).concat()
}

async fn script(env: &Env, script: &str) -> anyhow::Result<String> {
    let output = env
        .cluster
        .kubectl()
        .script(script, env.cluster.folder(), PATIENCE)
        .await?;
    ensure!(
        output.status.success(),
        "kubectl failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).context("the output of kubectl")
}

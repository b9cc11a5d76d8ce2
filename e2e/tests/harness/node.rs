//! A real node ends with the process that started it, and leaves the machine as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::cluster::{Cluster, Options};
use e2e::folder::Folder;
use e2e::kubelet::Node;
use e2e::machine::Hierarchies;
use e2e::wait::eventually;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use super::wait_for_account;
use crate::MACHINE;

const SOON: Duration = Duration::from_mins(2);

/// Names the file that the second process of a test writes when its node runs.
const READY: &str = "PULLSECRETS_E2E_NODE_READY";

/// How the names of a node's control groups and of its folder begin.
const PREFIX: &str = "pullsecrets-node-";

/// Settings of the kernel that count something or change by themselves.
const COUNTERS: [&str; 12] = [
    "fs/aio-nr",
    "fs/dentry-state",
    "fs/file-nr",
    "fs/inode-nr",
    "fs/inode-state",
    "fs/quota",
    "kernel/ns_last_pid",
    "kernel/perf_event_max_sample_rate",
    "kernel/pty/nr",
    "kernel/random",
    "net/ipv4/route/gc",
    "net/netfilter/nf_conntrack_count",
];

/// What a node could leave behind.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    /// Processes in a node's control groups, or with its folder among their arguments.
    processes: BTreeSet<u32>,
    mounts: String,
    cgroups: BTreeSet<PathBuf>,
    interfaces: BTreeSet<String>,
    settings: BTreeMap<PathBuf, String>,
    folders: BTreeSet<PathBuf>,
}

impl Traces {
    /// Returns those of nodes of the process `owner`. Other processes of the machine may run nodes too.
    fn of(owner: u32) -> Self {
        let prefix = format!("{PREFIX}{owner}-");
        let mut cgroups = BTreeSet::new();
        for root in Hierarchies::found().unwrap().roots() {
            walk(root, &mut |path| {
                let text = path.display().to_string();
                let is_folder = path.is_dir();
                // The nodes of other processes come and go.
                if is_folder && (text.contains(&prefix) || !text.contains(PREFIX)) {
                    cgroups.insert(path.to_owned());
                }
                is_folder
            });
        }
        let mut settings = BTreeMap::new();
        let root = Path::new("/proc/sys");
        walk(root, &mut |path| {
            let name = path.strip_prefix(root).unwrap();
            if COUNTERS.iter().any(|counter| name.starts_with(counter)) {
                return false;
            }
            if let Ok(value) = std::fs::read_to_string(path) {
                settings.insert(name.to_owned(), value);
            }
            path.is_dir()
        });
        Self {
            processes: processes(&prefix),
            mounts: std::fs::read_to_string("/proc/self/mounts").unwrap(),
            cgroups,
            interfaces: names(Path::new("/sys/class/net")).collect(),
            settings,
            folders: names(&std::env::temp_dir())
                .filter(|name| name.starts_with(&prefix))
                .map(PathBuf::from)
                .collect(),
        }
    }

    /// Returns the first difference in plain words.
    fn compare(&self, before: &Self) -> Result<(), String> {
        let changed =
            |(name, value): (&PathBuf, &String)| (before.settings.get(name) != Some(value)).then(|| name.clone());
        let settings: Vec<PathBuf> = self.settings.iter().filter_map(changed).collect();
        if !settings.is_empty() {
            return Err(format!("settings: {settings:?}"));
        }
        let cgroups: Vec<_> = self.cgroups.symmetric_difference(&before.cgroups).collect();
        if !cgroups.is_empty() {
            return Err(format!("control groups: {cgroups:?}"));
        }
        if self == before {
            Ok(())
        } else {
            Err(format!("{self:?}"))
        }
    }
}

/// A node with a Pod is there while it runs, and in no list afterwards.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn node_leaves_no_trace() {
    let _alone = MACHINE.write().await;
    let cluster = cluster().await;
    let own = std::process::id();
    let before = Traces::of(own);
    let node = Node::start(&cluster, "127.0.0.1").await.unwrap();
    run_a_pod(&cluster).await;

    let during = Traces::of(own);
    let members = node.members();
    for program in ["containerd", "containerd-shim-runc-v2", "kubelet", "/container"] {
        assert!(
            members.iter().any(|member| member.command.contains(program)),
            "{program}: {members:#?}"
        );
    }
    assert!(during.processes.len() >= members.len(), "{during:?}");
    assert!(during.cgroups.len() > before.cgroups.len());
    assert_eq!(during.mounts, before.mounts, "the node has its own mounts");
    assert_eq!(during.settings, before.settings, "the node changes no setting");

    node.restart_kubelet().await.unwrap();
    node.end().unwrap();
    eventually("the machine is as before", SOON, async || {
        Traces::of(own).compare(&before)
    })
    .await;
}

/// The process that started the node is killed: the node ends with it.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn node_ends_with_its_process() {
    let _alone = MACHINE.write().await;
    let folder = Folder::new("pullsecrets-killed").unwrap();
    let ready = folder.join("ready");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "harness::node::second_process_runs_a_node", "--ignored"])
        .env(READY, &ready)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let owner = child.id();
    eventually("the second process has a node", 2 * SOON, async || {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        if ready.exists() { Ok(()) } else { Err(String::new()) }
    })
    .await;
    let during = Traces::of(owner);
    assert!(!during.processes.is_empty() && !during.folders.is_empty(), "{during:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("the node has ended", SOON, async || {
        let after = Traces::of(owner);
        let is_left = |path: &PathBuf| path.display().to_string().contains(PREFIX);
        let cgroups: Vec<_> = after.cgroups.iter().filter(|path| is_left(path)).collect();
        if after.processes.is_empty() && after.folders.is_empty() && cgroups.is_empty() {
            Ok(())
        } else {
            Err(format!("{:?} {:?} {cgroups:?}", after.processes, after.folders))
        }
    })
    .await;
}

/// The second process of the test above.
#[tokio::test]
#[ignore = "no test by itself"]
async fn second_process_runs_a_node() {
    let Some(ready) = std::env::var_os(READY) else {
        return;
    };
    let cluster = cluster().await;
    let _node = Node::start(&cluster, "127.0.0.1").await.unwrap();
    run_a_pod(&cluster).await;
    std::fs::write(ready, "").unwrap();
    std::future::pending::<()>().await;
}

async fn cluster() -> Cluster {
    let options = Options {
        nodes: true,
        ..Options::default()
    };
    Cluster::start(options).await.unwrap()
}

/// Runs a Pod of the only image that a node has from the start.
async fn run_a_pod(cluster: &Cluster) {
    let client = cluster.admin().await.unwrap();
    wait_for_account(&client, "default").await;
    let pods: Api<Pod> = Api::namespaced(client, "default");
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pause"},
        "spec": {
            "nodeName": "127.0.0.1",
            "containers": [{"name": "main", "image": "node.invalid/pause:1", "imagePullPolicy": "Never"}],
        },
    });
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap())
        .await
        .unwrap();
    eventually("the Pod runs", SOON, async || {
        let pod = pods.get("pause").await.map_err(|error| error.to_string())?;
        let status = pod.status.unwrap_or_default();
        if status.phase.as_deref() == Some("Running") {
            Ok(())
        } else {
            Err(format!("{status:?}"))
        }
    })
    .await;
}

fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

/// Visits all below a folder; `visit` returns whether to go deeper.
fn walk(folder: &Path, visit: &mut impl FnMut(&Path) -> bool) {
    for name in names(folder) {
        let path = folder.join(name);
        if !path.is_symlink() && visit(&path) {
            walk(&path, visit);
        }
    }
}

fn processes(prefix: &str) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for pid in names(Path::new("/proc")).filter_map(|name| name.parse::<u32>().ok()) {
        let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let all = [read("cgroup"), read("cmdline")].concat();
        if pid != std::process::id() && String::from_utf8_lossy(&all).contains(prefix) {
            found.insert(pid);
        }
    }
    found
}

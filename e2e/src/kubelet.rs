//! A real node: kubelet, containerd and runc, in namespaces and control groups of their own.
//!
//! One process holds all of it. When it is killed, the kernel ends every process in the node's pid namespace, and its
//! mounts go with them. The node shares the network of the process that starts it. It changes no setting of the kernel,
//! because files lie over those that a kubelet would write.
//!
//! A node needs root and more ([`crate::machine`]). Only the image of the sandboxes is imported; a kubelet pulls all
//! others.

mod cgroups;
mod files;
mod network;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use k8s_openapi::api::core::v1::Node as Machine;
use kube::Api;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::binaries::{Runtime, binaries, runtime};
use crate::cluster::Cluster;
use crate::folder::Folder;
use crate::image::Image;
use crate::process::{Process, Program};
use crate::wait::{blocking, until};
use crate::{loopback, ports};
use cgroups::Cgroups;

pub use network::{Service, in_own_network};

/// Time limit until the node is ready. It is generous, because other tests and builds may run at the same time.
const READY_WITHIN: Duration = Duration::from_mins(2);

/// Lines of each log in an error.
const TAIL: usize = 25;

/// Folders that the node hides, so that its files cannot lie below them.
const HIDDEN: [&str; 3] = ["/run", "/var/log", "/var/lib"];

/// The network of a node's Pods.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Network {
    /// Each Pod has an empty network namespace, unless it uses the network of the node.
    #[default]
    None,
    /// Each Pod has an address of this range, for instance `10.88.0.0/24`. It needs [`in_own_network`].
    Range(String),
}

/// A process of a node.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its number, as this process sees it.
    pub pid: u32,
    /// Its command, with arguments.
    pub command: String,
    /// Its share of the memory in use, in KiB: pages that several processes use count in parts.
    pub kib: u64,
}

/// A running node. Dropping it ends it and all of its Pods.
#[derive(Debug)]
pub struct Node {
    // Dropped in this order: control groups cannot be removed before their processes have ended, nor can files.
    process: Process,
    cgroups: Cgroups,
    folder: Folder,
    name: String,
    /// The address at which the kubelet says whether it works.
    health: String,
}

impl Node {
    /// Starts a node without a network for Pods, and waits until it is ready. Its name is its `address`, which is one of
    /// loopback. It has no label of a zone. The cluster must allow nodes ([`Options::nodes`](crate::cluster::Options::nodes)).
    ///
    /// # Errors
    ///
    /// When this machine cannot run a node, or it is not ready within two minutes. The error then has the ends of its
    /// logs.
    pub async fn start(cluster: &Cluster, address: &str) -> anyhow::Result<Self> {
        Self::start_with(cluster, address, &Network::None).await
    }

    /// As [`start`](Self::start), with a network.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_with(cluster: &Cluster, address: &str, network: &Network) -> anyhow::Result<Self> {
        if let Some(missing) = crate::machine::missing() {
            bail!("no node on this machine: it lacks {missing}");
        }
        let programs = blocking(runtime).await?;
        let mut node = Self::launch(cluster, programs, address, network)?;
        node.wait_until_ready(cluster).await?;
        Ok(node)
    }

    fn launch(cluster: &Cluster, programs: &Runtime, address: &str, network: &Network) -> anyhow::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let folder = Folder::new("pullsecrets-node")?;
        let controlplane = &binaries()?.controlplane;
        for path in [folder.path(), &programs.folder, controlplane] {
            let hidden = HIDDEN.iter().find(|hidden| path.starts_with(hidden));
            ensure!(hidden.is_none(), "{} is in a folder that a node hides", path.display());
        }
        let cgroups = Cgroups::make(NEXT.fetch_add(1, Ordering::Relaxed))?;
        let ports: [u16; 2] = ports::free_set()?;
        write_files(&folder, cluster, programs, (address, ports), network, &cgroups.root())?;
        let init = files::init(folder.path(), programs, controlplane, address, &cgroups.own());
        std::fs::write(folder.join("init"), init)?;
        let mut program = Program::new(
            "unshare",
            ["--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "sh"],
        );
        program.arguments.push(folder.join("init").into());
        // The node reaches nothing beyond loopback, whatever the machine's proxy is.
        for variable in [
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "http_proxy",
            "https_proxy",
            "all_proxy",
        ] {
            program.environment.push((variable.to_owned(), "".into()));
        }
        Ok(Self {
            process: Process::start("node", &program, &folder.join("init.log"))?,
            cgroups,
            folder,
            name: address.to_owned(),
            health: format!("127.0.0.1:{}", ports[1]),
        })
    }

    async fn wait_until_ready(&mut self, cluster: &Cluster) -> anyhow::Result<()> {
        let machines: Api<Machine> = Api::all(cluster.admin().await?);
        let name = self.name.clone();
        let outcome = until("the node is ready", READY_WITHIN, async || {
            if let Some(status) = self.process.ended().map_err(|error| error.to_string())? {
                return Ok(Some(status));
            }
            let machine = machines.get(&name).await.map_err(|error| error.to_string())?;
            let conditions = machine.status.and_then(|status| status.conditions).unwrap_or_default();
            let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
            match ready {
                Some(ready) if ready.status == "True" => Ok(None),
                seen => Err(format!("{seen:?}")),
            }
        });
        match outcome.await {
            Ok(None) => Ok(()),
            Ok(Some(status)) => bail!("the node ended: {status}\n{}", self.tails()),
            Err(late) => bail!("{late:#}\n{}", self.tails()),
        }
    }

    /// Returns its name, which is its address.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes the node pull images of `host` (a name, or a name and a port) from the registry at `address`, in plain HTTP.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn route(&self, host: &str, address: &str) -> anyhow::Result<()> {
        let folder = self.folder.join("certs.d").join(host);
        std::fs::create_dir_all(&folder)?;
        // Not as a mirror, after which containerd would ask the real host.
        std::fs::write(folder.join("hosts.toml"), format!("server = \"http://{address}\"\n"))?;
        Ok(())
    }

    /// Kills the kubelet, and waits until the next one works. It tries every image again at once, because back-off is kept
    /// in memory.
    ///
    /// # Errors
    ///
    /// When it does not run, or does not start again within two minutes.
    pub async fn restart_kubelet(&self) -> anyhow::Result<()> {
        let argument = format!("--root-dir={}", self.folder.join("kubelet").display());
        let members = self.members();
        let kubelet = members.iter().find(|member| member.command.contains(&argument));
        let pid = kubelet.context("the kubelet does not run")?.pid;
        kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGKILL).context("cannot kill the kubelet")?;
        until("the next kubelet works", READY_WITHIN, async || {
            let members = self.members();
            let is_next = |member: &Member| member.pid != pid && member.command.contains(&argument);
            if !members.iter().any(is_next) {
                return Err("it has not started".to_owned());
            }
            match loopback::get(&self.health, "/healthz", None).await {
                Ok((200, _)) => Ok(()),
                answer => Err(format!("{answer:?}")),
            }
        })
        .await
    }

    /// Returns the processes of the node and of its Pods.
    pub fn members(&self) -> Vec<Member> {
        self.cgroups.processes().into_iter().filter_map(member).collect()
    }

    /// Returns the number of the process that holds the node.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Returns the ends of its logs, for people.
    pub fn tails(&self) -> String {
        let mut text = String::new();
        for name in ["init.log", "containerd.log", "kubelet.log"] {
            let log = std::fs::read(self.folder.join(name)).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(TAIL)..].join("\n");
            let _ = write!(text, "---- {name} of {} ----\n{last}\n", self.name);
        }
        text
    }

    /// Ends the node with SIGKILL, as a machine that loses its power, and removes its control groups.
    ///
    /// # Errors
    ///
    /// When the kernel still holds a process after ten seconds.
    pub fn end(mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.cgroups.remove()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.tails());
        }
    }
}

fn member(pid: u32) -> Option<Member> {
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let share = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let share = share.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse().ok());
    Some(Member {
        pid,
        command: command.replace('\0', " ").trim().to_owned(),
        kib: share.unwrap_or_default(),
    })
}

fn write_files(
    folder: &Folder,
    cluster: &Cluster,
    programs: &Runtime,
    (address, ports): (&str, [u16; 2]),
    network: &Network,
    cgroup: &str,
) -> anyhow::Result<()> {
    let write = |name: &str, content: &[u8]| std::fs::write(folder.join(name), content).context("files of a node");
    let certificates = cluster.certificates();
    let (kubeconfig, certificate, key) = certificates.node(address)?;
    write("kubeconfig", kubeconfig.as_bytes())?;
    write("serving.crt", certificate.as_bytes())?;
    write("serving.key", key.as_bytes())?;
    std::fs::copy(&certificates.authority, folder.join("ca.crt"))?;
    let settings = files::kubelet(folder.path(), address, ports, cgroup);
    write("kubelet.yaml", settings.to_string().as_bytes())?;
    let settings = files::containerd(folder.path(), programs, snapshotter(folder.path()));
    write("containerd.toml", settings.as_bytes())?;
    let program = std::fs::read(&programs.container)?;
    write(
        "pause.tar",
        &Image::of_container(&program, "pause").archive(files::PAUSE),
    )?;
    for below in ["cni", "cni-bin", "certs.d", "plugins"] {
        std::fs::create_dir(folder.join(below))?;
    }
    let network = network_of(network);
    write("cni/10-pods.conflist", network.to_string().as_bytes())?;
    executable(&folder.join("cni-bin/none"), files::NO_NETWORK)
}

fn network_of(network: &Network) -> Value {
    let plugin = match network {
        Network::None => serde_json::json!({"type": "none"}),
        Network::Range(range) => serde_json::json!({
            "type": "ptp", "ipMasq": false,
            "ipam": {
                "type": "host-local", "dataDir": "/run/ipam",
                "ranges": [[{"subnet": range}]], "routes": [{"dst": "0.0.0.0/0"}],
            },
        }),
    };
    serde_json::json!({"cniVersion": "1.0.0", "name": "pods", "plugins": [plugin]})
}

fn executable(path: &PathBuf, text: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Returns the driver for layers: overlayfs where it works in this folder, which it does not on another overlayfs.
fn snapshotter(folder: &Path) -> &'static str {
    let script = "mkdir probe && cd probe && mkdir lower upper work merged && \
        mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).current_dir(folder);
    match command.output() {
        Ok(output) if output.status.success() => "overlayfs",
        _ => "native",
    }
}

//! Files of a node: settings of kubelet and containerd, the network plugin, and the script that is its first process.

use std::path::Path;

use serde_json::{Value, json};

use crate::binaries::Runtime;
use crate::image::ARCHITECTURE;

/// The image of the containers that hold the namespaces of a Pod.
pub(super) const PAUSE: &str = "node.invalid/pause:1";

/// Settings that a kubelet would otherwise write for the whole kernel, with the values that it wants. It reads first,
/// so files with these values over them keep the kernel as it is.
const SYSCTLS: &str = "\
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
";

/// A network plugin that gives each Pod an empty network namespace.
pub(super) const NO_NETWORK: &str = r#"#!/bin/sh
cat >/dev/null
case $CNI_COMMAND in
VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["0.3.1","0.4.0","1.0.0"]}' ;;
ADD) echo '{"cniVersion":"1.0.0","interfaces":[{"name":"'"$CNI_IFNAME"'","sandbox":"'"$CNI_NETNS"'"}],' \
  '"ips":[{"address":"127.0.0.1/8","interface":0}]}' ;;
esac
"#;

/// The first process of the node's namespaces. It hides the paths that kubelet and containerd have built in, keeps the
/// kubelet running, and reaps what the shims leave behind. Everything ends with it.
pub(super) fn init(folder: &Path, runtime: &Runtime, controlplane: &Path, name: &str, cgroups: &[String]) -> String {
    let (n, bin) = (folder.display(), runtime.folder.display());
    let (controlplane, cgroups) = (controlplane.display(), cgroups.join(" "));
    format!(
        r#"set -eu
for cgroup in {cgroups}; do echo 0 >"$cgroup/cgroup.procs"; done
for hidden in /run /var/log /var/lib; do mount -t tmpfs tmpfs "$hidden"; done
mkdir -p /var/lib/kubelet /var/lib/cni /run/sysctl
while read -r path value; do
  [ -e "/proc/sys/$path" ] || continue
  file=/run/sysctl/$(echo "$path" | tr / .)
  echo "$value" >"$file"
  mount --bind "$file" "/proc/sys/$path"
done <<'END'
{SYSCTLS}END
export PATH="{bin}:$PATH"
containerd --config "{n}/containerd.toml" >"{n}/containerd.log" 2>&1 &
containerd=$!
until ctr -a "{n}/containerd.sock" version >/dev/null 2>&1; do
  kill -0 $containerd
  sleep 0.05
done
ctr -a "{n}/containerd.sock" -n k8s.io images import "{n}/pause.tar"
while :; do
  "{controlplane}" kubelet --config="{n}/kubelet.yaml" --kubeconfig="{n}/kubeconfig" --hostname-override={name} \
    --root-dir="{n}/kubelet" --cert-dir="{n}/certs" >>"{n}/kubelet.log" 2>&1 || sleep 0.1
done &
wait $containerd
"#
    )
}

/// Settings of the kubelet, as JSON, which is also YAML.
pub(super) fn kubelet(folder: &Path, address: &str, [port, health]: [u16; 2], cgroup: &str) -> Value {
    let file = |name: &str| folder.join(name);
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "port": port,
        "readOnlyPort": 0,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": health,
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": file("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": file("serving.crt"),
        "tlsPrivateKeyFile": file("serving.key"),
        "containerRuntimeEndpoint": format!("unix://{}", file("containerd.sock").display()),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "failCgroupV1": false,
        "failSwapOn": false,
        "makeIPTablesUtilChains": false,
        "localStorageCapacityIsolation": false,
        "enforceNodeAllocatable": [],
        "evictionHard": {
            "memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%", "nodefs.inodesFree": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "volumePluginDir": file("plugins"),
        "podLogsDir": file("pod-logs"),
        "resolvConf": "",
        "serializeImagePulls": false,
        // By default it refuses pulls beyond 5 a second, and such a Pod backs off.
        "registryPullQPS": 0,
        "maxPods": 500,
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "5s",
    })
}

/// Settings of containerd.
pub(super) fn containerd(folder: &Path, runtime: &Runtime, snapshotter: &str) -> String {
    let (n, runc) = (folder.display(), runtime.runc.display());
    format!(
        r#"version = 3
root = "{n}/root"
state = "/run/containerd"
[grpc]
  address = "{n}/containerd.sock"
[ttrpc]
  address = "{n}/containerd.sock.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{n}/opt"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "{snapshotter}"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{PAUSE}"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "{n}/certs.d"
[plugins."io.containerd.transfer.v1.local"]
  config_path = "{n}/certs.d"
  [[plugins."io.containerd.transfer.v1.local".unpack_config]]
    platform = "linux/{ARCHITECTURE}"
    snapshotter = "{snapshotter}"
[plugins."io.containerd.cri.v1.runtime"]
  disable_apparmor = true
  restrict_oom_score_adj = true # without the right to lower it, every container would fail
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        BinaryName = "{runc}"
        SystemdCgroup = false
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{n}/cni-bin", "{bin}"]
    conf_dir = "{n}/cni"
    use_internal_loopback = true
"#,
        bin = runtime.folder.display()
    )
}

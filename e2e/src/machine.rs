//! What a machine needs for a real node: a kubelet, containerd and runc.
//!
//! The build script reads this file too, so that tests which need a node count as ignored where there can be none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the kernel lists the mounts.
const MOUNTS: &str = "/proc/self/mounts";

/// Controllers without which a kubelet does not start.
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

/// The hierarchies of control groups that a machine has mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hierarchies {
    /// One for each controller, and maybe one of the second version beside them.
    First(Vec<PathBuf>),
    /// The unified one. Written for, and not yet tried on any machine.
    Second(PathBuf),
}

impl Hierarchies {
    /// Returns those of this machine, or `None` if a controller that a kubelet needs is missing.
    pub fn found() -> Option<Self> {
        Self::of(&fs::read_to_string(MOUNTS).ok()?, |root| {
            fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default()
        })
    }

    /// As [`found`](Self::found), for a list of mounts. `controllers` returns those of a unified hierarchy.
    fn of(mounts: &str, controllers: impl Fn(&Path) -> String) -> Option<Self> {
        let (mut first, mut second, mut options) = (Vec::new(), None, Vec::new());
        for line in mounts.lines() {
            let mut words = line.split(' ').skip(1);
            let (Some(at), Some(kind), Some(with)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            match kind {
                "cgroup" => {
                    options.extend(with.split(','));
                    first.push(PathBuf::from(at));
                }
                "cgroup2" => second = Some(PathBuf::from(at)),
                _ => {}
            }
        }
        let has_all = |found: &[&str]| CONTROLLERS.iter().all(|needed| found.contains(needed));
        if first.is_empty() {
            let root = second?;
            let found = controllers(&root);
            return has_all(&found.split_whitespace().collect::<Vec<_>>()).then_some(Self::Second(root));
        }
        first.extend(second);
        has_all(&options).then_some(Self::First(first))
    }

    /// Returns the folder of each.
    pub fn roots(&self) -> &[PathBuf] {
        match self {
            Self::First(roots) => roots,
            Self::Second(root) => std::slice::from_ref(root),
        }
    }
}

/// Returns in plain words what this machine lacks to run a node, or `None` if it can run one.
pub fn missing() -> Option<String> {
    let mut missing = Vec::new();
    if !is_root() {
        missing.push("root");
    }
    if !succeeds("unshare", &["--mount", "--pid", "--fork", "--mount-proc", "true"]) {
        missing.push("new mount and pid namespaces (unshare)");
    }
    if !Hierarchies::found().is_some_and(|found| found.roots().iter().all(|root| is_writable(root))) {
        missing.push("writable control groups for cpu, cpuset, memory and pids");
    }
    if on_path("runc").is_none() && (on_path("apt-get").is_none() || on_path("dpkg").is_none()) {
        missing.push("runc, or apt-get to download it");
    }
    if on_path("ip").is_none() {
        missing.push("ip (iproute2)");
    }
    (!missing.is_empty()).then(|| missing.join(", "))
}

/// Returns the file of a program on the path.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// The second number after `Uid:` is the effective one.
fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    line.and_then(|line| line.split_whitespace().nth(1)) == Some("0")
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn is_writable(root: &Path) -> bool {
    let probe = root.join(format!("pullsecrets-probe-{}", std::process::id()));
    fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "\
proc /proc proc rw,relatime 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/pids cgroup rw,relatime,pids 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
";

    #[test]
    fn both_versions_of_cgroups_are_recognised() {
        let first = Hierarchies::of(FIRST, |_| String::new());
        assert_eq!(first.as_ref().map(|found| found.roots().len()), Some(5));
        let second = |controllers: &'static str| {
            Hierarchies::of("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", |_| controllers.to_owned())
        };
        let found = second("cpuset cpu io memory hugetlb pids rdma misc");
        assert_eq!(found, Some(Hierarchies::Second(PathBuf::from("/sys/fs/cgroup"))));
        assert_eq!(second("cpu io pids"), None);
        assert_eq!(
            Hierarchies::of(&FIRST.replace("memory", "blkio"), |_| String::new()),
            None
        );
        assert_eq!(Hierarchies::of("proc /proc proc rw 0 0\n", |_| String::new()), None);
    }
}

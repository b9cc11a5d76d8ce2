//! The control groups of a node: one in each hierarchy, above those of its Pods.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::guardian;
use crate::machine::Hierarchies;

/// Followed by the number of the process that made the group, and by a number of the node.
const PREFIX: &str = "pullsecrets-node-";

/// Below the group of the node: the group of kubelet, containerd and shims.
const OWN: &str = "node";

/// The kernel lets go of killed processes within this time.
const GONE_WITHIN: Duration = Duration::from_mins(1);

const PAUSE: Duration = Duration::from_millis(10);

/// Groups of one node. Dropping them removes them; all processes in them must have been killed.
#[derive(Debug)]
pub(super) struct Cgroups {
    name: String,
    paths: Vec<PathBuf>,
}

impl Cgroups {
    /// Creates the groups, and removes those of processes that ended without doing so.
    ///
    /// # Errors
    ///
    /// When the machine has no control groups, or they cannot be written.
    pub(super) fn make(number: u32) -> anyhow::Result<Self> {
        let hierarchies = Hierarchies::found().context("no control groups for a node")?;
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        for root in hierarchies.roots() {
            sweep(root);
        }
        let mut groups = Self {
            paths: Vec::new(),
            name,
        };
        for root in hierarchies.roots() {
            let path = root.join(&groups.name);
            fs::create_dir(&path).with_context(|| path.display().to_string())?;
            guardian::watch_cgroup(&path)?;
            groups.paths.push(path.clone());
            if matches!(hierarchies, Hierarchies::Second(_)) {
                delegate(root)?;
                delegate(&path)?;
            }
            fs::create_dir(path.join(OWN))?;
            if matches!(hierarchies, Hierarchies::First(_)) {
                inherit(root, &[&path, &path.join(OWN)])?;
            }
        }
        Ok(groups)
    }

    /// Returns the name of the node's group from the root of each hierarchy.
    pub(super) fn root(&self) -> String {
        format!("/{}", self.name)
    }

    /// Returns the groups that kubelet and containerd belong to.
    pub(super) fn own(&self) -> Vec<String> {
        let own = |path: &PathBuf| path.join(OWN).display().to_string();
        self.paths.iter().map(own).collect()
    }

    /// Returns the numbers of all processes in the groups.
    pub(super) fn processes(&self) -> Vec<u32> {
        let mut found = Vec::new();
        for path in &self.paths {
            members(path, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Removes the groups.
    ///
    /// # Errors
    ///
    /// When the kernel still holds one after ten seconds.
    pub(super) fn remove(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + GONE_WITHIN;
        while let Some(path) = self.paths.last() {
            if is_removed(path) {
                self.paths.pop();
            } else if Instant::now() >= end {
                bail!("{} still has processes", path.display());
            } else {
                std::thread::sleep(PAUSE);
            }
        }
        Ok(())
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        // If this fails, the guardian tries once more when this process ends.
        let _ = self.remove();
    }
}

fn folders(path: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

fn members(path: &Path, found: &mut Vec<u32>) {
    let text = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
    for below in folders(path) {
        members(&below, found);
    }
}

/// Removes a group with all below it, as far as that is possible.
fn is_removed(path: &Path) -> bool {
    for below in folders(path) {
        is_removed(&below);
    }
    match fs::remove_dir(path) {
        Ok(()) => true,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Removes the groups of processes that no longer exist.
fn sweep(root: &Path) {
    for path in folders(root) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            is_removed(&path);
        }
    }
}

/// First version: a group of the controller `cpuset` takes no process until it has processors and memory.
fn inherit(root: &Path, groups: &[&Path]) -> anyhow::Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(value) = fs::read_to_string(root.join(file)) {
            for group in groups {
                fs::write(group.join(file), value.trim()).with_context(|| group.display().to_string())?;
            }
        }
    }
    Ok(())
}

/// Second version: a group has the controllers that the group above passes on.
fn delegate(group: &Path) -> anyhow::Result<()> {
    let read = |file: &str| fs::read_to_string(group.join(file)).with_context(|| group.display().to_string());
    let (available, passed_on) = (read("cgroup.controllers")?, read("cgroup.subtree_control")?);
    let passed_on: Vec<&str> = passed_on.split_whitespace().collect();
    for controller in available.split_whitespace().filter(|name| !passed_on.contains(name)) {
        // Some can only be passed on in a state that this machine may not be in; a kubelet needs only a few.
        let _ = fs::write(group.join("cgroup.subtree_control"), format!("+{controller}"));
    }
    Ok(())
}

//! The whole product on a real Kubernetes control plane, on one machine, without a container runtime.
//!
//! | module | what it gives |
//! |---|---|
//! | [`binaries`] | the control plane, the registry and the operator, built when their sources changed |
//! | [`cluster`] | etcd, kube-apiserver and kube-controller-manager on free loopback ports |
//! | [`pool`] | those that tests borrow, wiped between two |
//! | [`operator`] | the real `pullsecrets` process with the rights that `config/rbac` gives it |
//! | [`node`] | the same process, started as the installed Deployment says |
//! | [`registry`] | the CNCF registry behind a password |
//! | [`audit`] | what was asked of the API server, by whom |
//! | [`store`] | all that the store holds, of whatever kind |
//! | [`canary`] | a credential that is looked for wherever it must not be, at the end of every scene |
//! | [`oracle`] | what must be true of the store, written without the operator's code |
//! | [`witness`] | what a status said during a scene, held against the store at that moment |
//! | [`faults`] | a proxy that injects them |
//! | [`wire`] | a relay that counts bytes |
//! | [`scene`] | one scenario's stage: its cluster, its namespaces, its names |
//!
//! Nothing here decides anything that the operator decides: this crate names neither `operator` nor `plan` as a
//! dependency, so that a mistake in them cannot repeat itself in what judges them.
//!
//! Every process started from here ends with the process that started it, however that one ends (see [`process`]).

pub mod audit;
pub mod binaries;
pub mod canary;
pub mod certificates;
pub mod client;
pub mod cluster;
pub mod faults;
pub mod folder;
mod guardian;

pub mod kubectl;
pub mod login;
pub mod loopback;
pub mod node;
pub mod operator;
pub mod oracle;
pub mod pool;
pub mod ports;
pub mod process;
pub mod registry;
pub mod scene;
pub mod secrecy;
pub mod store;
pub mod wait;
pub mod wire;
pub mod witness;

use std::path::{Path, PathBuf};

/// The namespace that the operator lives in, and the only one that it reads sources from by default.
pub const SYSTEM_NAMESPACE: &str = "pullsecrets-system";

/// The `ServiceAccount` of the operator.
pub const OPERATOR_ACCOUNT: &str = "pullsecrets";

/// The user name of [`OPERATOR_ACCOUNT`] in the API server's audit log.
pub const OPERATOR_USER: &str = "system:serviceaccount:pullsecrets-system:pullsecrets";

/// The folder of the workspace that this crate was compiled in.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(PathBuf::new, Path::to_path_buf)
}

//! End-to-end tests: the whole product on a real Kubernetes control plane, and on real nodes, on one machine.
//!
//! # Rooms
//!
//! Each line uses only lines below it; `.ci/checks walls` reads this.
//!
//! ```text
//! scenario        one scenario: its cluster, its namespaces, its names
//! faults          a proxy that injects them
//! wire            a relay that counts bytes
//! registry        the CNCF registry behind a password
//! kubelet         a real node: kubelet, containerd and runc, in namespaces of their own
//! node            the operator's process, started as the installed Deployment says
//! operator        the operator's process with the rights that `config/rbac` gives it
//! pool            clusters that tests borrow, wiped between two
//! cluster         etcd, kube-apiserver and kube-controller-manager on free loopback ports
//! secrecy         the search for credentials wherever they must not be
//! witness         checks each status against the store at that moment, during a scenario
//! oracle          what must be true of the store, written without the operator's code
//! canary          a credential that a search finds in every form
//! login           a user name and a password
//! store           the whole content of the store, of every kind
//! audit           requests to the API server, by user
//! client          clients of the API server
//! kubectl         kubectl, for an administrator
//! keyring         the kubelet's own lookup of logins
//! binaries        the control plane, the registry, the operator and the tool, built when their sources changed
//! process         processes that end with the one that started them
//! folder          folders that go with the process that made them
//! image           images of one layer, made in memory
//! machine         what a machine needs for a real node
//! certificates · guardian · loopback · names · ports · wait
//! ```
//!
//! This crate makes no decision of the operator. It depends neither on `operator` nor on `plan`, so that a mistake in
//! them cannot repeat itself in their tests.
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
pub mod image;
pub mod keyring;
pub mod kubectl;
pub mod kubelet;
pub mod login;
pub mod loopback;
pub mod machine;
mod names;
pub mod node;
pub mod operator;
pub mod oracle;
pub mod pool;
pub mod ports;
pub mod process;
pub mod registry;
pub mod scenario;
pub mod secrecy;
pub mod store;
pub mod wait;
pub mod wire;
pub mod witness;

pub use folder::workspace;
pub use names::{OPERATOR_ACCOUNT, OPERATOR_USER, SYSTEM_NAMESPACE};

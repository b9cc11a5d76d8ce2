//! `kubectl pullsecrets`: which workloads could not pull an image, and why.
//!
//! # Rooms
//!
//! Each room may name only rooms on lower lines; `.ci/checks walls` reads this picture.
//!
//! ```text
//! run  each verb, from the command line to the exit code
//! completion · rollout  candidates for shells and for kubectl, and man pages · objects and sources in several clusters:
//!      applied, waited for, removed
//! status  what objects report, and what a deletion waits for
//! output  tables, JSON, YAML, JUnit and names; progress and notes
//! login  tries logins at registries
//! cluster  kubeconfigs, contexts, and what is read and written through them
//! input · net  files and streams, each up to a limit · connections to servers, through proxies
//! args  the command line
//! adopt  what other tools left, and how the operator takes it over
//! audit · explain · render  the verdict on every workload · what a kubelet does for one of them · what the operator
//!      would write
//! fix · subject  the command that fixes a problem · what creates Pods, with its Pods
//! verdict  what a kubelet makes of one image with one list of pull secrets
//! world  the snapshot of a cluster: what decides, and no value of a Secret that could be printed
//! ```
//!
//! `adopt` and the rooms below it are pure: they do no I/O, read no clock and do not panic. The kubelet's rules are those of
//! the crate `plan`.

pub mod adopt;
pub mod args;
pub mod audit;
pub mod cluster;
pub mod completion;
pub mod explain;
pub mod fix;
mod input;
pub mod login;
mod net;
pub mod output;
pub mod render;
pub mod rollout;
pub mod run;
pub mod status;
pub mod subject;
pub mod verdict;
pub mod world;

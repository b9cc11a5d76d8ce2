//! `kubectl pullsecrets`: which workloads could not pull an image, and why.
//!
//! # Rooms
//!
//! Each room may name only rooms on lower lines; `.ci/checks walls` reads this picture.
//!
//! ```text
//! audit · explain  the verdict on every workload · what a kubelet does for one of them
//! fix · subject  the command that fixes a problem · what creates Pods, with its Pods
//! verdict  what a kubelet makes of one image with one list of pull secrets
//! world  the snapshot of a cluster: what decides, and no value of a Secret that could be printed
//! ```
//!
//! The rooms above are pure: they do no I/O, read no clock and do not panic. The kubelet's rules are those of the crate
//! `plan`.

pub mod audit;
pub mod explain;
pub mod fix;
pub mod subject;
pub mod verdict;
pub mod world;

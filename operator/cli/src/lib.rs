//! `kubectl pullsecrets`: which workloads could not pull an image, and why.
//!
//! # Rooms
//!
//! Each room may name only rooms on lower lines; `.ci/checks walls` reads this picture.
//!
//! ```text
//! audit  the verdict on every workload
//! world  the snapshot of a cluster: what decides, and no value of a Secret that could be printed
//! ```
//!
//! The rooms above are pure: they do no I/O, read no clock and do not panic. The kubelet's rules are those of the crate
//! `plan`.

pub mod audit;
pub mod world;

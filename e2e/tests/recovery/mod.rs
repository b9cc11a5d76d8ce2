//! Pods that were admitted before their account had the reference. The controllers of Kubernetes make the Pods, and
//! stand-ins for kubelets say whether each of them could pull its image.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod crowd;
mod env;
mod kubelet;
mod masked;
mod off;
mod successors;
mod workloads;

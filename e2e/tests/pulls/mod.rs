//! Kubelets pull private images with what the operator wrote, and the registry's log says what that took.
//!
//! All tests share a control plane, a node and a registry, and each counts the requests for its own repositories. No
//! test waits for a back-off: it kills the kubelet, which then tries again at once.
//!
//! Where the machine cannot run a node, the tests that need one are ignored (`e2e/build.rs`).
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod details;
mod endings;
mod installed;
mod matching;
mod migration;
mod pods;
mod rotation;
mod spread;
mod started;
mod story;
mod verdicts;

//! The pullsecrets operator: watches, two loops, writes.
//!
//! ```text
//!  watches ─▶ world (compact map) ─▶ plan (pure) ─▶ queue: fresh | bulk ─▶ apply (writes)
//!                  ▲    ▲                                                      │
//!                  │    └──────────────── each reply ──────────────────────────┤
//!  ClusterPullSecret ─▶ objects ─▶ credentials ─▶ payloads            board ◀──┘
//!         ▲                                                             │
//!         └────────────── status, Events ◀── report (pure) ◀────────────┘
//! ```
//!
//! Reading order: [`kinds`] and [`watch`] (what comes in), [`world`] and [`board`] (what is held), [`queue`],
//! [`namespaces`] (the namespace loop), [`objects`] (the object loop) with [`credentials`] and [`report`],
//! [`apply`] (every write), [`leader`] (which replica may write), [`runtime`] (what is started), [`progress`], [`health`]
//! and [`metrics`] (whether it works).
//!
//! Decisions are in the crate `plan`, writes in [`apply`]; nothing else does either, the Lease of [`leader`] aside.

pub mod apply;
pub mod args;
pub mod board;
mod capacity;
pub mod credentials;
pub mod events;
pub mod health;
pub mod kinds;
pub mod leader;
pub mod leadership;
pub mod listen;
pub mod metrics;
pub mod namespaces;
pub mod objects;
mod otlp;
pub mod outcome;
pub mod panics;
pub mod progress;
mod proxy;
pub mod queue;
pub mod report;
pub mod runtime;
pub mod telemetry;
pub mod wanted;
pub mod watch;
pub mod work;
pub mod world;

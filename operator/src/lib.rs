//! The pullsecrets operator: watches, two controllers, writes.
//!
//! ```text
//!  watches ─▶ reconciler (what was seen) ─▶ plan (pure) ─▶ queue: fresh | bulk ─▶ writes
//!                 ▲    ▲                                                           │
//!                 │    └──────────────── each reply ───────────────────────────────┤
//!  ClusterPullSecret ─▶ objects ─▶ sources ─▶ payloads                   tally ◀───┘
//!         ▲                                                                │
//!         └──────────────── status, Events ◀───────────────────────────────┘
//! ```
//!
//! # Rooms
//!
//! Each room may name only rooms on lower lines; `.ci/checks walls` reads this picture.
//!
//! ```text
//! runtime  what is started, and how it ends
//! objects  the controller of ClusterPullSecrets: finalizer, credentials, status, Events
//! namespaces  the controller of namespaces: what was seen, what follows from it, the writes
//! observability  metrics, health, logs, traces
//! api  everything that holds a client: watches, writes, the Lease
//! worker  the calls of a controller, one for each key
//! queue · tally  which key is next · status counts of each object
//! args · leadership · outcome · shrink · wanted · work  shared words
//! clock  the time since the process started
//! ```
//!
//! The crate `plan` holds the decisions and [`api`] the writes; no other room does either.

pub mod api;
pub mod args;
pub mod clock;
pub mod leadership;
pub mod namespaces;
pub mod objects;
pub mod observability;
pub mod outcome;
pub mod queue;
pub mod runtime;
mod shrink;
pub mod tally;
pub mod wanted;
pub mod work;
pub mod worker;

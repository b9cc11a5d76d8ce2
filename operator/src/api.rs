//! Rooms that hold a client of the API server: watches, writes, Events, the Lease.

pub mod call;
pub mod events;
pub mod lease;
pub mod partial;
pub mod proxy;
pub mod refusal;
pub mod replies;
pub mod restraint;
pub mod watch;
pub mod watch_health;
pub mod write;

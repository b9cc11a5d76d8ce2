//! What a kubelet would make of one image with one list of pull secrets, and why.
//!
//! The reasons are tried in the kubelet's order. First it reads every Secret of the list, and one that it cannot read stops
//! every pull. Then it tries each matching login until one works. Only without a match it matters why there is none.

mod evidence;
mod judge;
mod near;
mod reason;
mod view;
mod words;

pub use evidence::{Evidence, LoginOutcome, Probe};
pub use judge::{Judge, Verdict};
pub use near::Near;
pub use reason::Reason;
pub use view::{View, logins_for};

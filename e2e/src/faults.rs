//! Faults between the operator and the API server. A proxy can kill the operator, answer for the server, lose
//! responses, and cut, repeat or delay events of watches. The crate `campaign` runs all of them systematically.
//!
//! | module | content |
//! |---|---|
//! | [`plan`] | one fault and its trigger, as one line of JSON |
//! | [`proxy`] | HTTP/1.1 in, the API server out |
//! | [`targets`] | targets of a fault beyond the connection |

mod about;
mod answers;
mod edits;
mod outages;
pub mod plan;
pub mod proxy;
mod shared;
pub mod targets;
mod versions;
mod watching;

//! Faults between the operator and the API server: a proxy that can kill, answer in the server's place, lose answers, and
//! cut, repeat or hold back what a watch tells. The crate `campaign` plays them systematically.
//!
//! | module | what it gives |
//! |---|---|
//! | [`plan`] | one fault and when it strikes, as one line of JSON |
//! | [`proxy`] | HTTP/1.1 in, the API server out |
//! | [`targets`] | what a fault can reach besides the connection |

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

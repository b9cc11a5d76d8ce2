//! Views of the tools that deploy and watch objects. Health is right in every state, a status is true at every moment,
//! and no tool claims a copy.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod away;
mod copies;
pub(crate) mod judges;
mod record;
mod rules;
mod shipped;
mod states;
mod status;

//! What those see who deploy with Argo CD, with Flux, or by kstatus: health in every state, a status that can be
//! trusted at every moment, and copies that no tool takes for its own.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod away;
mod copies;
mod judges;
mod record;
mod rules;
mod shipped;
mod states;
mod status;

//! Where credentials come from, and what is remembered of them.

pub mod sources;

//! From the declared registries and their source Secrets to the one docker config of an object.

mod contribution;
mod merge;
mod problem;
mod remembered;
mod resolution;
mod size;
mod source;
mod status;

pub use merge::{Merged, merge};
pub use problem::Problem;
pub use remembered::{LastGood, Origin, Remembered};
pub use resolution::{Resolution, SourceContent, resolve};
pub use source::{Lookup, ShownKeys, Source, is_confined};

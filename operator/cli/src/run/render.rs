//! `render`.

use super::exit::{Exit, Stop};
use crate::args::RenderArgs;

pub(super) fn run(_: &RenderArgs) -> Result<Exit, Stop> {
    Err(Stop("render is not implemented yet".to_owned()))
}

//! Man pages.

use std::io;
use std::path::Path;

use clap::Command;

/// Writes a page for the tool and for each verb.
pub fn write_man_pages(command: Command, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(command, folder)
}

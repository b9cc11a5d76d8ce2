//! Installs a release that `.ci/release` made, from a registry of its own, before anything leaves this machine.
//!
//! The files stay as they are: chart and `install.yaml` name the image that will be published. The node takes it from
//! the local registry by the same digest, as nodes with a mirror do, and runs the binary that it finds in the layer.
//!
//! # Rooms
//!
//! Each line uses only lines below it; `.ci/checks walls` reads this.
//!
//! ```text
//! installed   an installation of the release on a cluster of its own
//! published   the release in a local registry
//! ```

mod installed;
mod published;

use std::path::PathBuf;

use clap::Parser;
use e2e::binaries;
use e2e::wait::blocking;

use installed::{Installed, Way};
use published::Published;

/// Pushes a release to a registry on this machine, installs it from there in each way, and waits until it serves.
#[derive(Parser)]
#[command(name = "release")]
struct Arguments {
    /// The folder that `.ci/release all` wrote.
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = std::path::absolute(Arguments::parse().folder)?;
    let published = Published::push(&folder).await?;
    let ways = [
        Way::Helm(blocking(binaries::helm_4).await?),
        Way::Helm(blocking(binaries::helm_3).await?),
        Way::Manifest(folder.join("install.yaml")),
    ];
    for way in ways {
        eprintln!("── {way}");
        let installed = Installed::new(&way, &published).await?;
        installed.reaches_ready().await?;
        installed.end().await?;
    }
    eprintln!("── the release installs and serves in each way");
    Ok(())
}

//! Installs a release that `.ci/release` made, from a registry of its own, before anything leaves this machine.
//!
//! The files stay as they are: chart and `install.yaml` name the image that will be published. The node takes it from
//! the local registry by the same digest, as nodes with a mirror do, and runs the binary that it finds in the layer. The
//! command-line tool comes out of its archive, as krew unpacks it. It reads each installation, and makes one itself.
//!
//! # Rooms
//!
//! Each line uses only lines below it; `.ci/checks walls` reads this.
//!
//! ```text
//! installed   an installation of the release on a cluster of its own
//! tool        the command-line tool, as krew installs it
//! published   the release in a local registry
//! ```

mod installed;
mod published;
mod tool;

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use e2e::binaries;
use e2e::wait::blocking;

use installed::{Installed, Way};
use published::Published;
use tool::Tool;

/// Pushes a release to a registry on this machine, installs it from there in each way, and waits until it serves. The
/// command-line tool is installed by krew, and reads what is served.
#[derive(Parser)]
#[command(name = "release")]
struct Arguments {
    /// The folder that `.ci/release all` wrote.
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = std::path::absolute(Arguments::parse().folder)?;
    let mut stage = Stage::begin("registry");
    let published = Published::push(&folder).await?;
    stage.end();
    stage = Stage::begin("krew");
    let tool = Tool::install(&folder, published.version()).await?;
    stage.end();
    let ways = [
        Way::Helm(blocking(binaries::helm_4).await?),
        Way::Helm(blocking(binaries::helm_3).await?),
        Way::Manifest(folder.join("install.yaml")),
        Way::Tool(tool.path()),
    ];
    for way in ways {
        stage = Stage::begin(&way.to_string());
        let installed = Installed::new(&way, &published).await?;
        installed.reaches_ready().await?;
        installed.is_read_by(&tool).await?;
        installed.end().await?;
        stage.end();
    }
    eprintln!("── the release installs and serves in each way");
    Ok(())
}

/// A part of the program, whose seconds it prints, as `.ci/release all` does.
struct Stage {
    name: String,
    began: Instant,
}

impl Stage {
    fn begin(name: &str) -> Self {
        eprintln!("── {name}");
        Self {
            name: name.to_owned(),
            began: Instant::now(),
        }
    }

    fn end(&self) {
        eprintln!("── {}: {} s", self.name, self.began.elapsed().as_secs());
    }
}

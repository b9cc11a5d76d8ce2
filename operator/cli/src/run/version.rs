//! The version.

use serde::Serialize;

use super::exit::Stop;
use crate::args::{TextFormat, VersionArgs};
use crate::output::{json, yaml};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct About {
    version: &'static str,
    platform: String,
    /// The version of the API of `ClusterPullSecret` that it reads.
    api: &'static str,
}

/// Returns the version in the format that was asked for.
pub(super) fn text(args: &VersionArgs) -> Result<String, Stop> {
    let about = About {
        version: env!("CARGO_PKG_VERSION"),
        platform: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        api: "pullsecrets.dev/v1alpha1",
    };
    Ok(match args.output {
        None => format!("kubectl-pullsecrets {} {}\n", about.version, about.platform),
        Some(TextFormat::Json) => json(&about)?,
        Some(TextFormat::Yaml) => yaml(&about)?,
    })
}

//! What `--install` installs: `config/default`, with the image of the operator by digest.

mod image;
mod manifests;
mod owner;
mod version;

use semver::Version;
use serde_json::{Value, json};

use manifests::{FILES, IMAGE};

pub(super) use owner::owner;
pub(super) use version::{Installed, VERSION_LABEL};

/// The name of its Deployment.
pub(super) const DEPLOYMENT: &str = "pullsecrets";

/// The objects of an installation, in the order in which they are applied.
pub struct Installation {
    pub(super) objects: Vec<Value>,
    pub(super) image: String,
    pub(super) version: Version,
}

impl Installation {
    /// Makes one with the image of the release, or with the given one. The error says how to name an image.
    pub fn new(image: Option<&str>) -> Result<Self, String> {
        let image = image::pinned(image, image::RELEASED)?;
        let broken = || "the embedded manifests are broken: please report it".to_owned();
        let version = Version::parse(env!("CARGO_PKG_VERSION")).map_err(|_| broken())?;
        let mut objects = Vec::new();
        for (_, text) in FILES {
            let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|_| broken())?;
            objects.extend(documents.into_iter().filter(|document| !document.is_null()));
        }
        for deployment in objects.iter_mut().filter(|object| object["kind"] == "Deployment") {
            deployment["metadata"]["labels"][VERSION_LABEL] = json!(version.to_string());
            let containers = deployment["spec"]["template"]["spec"]["containers"].as_array_mut();
            for container in containers.into_iter().flatten() {
                if container["image"] == IMAGE {
                    container["image"] = json!(image);
                }
            }
        }
        Ok(Self {
            objects,
            image,
            version,
        })
    }

    /// Says what is installed.
    pub fn line(&self) -> String {
        format!(
            "pullsecrets {}: definition, policies and operator, {}",
            self.version, self.image
        )
    }
}

/// Returns an object as kubectl names it: `clusterrole/pullsecrets`.
pub(super) fn called(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
    format!("{kind}/{}", object["metadata"]["name"].as_str().unwrap_or_default())
}

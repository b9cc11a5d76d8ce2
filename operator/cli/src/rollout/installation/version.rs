//! The version of what is installed.

use semver::Version;
use serde_json::Value;

use super::{DEPLOYMENT, Installation};
use crate::args::OPERATOR_NAMESPACE;
use crate::cluster::FIELD_MANAGER;

/// The label of the Deployment that names the version of the operator.
pub(in super::super) const VERSION_LABEL: &str = "app.kubernetes.io/version";

/// What a Deployment says of its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Installed {
    /// The version, by the label or the tag of the image.
    Version(Version),
    /// Neither says one. This is the image.
    Image(String),
}

impl Installed {
    /// Reads a Deployment of the operator.
    pub(in super::super) fn of(deployment: &Value) -> Self {
        let label = deployment["metadata"]["labels"][VERSION_LABEL].as_str();
        let image = deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str();
        let image = image.unwrap_or_default();
        let (tagged, _) = image.split_once('@').unwrap_or((image, ""));
        // A colon before a slash belongs to a port.
        let tag = tagged
            .rsplit('/')
            .next()
            .and_then(|name| name.split_once(':'))
            .map(|(_, tag)| tag);
        let parsed = |text: &str| Version::parse(text.strip_prefix('v').unwrap_or(text)).ok();
        // After another tool has changed the image, the label is that of the version before.
        let label = label.filter(|_| !is_changed_by_another(deployment));
        // The later one, because either may be left over.
        match label.and_then(parsed).max(tag.and_then(parsed)) {
            Some(version) => Self::Version(version),
            None => Self::Image(image.to_owned()),
        }
    }

    /// Returns why this may not be replaced: a later version, or an unknown one.
    pub(in super::super) fn refusal(&self, by: &Installation) -> Option<(&'static str, String)> {
        match self {
            Self::Version(version) if *version > by.version => Some((
                "Downgrade",
                format!(
                    "it has version {version}, and this tool installs {}: use a tool of that version",
                    by.version
                ),
            )),
            Self::Image(image) if *image != by.image => Some((
                "VersionUnknown",
                format!(
                    "its image names no version. If it is not later than {}: kubectl label deployment {DEPLOYMENT} -n \
                     {OPERATOR_NAMESPACE} {VERSION_LABEL}=VERSION",
                    by.version
                ),
            )),
            Self::Version(_) | Self::Image(_) => None,
        }
    }
}

/// Whether this tool has written the Deployment, and another one its image since.
fn is_changed_by_another(deployment: &Value) -> bool {
    let entries = deployment["metadata"]["managedFields"].as_array();
    let mut own = entries.into_iter().flatten();
    let own = own.find(|entry| entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply");
    own.is_some_and(|own| !own["fieldsV1"].to_string().contains("\"f:image\""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(version: Option<&str>, image: &str) -> Value {
        json!({
            "metadata": {"labels": {VERSION_LABEL: version}},
            "spec": {"template": {"spec": {"containers": [{"image": image}]}}},
        })
    }

    #[test]
    fn a_version_comes_from_label_or_tag() {
        let version = |text: &str| Installed::Version(Version::parse(text).unwrap());
        let digest = format!("sha256:{}", "0a".repeat(32));
        for (label, image, expected) in [
            (Some("1.2.3"), "a:0.9.9", version("1.2.3")),
            (Some("1.2.3"), "a:9.9.9", version("9.9.9")),
            (None, "r.example.com:5000/a/b:1.2.3-rc.1", version("1.2.3-rc.1")),
            (None, "a:v1.2.3", version("1.2.3")),
            (Some("main"), "a:1.2.3", version("1.2.3")),
            (
                None,
                "r.example.com:5000/a",
                Installed::Image("r.example.com:5000/a".to_owned()),
            ),
            (None, "a:dev", Installed::Image("a:dev".to_owned())),
        ] {
            assert_eq!(Installed::of(&deployment(label, image)), expected, "{image}");
            let pinned = format!("{image}@{digest}");
            if let Installed::Version(_) = expected {
                assert_eq!(Installed::of(&deployment(label, &pinned)), expected, "{pinned}");
            }
        }
    }

    /// `kubectl apply` of a later release leaves the label of this tool as it is.
    #[test]
    fn the_label_counts_while_the_image_is_ours() {
        let owned = |fields: Value| {
            let mut found = deployment(Some("1.2.3"), "a@sha256:0a");
            let entry = json!({"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields});
            found["metadata"]["managedFields"] = json!([{"manager": "other"}, entry]);
            Installed::of(&found)
        };
        let containers = |name: &str| json!({"f:containers": {"k:{\"name\":\"pullsecrets\"}": {name: {}}}});
        assert_eq!(
            owned(containers("f:image")),
            Installed::Version(Version::parse("1.2.3").unwrap())
        );
        assert_eq!(owned(containers("f:env")), Installed::Image("a@sha256:0a".to_owned()));
    }

    #[test]
    fn only_an_earlier_version_is_replaced() {
        let image = format!("a@sha256:{}", "0a".repeat(32));
        let own = Installation::new(Some(&image)).unwrap();
        let refusal = |version: Option<&str>, image: &str| {
            let installed = Installed::of(&deployment(version, image));
            installed.refusal(&own).map(|(reason, _)| reason)
        };
        let current = own.version.to_string();
        assert_eq!(refusal(Some("0.0.1"), "a"), None);
        assert_eq!(refusal(Some(&current), "a"), None);
        assert_eq!(refusal(Some("999.0.0"), "a"), Some("Downgrade"));
        assert_eq!(refusal(None, "a:999.0.0"), Some("Downgrade"));
        assert_eq!(refusal(None, "a:dev"), Some("VersionUnknown"));
        assert_eq!(refusal(None, &image), None);
    }

    /// The Deployment names the image by digest, and the version, by which the next run knows it.
    #[test]
    fn an_installation_names_its_image_and_version() {
        let image = format!("a@sha256:{}", "0a".repeat(32));
        let own = Installation::new(Some(&image)).unwrap();
        let deployments: Vec<&Value> = own
            .objects
            .iter()
            .filter(|object| object["kind"] == "Deployment")
            .collect();
        assert_eq!(deployments.len(), 1);
        let text = deployments[0].to_string();
        assert!(text.contains(&format!("\"image\":\"{image}\"")), "{text}");
        assert_eq!(Installed::of(deployments[0]), Installed::Version(own.version.clone()));
        assert_eq!(own.objects[0]["kind"], "Namespace");
        assert_eq!(own.objects[1]["kind"], "CustomResourceDefinition");
    }
}

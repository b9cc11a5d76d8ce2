//! The files of `config/default`, as they are there.

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/", $name)))),*]
    };
}

/// The image in the Deployment, which the installation replaces.
pub(super) const IMAGE: &str = "pullsecrets";

/// The files in the order in which they are applied: a namespace before what is in it, and the operator last, so that its
/// rights and the policies on it are there.
pub(super) const FILES: [(&str, &str); 13] = files![
    "manager/namespace.yaml",
    "crd/clusterpullsecrets.yaml",
    "rbac/service_account.yaml",
    "rbac/cluster_role.yaml",
    "rbac/role.yaml",
    "admission/operator/secrets.yaml",
    "admission/operator/service_accounts.yaml",
    "admission/operator/objects.yaml",
    "admission/operator/leases.yaml",
    "admission/operator/pods.yaml",
    "admission/operator/nothing_else.yaml",
    "manager/deployment.yaml",
    "manager/pod_disruption_budget.yaml",
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};

    use serde_json::{Value, json};

    use super::*;

    /// The files that a kustomization leads to, and the images that it replaces.
    fn files(folder: &Path, found: &mut BTreeSet<PathBuf>, images: &mut Vec<Value>) {
        let text = std::fs::read_to_string(folder.join("kustomization.yaml")).unwrap();
        let kustomization: BTreeMap<String, Value> = serde_saphyr::from_str(&text).unwrap();
        for (field, value) in &kustomization {
            match field.as_str() {
                "apiVersion" | "kind" => {}
                "images" => images.extend(value.as_array().unwrap().clone()),
                "resources" => {
                    for resource in value.as_array().unwrap() {
                        let path = folder.join(resource.as_str().unwrap());
                        if path.is_dir() {
                            files(&path, found, images);
                        } else {
                            found.insert(path.canonicalize().unwrap());
                        }
                    }
                }
                other => panic!("{}: the tool does not do what {other} does", folder.display()),
            }
        }
    }

    /// What is embedded is all of `config/default`: each file, and nothing that kustomize would change but the image.
    #[test]
    fn embedded_files_are_those_of_the_default_installation() {
        let config = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../config")
            .canonicalize()
            .unwrap();
        let (mut found, mut images) = (BTreeSet::new(), Vec::new());
        files(&config.join("default"), &mut found, &mut images);
        let embedded: BTreeSet<PathBuf> = FILES.iter().map(|(name, _)| config.join(name)).collect();
        assert_eq!(embedded, found);
        let images: Vec<&Value> = images.iter().map(|image| &image["name"]).collect();
        assert_eq!(images, [&json!(IMAGE)]);
    }
}

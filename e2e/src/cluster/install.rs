//! Installs the product on a cluster, as users do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::Cluster;
use crate::client;
use crate::wait::until;
use crate::{OPERATOR_ACCOUNT, OPERATOR_USER, SYSTEM_NAMESPACE, workspace};

/// The API path of the objects.
const OBJECTS: &str = "/apis/pullsecrets.dev/v1alpha1/clusterpullsecrets";

const SERVED_WITHIN: Duration = Duration::from_mins(2);

impl Cluster {
    /// Applies `config/default` with kubectl, and waits until the API serves `ClusterPullSecret`s and the policy on the
    /// operator is in force. It starts no operator: the Deployment gets no Pod, because this cluster runs no workloads, or
    /// because its replicas are set to 0.
    ///
    /// # Errors
    ///
    /// The error of kubectl, or a wait of more than half a minute.
    pub async fn install(&self) -> anyhow::Result<()> {
        self.install_from(Path::new("config/default")).await?;
        if self.options.nodes {
            let scale = [
                "scale",
                "deployment/pullsecrets",
                "--replicas=0",
                "-n",
                SYSTEM_NAMESPACE,
            ];
            self.kubectl().run(&scale, "").await?;
        }
        // After another installation, the server must learn of the new roles.
        self.wait_for_right("", "").await
    }

    /// As [`install`](Self::install), with `config/named` and these names for the copies. Returns the flags that its
    /// Deployment gives the operator. A second call with other names changes the installation.
    ///
    /// The function creates the additional `source_namespaces`, each with a Role to read sources. Without it, this
    /// installation gives the operator no right there.
    ///
    /// # Errors
    ///
    /// As [`install`](Self::install).
    pub async fn install_named(&self, names: &[String], source_namespaces: &[String]) -> anyhow::Result<Vec<String>> {
        self.install_from(&named_overlay(&self.folder().join("config"), names)?)
            .await?;
        for namespace in source_namespaces {
            let sources = readable_sources(namespace).to_string();
            self.kubectl().apply(&sources).await?;
            self.wait_for_right(namespace, "").await?;
        }
        for name in names {
            self.wait_for_right("", name).await?;
        }
        self.flags_of_the_deployment().await
    }

    async fn flags_of_the_deployment(&self) -> anyhow::Result<Vec<String>> {
        let deployments: Api<Deployment> = Api::namespaced(self.admin().await?, SYSTEM_NAMESPACE);
        let deployment = deployments.get("pullsecrets").await?;
        let pod = deployment.spec.and_then(|spec| spec.template.spec);
        let container = pod.and_then(|pod| pod.containers.into_iter().next());
        let container = container.context("the Deployment has a container")?;
        let command = container.command.into_iter().flatten().skip(1);
        Ok(command.chain(container.args.into_iter().flatten()).collect())
    }

    /// Waits until the server has seen new roles through its own watch. The administrator asks, so that the server
    /// refuses no request of the operator until then.
    async fn wait_for_right(&self, namespace: &str, name: &str) -> anyhow::Result<()> {
        let reviews: Api<SubjectAccessReview> = Api::all(self.admin().await?);
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(OPERATOR_USER.to_owned()),
                resource_attributes: Some(ResourceAttributes {
                    verb: Some("list".to_owned()),
                    resource: Some("secrets".to_owned()),
                    namespace: Some(namespace.to_owned()),
                    name: Some(name.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        until("the operator has its rights", SERVED_WITHIN, async || {
            let answer = reviews.create(&PostParams::default(), &review).await;
            let status = answer.map_err(|error| error.to_string())?.status.unwrap_or_default();
            status.allowed.then_some(()).ok_or_else(|| format!("{status:?}"))
        })
        .await
    }

    async fn install_from(&self, folder: &Path) -> anyhow::Result<()> {
        let folder = folder.to_str().context("a folder with a name in UTF-8")?;
        self.kubectl().run(&["apply", "-k", folder], "").await?;
        let admin = self.admin().await?;
        // The server still answers 429 for an established definition while it prepares the storage of its objects.
        until("the API serves ClusterPullSecrets", SERVED_WITHIN, async || {
            client::get(&admin, OBJECTS)
                .await
                .map(|_| ())
                .map_err(|error| format!("{error:#}"))
        })
        .await?;
        self.wait_for_policy().await
    }

    /// Waits until the type checker has written to the status of each policy.
    ///
    /// # Errors
    ///
    /// When it takes longer than half a minute.
    pub(crate) async fn wait_for_checked_policies(&self) -> anyhow::Result<()> {
        let policies: Api<ValidatingAdmissionPolicy> = Api::all(self.admin().await?);
        until("policies are checked", SERVED_WITHIN, async || {
            let all = policies
                .list(&ListParams::default())
                .await
                .map_err(|error| error.to_string())?;
            let unchecked = all.into_iter().find(|policy| {
                let checked = policy.status.as_ref().and_then(|status| status.observed_generation);
                checked != policy.metadata.generation
            });
            unchecked.map_or(Ok(()), |policy| Err(policy.name_any()))
        })
        .await
    }

    /// Waits for the policy; a server reloads policies once a second.
    async fn wait_for_policy(&self) -> anyhow::Result<()> {
        let kubeconfig = self
            .service_account_kubeconfig(SYSTEM_NAMESPACE, OPERATOR_ACCOUNT)
            .await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client::connect(&kubeconfig).await?, SYSTEM_NAMESPACE);
        let forbidden = Patch::Merge(json!({"metadata": {"annotations": {"example.com/probe": "true"}}}));
        until("the operator's policy is in force", SERVED_WITHIN, async || {
            let params = PatchParams::default().dry_run();
            let tried = accounts.patch(OPERATOR_ACCOUNT, &params, &forbidden);
            match tried.await {
                Err(kube::Error::Api(status)) if status.message.contains("ValidatingAdmissionPolicy") => Ok(()),
                Err(error) => Err(error.to_string()),
                Ok(_) => Err("the operator may annotate an account".to_owned()),
            }
        })
        .await
    }
}

/// Copies `config` to the folder `to` and writes these names into `config/named`. Returns the folder of the overlay.
///
/// # Errors
///
/// When files cannot be copied, or the place for the names is missing.
pub fn named_overlay(to: &Path, names: &[String]) -> anyhow::Result<PathBuf> {
    copy(&workspace().join("config"), to)?;
    let overlay = to.join("named");
    let file = overlay.join("names.yaml");
    let shipped = std::fs::read_to_string(&file)?;
    let Some((head, "- company\n")) = shipped.split_once("names:\n") else {
        bail!("{} does not end in the names", file.display());
    };
    std::fs::write(&file, format!("{head}names: {}\n", json!(names)))?;
    Ok(overlay)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

fn readable_sources(namespace: &str) -> serde_json::Value {
    let metadata = json!({"name": "pullsecrets-sources", "namespace": namespace});
    let group = "rbac.authorization.k8s.io";
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch"]}]},
        {"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "pullsecrets-sources"},
            "subjects": [{"kind": "ServiceAccount", "name": OPERATOR_ACCOUNT, "namespace": SYSTEM_NAMESPACE}]},
    ]})
}

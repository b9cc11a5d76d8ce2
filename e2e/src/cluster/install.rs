//! Putting the product on a cluster, as its users do.

use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::{Cluster, client, get};
use crate::wait::until;
use crate::{OPERATOR_ACCOUNT, SYSTEM_NAMESPACE};

/// Where the API serves the objects.
const OBJECTS: &str = "/apis/pullsecrets.dev/v1alpha1/clusterpullsecrets";

const SERVED_WITHIN: Duration = Duration::from_secs(30);

impl Cluster {
    /// Applies `config/default` with kubectl, and waits until the API serves `ClusterPullSecret`s and the policy on the
    /// operator is in force. No Pod comes of the Deployment in it, since nothing here runs workloads: the operator itself
    /// is not started.
    ///
    /// # Errors
    ///
    /// What kubectl says, or when it takes longer than half a minute.
    pub async fn install(&self) -> anyhow::Result<()> {
        self.kubectl().run(&["apply", "-k", "config/default"], "").await?;
        let admin = self.admin().await?;
        // A definition that is established is still answered with 429 while the server gets ready to store its objects.
        until("the API serves ClusterPullSecrets", SERVED_WITHIN, async || {
            get(&admin, OBJECTS)
                .await
                .map(|_| ())
                .map_err(|error| format!("{error:#}"))
        })
        .await?;
        self.wait_for_policy().await
    }

    /// A server looks at policies once a second.
    async fn wait_for_policy(&self) -> anyhow::Result<()> {
        let kubeconfig = self
            .service_account_kubeconfig(SYSTEM_NAMESPACE, OPERATOR_ACCOUNT)
            .await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client(&kubeconfig).await?, SYSTEM_NAMESPACE);
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

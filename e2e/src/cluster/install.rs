//! Putting the product on a cluster, as its users do.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;

use super::Cluster;
use crate::SYSTEM_NAMESPACE;
use crate::wait::until;

const DEFINITION: &str = "clusterpullsecrets.pullsecrets.dev";

impl Cluster {
    /// Applies `config/crd` and `config/rbac` with kubectl, the operator's namespace first, and waits until the API serves
    /// `ClusterPullSecret`s. The operator itself is not started.
    ///
    /// # Errors
    ///
    /// What kubectl says, or when the definition is not established within half a minute.
    pub async fn install(&self) -> anyhow::Result<()> {
        let kubectl = self.kubectl();
        kubectl.run(&["apply", "-k", "config/crd"], "").await?;
        let namespace = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {SYSTEM_NAMESPACE}}}}}");
        kubectl.apply(&namespace).await?;
        kubectl.run(&["apply", "-k", "config/rbac"], "").await?;
        let definitions: Api<CustomResourceDefinition> = Api::all(self.admin().await?);
        until(
            "the API serves ClusterPullSecrets",
            Duration::from_secs(30),
            async || {
                let definition = definitions.get(DEFINITION).await.map_err(|error| error.to_string())?;
                if is_established(&definition) {
                    Ok(())
                } else {
                    Err("not established".to_owned())
                }
            },
        )
        .await
    }
}

fn is_established(definition: &CustomResourceDefinition) -> bool {
    let conditions = definition.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Established" && condition.status == "True")
}

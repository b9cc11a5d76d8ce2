//! Putting the product on a cluster, as its users do.

use std::time::Duration;

use super::{Cluster, get};
use crate::SYSTEM_NAMESPACE;
use crate::wait::until;

/// Where the API serves the objects.
const OBJECTS: &str = "/apis/pullsecrets.dev/v1alpha1/clusterpullsecrets";

const SERVED_WITHIN: Duration = Duration::from_secs(30);

impl Cluster {
    /// Applies `config/crd` and `config/rbac` with kubectl, the operator's namespace first, and waits until the API serves
    /// `ClusterPullSecret`s. The operator itself is not started.
    ///
    /// # Errors
    ///
    /// What kubectl says, or when they are not served within half a minute.
    pub async fn install(&self) -> anyhow::Result<()> {
        let kubectl = self.kubectl();
        kubectl.run(&["apply", "-k", "config/crd"], "").await?;
        let namespace = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {SYSTEM_NAMESPACE}}}}}");
        kubectl.apply(&namespace).await?;
        kubectl.run(&["apply", "-k", "config/rbac"], "").await?;
        let admin = self.admin().await?;
        // A definition that is established is still answered with 429 while the server gets ready to store its objects.
        until("the API serves ClusterPullSecrets", SERVED_WITHIN, async || {
            get(&admin, OBJECTS)
                .await
                .map(|_| ())
                .map_err(|error| format!("{error:#}"))
        })
        .await
    }
}

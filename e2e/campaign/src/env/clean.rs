//! Restores the initial state before each run.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::{EXCLUDE, Env, NAMESPACES, SELECTED, THEIRS, name};
use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::{self, ATTACHED};
use e2e::wait::until;

/// Time limit of the cleanup, which waits for the garbage collector.
const CLEAN_WITHIN: Duration = Duration::from_secs(60);

impl Env {
    /// Restores the initial state. No operator may run.
    ///
    /// # Errors
    ///
    /// The error of the API server, or an object that is not removed.
    pub async fn clean(&self) -> anyhow::Result<()> {
        std::fs::write(&self.token_file, &self.tokens[0])?;
        for replica in &self.replicas {
            replica.proxy.arm(None);
            replica.proxy.pages(false);
            replica.proxy.raises(false);
            replica.proxy.restore().await?;
        }
        // The Lease of a replica that is gone would have to expire first.
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        leases
            .delete_collection(&DeleteParams::default(), &ListParams::default())
            .await?;
        let objects = oracle::objects(&self.client);
        let strip = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        for object in objects.list(&ListParams::default()).await?.items {
            let name = object.name_any();
            // An object that is being deleted goes with its last finalizer.
            let _ = objects.delete(&name, &DeleteParams::default()).await;
            let _ = objects.patch(&name, &PatchParams::default(), &strip).await;
        }
        until("no object is left", CLEAN_WITHIN, async || {
            let left = objects
                .list(&ListParams::default())
                .await
                .map_err(|error| error.to_string())?;
            if left.items.is_empty() {
                Ok(())
            } else {
                Err(format!("{} are", left.items.len()))
            }
        })
        .await?;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        for namespace in namespaces.list(&ListParams::default()).await?.items {
            let name = namespace.name_any();
            let part = name.strip_prefix("fault-").unwrap_or_default();
            if part.starts_with("new") {
                namespaces.delete(&name, &DeleteParams::default()).await?;
            }
        }
        for (index, part) in NAMESPACES.into_iter().enumerate() {
            self.clean_namespace(&name(part)).await?;
            self.mark("Namespace", "", &name(part), (EXCLUDE, None)).await?;
            self.label(part, index < SELECTED).await?;
        }
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        for secret in secrets.list(&ListParams::default()).await?.items {
            // The garbage collector may have been faster.
            let _ = secrets.delete(&secret.name_any(), &DeleteParams::default()).await;
        }
        self.witness.forget_gone();
        Ok(())
    }

    async fn clean_namespace(&self, namespace: &str) -> anyhow::Result<()> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        for secret in secrets.list(&ListParams::default()).await?.items {
            if secret.name_any() != "theirs" {
                let strip = Patch::Merge(json!({"metadata": {"finalizers": null}}));
                let _ = secrets.patch(&secret.name_any(), &PatchParams::default(), &strip).await;
                // The garbage collector may have been faster.
                let _ = secrets.delete(&secret.name_any(), &DeleteParams::default()).await;
            }
        }
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        for (account, entries) in [("default", json!([{"name": "theirs"}])), ("builder", Value::Null)] {
            let clean = json!({"metadata": {"annotations": {ATTACHED: null, THEIRS: "kept"}, "labels": null}, "imagePullSecrets": entries});
            accounts
                .patch(account, &PatchParams::default(), &Patch::Merge(clean))
                .await?;
        }
        Ok(())
    }
}

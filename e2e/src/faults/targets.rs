//! Targets of a fault beyond the connection: the API server, its store, the operator's token and rights.

use std::path::PathBuf;

use http::Request;
use kube::Client;
use serde_json::{Value, json};

use super::answers::Error;
use crate::SYSTEM_NAMESPACE;

/// The path of the operator's role in the whole cluster.
pub(super) const CLUSTER_ROLE: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles/pullsecrets";

/// The path of its role in its own namespace.
pub(super) fn role() -> String {
    format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{SYSTEM_NAMESPACE}/roles/pullsecrets")
}

/// Targets of a fault beyond the connection.
pub struct FaultTargets {
    /// A client with all rights.
    pub admin: Client,
    /// The process of the store.
    pub etcd: u32,
    /// The file of the operator's token.
    pub token_file: PathBuf,
    /// A second valid token.
    pub spare_token: String,
}

impl FaultTargets {
    /// Targets the server alone.
    pub(super) fn of(admin: Client) -> Self {
        Self {
            admin,
            etcd: 0,
            token_file: PathBuf::new(),
            spare_token: String::new(),
        }
    }

    /// Returns the rules of the operator's two roles.
    pub(super) async fn rules(&self) -> Result<(Vec<Value>, Vec<Value>), Error> {
        let mut found = Vec::new();
        for path in [CLUSTER_ROLE.to_owned(), role()] {
            let role: Value = self.admin.request(Request::get(path).body(Vec::new())?).await?;
            found.push(role["rules"].as_array().cloned().unwrap_or_default());
        }
        let own = found.pop().unwrap_or_default();
        Ok((found.pop().unwrap_or_default(), own))
    }

    /// Replaces the rules of a role.
    pub(super) async fn put_rules(&self, path: &str, rules: &[Value]) -> Result<(), Error> {
        let request = Request::patch(path)
            .header(http::header::CONTENT_TYPE, "application/merge-patch+json")
            .body(json!({"rules": rules}).to_string().into_bytes())?;
        self.admin.request::<Value>(request).await?;
        Ok(())
    }
}

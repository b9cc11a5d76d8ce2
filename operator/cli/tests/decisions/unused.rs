//! References and Secrets that no image uses.

use cli::audit::UnusedWhy;
use cli::world::{Kind, SecretsRead};
use serde_json::json;

use crate::cluster::{Cluster, metadata};

#[test]
fn references_without_an_image_are_unused() {
    let mut account = metadata("builder");
    account["annotations"] = json!({"pullsecrets.dev/attached": "company"});
    let cluster = Cluster::listing(&["company", "spare", "gone"])
        .login("company", &["r.example.com"])
        .login("spare", &["q.example.com"])
        .login("free", &["q.example.com"])
        .secret("certificate", "kubernetes.io/tls", &[])
        .add(
            Kind::ServiceAccount,
            json!({"metadata": account, "imagePullSecrets": [{"name": "company"}]}),
        )
        .deployment(&[]);
    let context = &cluster.report(&[]).contexts[0];
    let unused: Vec<(String, &str, UnusedWhy)> = context
        .unused_references
        .iter()
        .map(|unused| (unused.holder.to_string(), unused.secret.as_str(), unused.why))
        .collect();
    assert_eq!(
        unused,
        [
            ("ServiceAccount/default".to_owned(), "gone", UnusedWhy::SecretMissing),
            ("ServiceAccount/default".to_owned(), "spare", UnusedWhy::NoImage),
        ],
        "what the operator recorded is for workloads to come"
    );
    let secrets: Vec<&str> = context
        .unused_secrets
        .iter()
        .flatten()
        .map(|secret| secret.name.as_str())
        .collect();
    assert_eq!(secrets, ["free"]);
}

#[test]
fn unused_secrets_need_a_list_of_all() {
    let mut cluster = Cluster::listing(&[]).login("free", &["q.example.com"]);
    cluster.world.secrets = SecretsRead::ByName;
    assert_eq!(cluster.report(&[]).contexts[0].unused_secrets, None);
}

//! A release with another name, in another namespace.

use e2e::cluster::{Cluster, Options};

use crate::admission::stolen::each_row_holds_for;
use crate::helm::chart::{CHART, Helm};

/// The table of the stolen token holds for a release under another name, in another namespace.
#[tokio::test]
async fn stolen_token_table_holds_under_other_names() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let install = ["install", "night", CHART, "--namespace", "tools", "--create-namespace"];
    Helm::Four.run(cluster.kubeconfig_path(), &install).await.unwrap();
    each_row_holds_for(&cluster, "tools", "night-pullsecrets").await;
}

//! Command-line flags of the parts.

use std::path::{Path, PathBuf};

use crate::certificates::Certificates;
use crate::ports;

/// Controllers for the scenarios: deletion of namespaces, accounts and their tokens, garbage collection, quotas,
/// aggregated roles and the type check of admission policies. Workloads run only with [`WORKLOADS`].
const CONTROLLERS: &str = "namespace-controller,serviceaccount-controller,serviceaccount-token-controller,\
    root-ca-certificate-publisher-controller,garbage-collector-controller,resourcequota-controller,\
    clusterrole-aggregation-controller,validatingadmissionpolicy-status-controller,\
    legacy-serviceaccount-token-cleaner-controller";

/// Further controllers, which create the Pods of workloads.
pub(super) const WORKLOADS: &str = "deployment-controller,replicaset-controller,statefulset-controller,\
    daemonset-controller,job-controller,replicationcontroller-controller";

/// Further controllers, for clusters with nodes: the other kinds of workloads, evictions, and what becomes of a node.
pub(super) const NODES: &str = "daemonset-controller,statefulset-controller,job-controller,cronjob-controller,\
    replicationcontroller-controller,disruption-controller,pod-garbage-collector-controller,node-lifecycle-controller";

/// The issuer and audience of `ServiceAccount` tokens, as in a real cluster.
const ISSUER: &str = "https://kubernetes.default.svc";

/// One port for each part. A restarted part keeps its port.
#[derive(Debug, Clone)]
pub(super) struct Ports {
    etcd: u16,
    etcd_peer: u16,
    apiserver: u16,
    controller_manager: u16,
    scheduler: u16,
}

impl Ports {
    pub(super) fn find() -> std::io::Result<Self> {
        let [etcd, etcd_peer, apiserver, controller_manager, scheduler] = ports::free_set()?;
        Ok(Self {
            etcd,
            etcd_peer,
            apiserver,
            controller_manager,
            scheduler,
        })
    }

    pub(super) fn etcd_address(&self) -> String {
        format!("127.0.0.1:{}", self.etcd)
    }

    pub(super) fn server_address(&self) -> String {
        format!("127.0.0.1:{}", self.apiserver)
    }

    pub(super) fn server_url(&self) -> String {
        format!("https://{}", self.server_address())
    }
}

pub(super) fn audit_policy(folder: &Path) -> PathBuf {
    folder.join("audit-policy.yaml")
}

pub(super) fn audit_log(folder: &Path) -> PathBuf {
    folder.join("audit.log")
}

pub(super) fn etcd(folder: &Path, ports: &Ports) -> Vec<String> {
    vec![
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls=http://127.0.0.1:{}", ports.etcd),
        format!("--listen-peer-urls=http://127.0.0.1:{}", ports.etcd_peer),
        // The data does not outlive the run.
        "--unsafe-no-fsync".to_owned(),
    ]
}

pub(super) fn apiserver(folder: &Path, ports: &Ports, keys: &Certificates) -> Vec<String> {
    vec![
        format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", ports.apiserver),
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        format!("--tls-cert-file={}", keys.server.display()),
        format!("--tls-private-key-file={}", keys.server_key.display()),
        format!("--client-ca-file={}", keys.authority.display()),
        "--authorization-mode=Node,RBAC".to_owned(),
        format!("--service-account-issuer={ISSUER}"),
        format!("--api-audiences={ISSUER}"),
        format!("--service-account-key-file={}", keys.account_public_key.display()),
        format!("--service-account-signing-key-file={}", keys.account_key.display()),
        // As on OpenShift: a client that names an owner needs rights of its own.
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement".to_owned(),
        "--enable-priority-and-fairness=false".to_owned(),
        "--profiling=false".to_owned(),
        format!("--audit-policy-file={}", audit_policy(folder).display()),
        format!("--audit-log-path={}", audit_log(folder).display()),
        "--audit-log-format=json".to_owned(),
        // The server writes a record before it ends the request, so that counts are complete. The log is never rotated.
        "--audit-log-mode=blocking".to_owned(),
        "--audit-log-maxsize=4096".to_owned(),
    ]
}

/// Further flags of the API server, for clusters with nodes.
pub(super) fn apiserver_of_nodes(keys: &Certificates) -> Vec<String> {
    vec![
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        format!("--kubelet-client-certificate={}", keys.kubelet_client.display()),
        format!("--kubelet-client-key={}", keys.kubelet_client_key.display()),
        format!("--kubelet-certificate-authority={}", keys.authority.display()),
    ]
}

pub(super) fn scheduler(folder: &Path, ports: &Ports, keys: &Certificates) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", keys.scheduler.display()),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", ports.scheduler),
        format!("--cert-dir={}", folder.join("scheduler-certs").display()),
        "--leader-elect=false".to_owned(),
    ]
}

pub(super) fn controller_manager(folder: &Path, ports: &Ports, keys: &Certificates) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", keys.controller_manager.display()),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", ports.controller_manager),
        format!("--cert-dir={}", folder.join("kcm-certs").display()),
        "--leader-elect=false".to_owned(),
        "--use-service-account-credentials=true".to_owned(),
        format!("--service-account-private-key-file={}", keys.account_key.display()),
        format!("--root-ca-file={}", keys.authority.display()),
        // Otherwise its own limit, rather than the operator, would decide how fast a thousand namespaces get their
        // accounts.
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        format!("--controllers={CONTROLLERS}"),
    ]
}

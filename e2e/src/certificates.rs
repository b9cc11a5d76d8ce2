//! Keys, certificates and kubeconfigs of a short-lived cluster.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use serde_json::{Value, json};

/// Names of the API server: loopback, and the first address of the service range for completeness.
const SERVER_NAMES: [&str; 6] = [
    "127.0.0.1",
    "10.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
];

/// Paths of the files that the control plane reads, all in one folder.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The authority's certificate: all clients trust it, and it signs their certificates.
    pub authority: PathBuf,
    /// The API server's serving certificate.
    pub server: PathBuf,
    /// Its key.
    pub server_key: PathBuf,
    /// Signs `ServiceAccount` tokens (ES256).
    pub account_key: PathBuf,
    /// Verifies them.
    pub account_public_key: PathBuf,
    /// Kubeconfig of a member of `system:masters`.
    pub admin: PathBuf,
    /// Kubeconfig of the controller manager.
    pub controller_manager: PathBuf,
    /// Kubeconfig of the scheduler.
    pub scheduler: PathBuf,
    /// The certificate by which the API server calls kubelets.
    pub kubelet_client: PathBuf,
    /// Its key.
    pub kubelet_client_key: PathBuf,
    signer: Arc<Authority>,
    authority_pem: String,
    server_url: String,
}

impl Certificates {
    /// Creates all keys, certificates and kubeconfigs in `folder` for the API server at `server_url`.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn make(folder: &Path, server_url: &str) -> anyhow::Result<Self> {
        let authority = Arc::new(authority().context("cannot make a certificate authority")?);
        let certificates = Self {
            authority: folder.join("ca.crt"),
            server: folder.join("apiserver.crt"),
            server_key: folder.join("apiserver.key"),
            account_key: folder.join("sa.key"),
            account_public_key: folder.join("sa.pub"),
            admin: folder.join("admin.kubeconfig"),
            controller_manager: folder.join("kcm.kubeconfig"),
            scheduler: folder.join("scheduler.kubeconfig"),
            kubelet_client: folder.join("kubelet-client.crt"),
            kubelet_client_key: folder.join("kubelet-client.key"),
            signer: Arc::clone(&authority),
            authority_pem: authority.pem(),
            server_url: server_url.to_owned(),
        };
        std::fs::write(&certificates.authority, &certificates.authority_pem)?;

        let (certificate, key) = server("kube-apiserver", None, &SERVER_NAMES, &authority)?;
        std::fs::write(&certificates.server, certificate)?;
        std::fs::write(&certificates.server_key, key)?;

        let accounts = KeyPair::generate()?;
        std::fs::write(&certificates.account_key, accounts.serialize_pem())?;
        std::fs::write(&certificates.account_public_key, accounts.public_key_pem())?;

        let admin = client(&authority, "admin", Some("system:masters"))?;
        std::fs::write(&certificates.admin, certificates.kubeconfig(&admin))?;
        let manager = client(&authority, "system:kube-controller-manager", None)?;
        std::fs::write(&certificates.controller_manager, certificates.kubeconfig(&manager))?;
        let scheduler = client(&authority, "system:kube-scheduler", None)?;
        std::fs::write(&certificates.scheduler, certificates.kubeconfig(&scheduler))?;
        let (certificate, key) = client_pair(&authority, "kube-apiserver-kubelet-client", Some("system:masters"))?;
        std::fs::write(&certificates.kubelet_client, certificate)?;
        std::fs::write(&certificates.kubelet_client_key, key)?;
        Ok(certificates)
    }

    /// Returns a kubeconfig of the node with this address, which is its name too, and the certificate and the key by
    /// which its kubelet serves.
    ///
    /// # Errors
    ///
    /// When no key can be made.
    pub fn node(&self, address: &str) -> anyhow::Result<(String, String, String)> {
        let (user, group) = (format!("system:node:{address}"), "system:nodes");
        let kubeconfig = self.kubeconfig(&client(&self.signer, &user, Some(group))?);
        let (certificate, key) = server(&user, Some(group), &[address], &self.signer)?;
        Ok((kubeconfig, certificate, key))
    }

    /// Returns a kubeconfig whose one user logs in with a bearer token.
    pub fn token_kubeconfig(&self, token: &str) -> String {
        self.kubeconfig(&json!({"token": token}))
    }

    /// Returns JSON, which is also YAML.
    fn kubeconfig(&self, user: &Value) -> String {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "e2e", "cluster": {
                "server": self.server_url,
                "certificate-authority-data": STANDARD.encode(&self.authority_pem),
            }}],
            "users": [{"name": "e2e", "user": user}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
            "current-context": "e2e",
        });
        format!("{config:#}\n")
    }
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Result<Authority, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "e2e-ca");
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

/// Returns certificate and key in PEM.
fn server(
    name: &str,
    group: Option<&str>,
    names: &[&str],
    authority: &Authority,
) -> Result<(String, String), rcgen::Error> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    named(&mut params, name, group);
    signed(params, authority)
}

/// Returns the user part of a kubeconfig.
fn client(authority: &Authority, user: &str, group: Option<&str>) -> Result<Value, rcgen::Error> {
    let (certificate, key) = client_pair(authority, user, group)?;
    Ok(json!({
        "client-certificate-data": STANDARD.encode(certificate),
        "client-key-data": STANDARD.encode(key),
    }))
}

/// Returns certificate and key in PEM.
fn client_pair(authority: &Authority, user: &str, group: Option<&str>) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    named(&mut params, user, group);
    signed(params, authority)
}

/// The API server takes the common name as the user and the organisation as a group.
fn named(params: &mut CertificateParams, user: &str, group: Option<&str>) {
    params.distinguished_name.push(DnType::CommonName, user);
    if let Some(group) = group {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
}

fn signed(mut params: CertificateParams, authority: &Authority) -> Result<(String, String), rcgen::Error> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

//! An admission webhook that is slow, or asks every client to retry later.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// Its answer to a review.
#[derive(Clone)]
pub(crate) enum Manner {
    /// Allows it after this long.
    Waits(Duration),
    /// Denies it with this.
    Denies(Value),
}

/// Runs until dropped. Pending reviews then continue in their own threads.
pub(crate) struct Webhook {
    address: String,
    certificate: String,
    stop: Arc<AtomicBool>,
    reviews: Arc<AtomicUsize>,
}

impl Webhook {
    pub(crate) fn start(manner: Manner) -> Self {
        let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![issued.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let webhook = Self {
            address: listener.local_addr().unwrap().to_string(),
            certificate: issued.cert.pem(),
            stop: Arc::default(),
            reviews: Arc::default(),
        };
        let (stop, reviews) = (Arc::clone(&webhook.stop), Arc::clone(&webhook.reviews));
        let config = Arc::new(config);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                reviews.fetch_add(1, Ordering::SeqCst);
                let (config, manner) = (Arc::clone(&config), manner.clone());
                // A client that goes away is an intended error.
                std::thread::spawn(move || drop(answer(&config, &manner, stream)));
            }
        });
        webhook
    }

    /// Returns its configuration for updates of accounts in namespaces with this label.
    pub(crate) fn configuration(&self, name: &str, label: &str) -> Value {
        use base64::Engine as _;
        let bundle = base64::engine::general_purpose::STANDARD.encode(&self.certificate);
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [{
                "name": "slow.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "timeoutSeconds": 30, "failurePolicy": "Fail",
                "clientConfig": {"url": format!("https://{}/", self.address), "caBundle": bundle},
                "namespaceSelector": {"matchExpressions": [{"key": label, "operator": "Exists"}]},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"],
                    "resources": ["serviceaccounts"]}],
            }],
        })
    }

    /// Returns the number of reviews.
    pub(crate) fn reviews(&self) -> usize {
        self.reviews.load(Ordering::SeqCst)
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(&self.address));
    }
}

fn answer(config: &Arc<ServerConfig>, manner: &Manner, stream: TcpStream) -> std::io::Result<()> {
    let connection = ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let review: Value = serde_json::from_slice(&body(&mut stream)?)?;
    let mut response = json!({"uid": review["request"]["uid"], "allowed": true});
    match manner {
        Manner::Waits(length) => std::thread::sleep(*length),
        Manner::Denies(status) => {
            response["allowed"] = false.into();
            response["status"] = status.clone();
        }
    }
    let answer =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length";
    stream.write_all(format!("{head}: {}\r\n\r\n{answer}", answer.len()).as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn body(stream: &mut impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line)?;
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
        if line.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(body)
}

//! An API server that answers as a test says, and records what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::cluster::{Config, Connected, Identity, connect};

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    /// Method and path: `GET /version`.
    pub(super) what: String,
    /// What follows the `?`.
    pub(super) query: String,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn is_dry_run(&self) -> bool {
        self.query.contains("dryRun=All")
    }
}

/// A server. Its answers are those of a function of the request and of all requests before it.
pub(super) struct Server {
    asked: Arc<Mutex<Vec<Asked>>>,
    pub(super) connected: Connected,
}

impl Server {
    pub(super) async fn start(answer: impl Fn(&Asked, &[Asked]) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (all, answer) = (Arc::clone(&asked), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (all, answer) = (Arc::clone(&all), Arc::clone(&answer));
                tokio::spawn(async move {
                    let Some(one) = read(&mut stream).await else { return };
                    let (status, body) = {
                        let mut all = all.lock().unwrap();
                        let answered = answer(&one, &all);
                        all.push(one);
                        answered
                    };
                    let body = body.to_string();
                    let head =
                        format!("HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\nconnection: close\r\n");
                    let text = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                    let _ = stream.write_all(text.as_bytes()).await;
                });
            }
        });
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [],
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": ""}}],
        });
        let path = std::env::temp_dir().join(format!("pullsecrets-{}-{}", std::process::id(), address.port()));
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        let config = Config::read(Some(&path)).unwrap();
        std::fs::remove_file(&path).unwrap();
        let connected = connect(&config, "c", Identity::default()).await;
        let connected = connected.unwrap_or_else(|failure| panic!("{failure}"));
        Self { asked, connected }
    }

    /// Returns what it was asked.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until it was asked this so often. The caller's time limit is that of the test.
    pub(super) async fn was_asked(&self, what: &str, times: usize) {
        while self.asked().iter().filter(|one| one.what == what).count() < times {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns method and path of each request that would change something.
    pub(super) fn writes(&self) -> Vec<String> {
        let asked = self.asked();
        let writes = asked
            .iter()
            .filter(|one| !one.what.starts_with("GET ") && !one.is_dry_run());
        writes.map(|one| one.what.clone()).collect()
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.ok()?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.parse().ok())?
            });
            if body.len() >= length.unwrap_or(0_usize) {
                let mut words = head.split(' ');
                let (method, path) = (words.next()?, words.next()?);
                let (path, query) = path.split_once('?').unwrap_or((path, ""));
                return Some(Asked {
                    what: format!("{method} {path}"),
                    query: query.to_owned(),
                    body: body.to_owned(),
                });
            }
        }
        if count == 0 {
            return None;
        }
    }
}

//! Bytes on the wire: a loopback relay before the API server that counts bytes without parsing them. Its delay can be
//! that of another continent.
//!
//! TLS passes through unchanged. The count is therefore what a network would carry, with handshakes, but without the
//! headers of IP and TCP.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Chunks that a connection may hold back, each of 16 KiB at most.
const UNDER_WAY: usize = 256;

/// A running relay. Dropping it ends it, and all connections through it.
pub struct Wire {
    kubeconfig: PathBuf,
    counts: Arc<Counts>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
}

/// Bytes since the start of the relay, from the client's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// To the server.
    pub sent: u64,
    /// From the server.
    pub received: u64,
}

impl Wire {
    /// Starts a relay to the server of `kubeconfig` that delays responses by `delay`. It writes a kubeconfig that leads
    /// through the relay beside the original.
    ///
    /// # Errors
    ///
    /// When the kubeconfig is not one of this crate's, or no port is free.
    pub async fn start(kubeconfig: &Path, delay: Duration) -> anyhow::Result<Self> {
        let mut config: Value = serde_json::from_str(&std::fs::read_to_string(kubeconfig)?)?;
        let server = config["clusters"][0]["cluster"]["server"].take();
        let address = server.as_str().and_then(|server| server.strip_prefix("https://"));
        let upstream: SocketAddr = address.context("a kubeconfig without a server")?.parse()?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for the relay")?;
        config["clusters"][0]["cluster"]["server"] = json!(format!("https://{}", listener.local_addr()?));
        let through = kubeconfig.with_extension("wire.kubeconfig");
        std::fs::write(&through, config.to_string())?;
        let counts = Arc::new(Counts::default());
        let task = tokio::spawn(relay(listener, upstream, delay, Arc::clone(&counts)));
        Ok(Self {
            kubeconfig: through,
            counts,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// Returns the kubeconfig that leads through the relay.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Returns the bytes until now.
    pub fn bytes(&self) -> Bytes {
        Bytes {
            sent: self.counts.sent.load(Ordering::Relaxed),
            received: self.counts.received.load(Ordering::Relaxed),
        }
    }
}

async fn relay(listener: TcpListener, upstream: SocketAddr, delay: Duration, counts: Arc<Counts>) {
    // Ends with this task, so that no connection outlives the relay.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let counts = Arc::clone(&counts);
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(upstream).await else {
                return;
            };
            // Small responses must not wait for more data.
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let (client_reads, client_writes) = client.into_split();
            let (server_reads, server_writes) = server.into_split();
            tokio::join!(
                copy(client_reads, server_writes, Duration::ZERO, &counts.sent),
                copy(server_reads, client_writes, delay, &counts.received),
            );
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Copies until one side ends, and then closes the other. Each chunk continues after `delay`, regardless of how much is
/// in flight.
async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Duration, count: &AtomicU64) {
    let (sender, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let read = async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            count.fetch_add(length as u64, Ordering::Relaxed);
            let piece = (Instant::now() + delay, buffer[..length].to_vec());
            if sender.send(piece).await.is_err() {
                break;
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = under_way.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

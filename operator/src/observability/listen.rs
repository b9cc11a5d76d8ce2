//! Listeners for `/livez` and `/readyz`, and for `/metrics`. Every client in the cluster can reach them, so the cost of
//! a connection is bounded.
//!
//! - A connection serves one request. It must be sent and answered within `WITHIN`, or the connection ends.
//! - The head of a request has at most `HEAD` bytes, and the body is not read.
//! - At most `CONNECTIONS` are open. One more ends the oldest, so that silent connections never block a probe of the
//!   kubelet.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Enough for a probe, which gets five seconds from the kubelet, and for a slow scrape of thousands of series.
pub(super) const WITHIN: Duration = Duration::from_secs(10);
/// Most open connections.
pub(super) const CONNECTIONS: usize = 32;
/// Most bytes in the head of a request; hyper accepts no lower limit.
const HEAD: usize = 8 * 1024;
/// Pause after an error of `accept`, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves the router until the token is cancelled. Binds before it returns, so that an address in use is an error at
/// start.
pub(super) async fn serve(address: SocketAddr, router: Router, token: CancellationToken) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(async move {
        let accept = accept(&listener, &router);
        tokio::select! {
            () = token.cancelled() => {}
            () = accept => {}
        }
    });
    Ok(())
}

async fn accept(listener: &TcpListener, router: &Router) {
    // Dropping the set with this task ends all connections.
    let mut connections = JoinSet::new();
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        open.retain(|connection| !connection.is_finished());
        if open.len() >= CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        open.push_back(connections.spawn(answer(stream, router.clone())));
    }
}

/// Answers one request. An early end of the connection is ignored, because no client is left to answer.
async fn answer(stream: TcpStream, router: Router) {
    let service = service_fn(move |request| router.clone().oneshot(request));
    let mut server = http1::Builder::new();
    let server = server
        .timer(TokioTimer::new())
        .header_read_timeout(WITHIN)
        .keep_alive(false)
        .max_buf_size(HEAD);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    let _ = tokio::time::timeout(WITHIN, connection).await;
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn started() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let router = Router::new().route("/livez", get(|| async { "ok" }));
        serve(address, router, CancellationToken::new()).await.unwrap();
        address
    }

    async fn asked(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn idle_connections_do_not_block_a_probe() {
        let address = started().await;
        let mut silent = Vec::new();
        for _ in 0..400 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nX: ").await;
            silent.push(stream);
        }
        assert!(asked(address).await.starts_with("HTTP/1.1 200"));
        let ended = async {
            for stream in silent.iter_mut().take(400 - CONNECTIONS) {
                // Reads the end, or an error if the connection was reset.
                let _ = stream.read(&mut [0; 16]).await;
            }
        };
        let ended = tokio::time::timeout(WITHIN / 2, ended).await;
        assert!(ended.is_ok(), "all but the youngest are closed at once");
    }

    #[tokio::test]
    async fn a_head_of_any_length_is_not_read() {
        let address = started().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nX: ").await;
        let mut written = 0;
        while written < 8_000_000 && stream.write_all(&[b'x'; 8192]).await.is_ok() {
            written += 8192;
        }
        assert!(written < 8_000_000, "it goes on reading");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_never_finished_is_closed() {
        let address = started().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
        let begun = tokio::time::Instant::now();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(begun.elapsed() <= 2 * WITHIN, "{:?}", begun.elapsed());
    }
}

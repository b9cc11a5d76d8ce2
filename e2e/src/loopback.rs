//! HTTP over plain loopback TCP, for endpoints other than the Kubernetes API.

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Time limit for a server on loopback.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns status code and body of `GET http://ADDRESS PATH`.
///
/// `authorization` is the value of that header; it appears in no error.
///
/// # Errors
///
/// When the address refuses the connection, or the response within five seconds is not HTTP.
pub async fn get(address: &str, path: &str, authorization: Option<&str>) -> anyhow::Result<(u16, String)> {
    let mut request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n");
    if let Some(value) = authorization {
        request.push_str("Authorization: ");
        request.push_str(value);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    answered(address, path, &request).await
}

/// Returns status code and body of `POST http://ADDRESS PATH` with a body of JSON.
///
/// # Errors
///
/// As [`get`].
pub async fn post(address: &str, path: &str, body: &str) -> anyhow::Result<(u16, String)> {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    answered(address, path, &request).await
}

/// Returns whether the address refused the connection.
pub fn is_refused(error: &anyhow::Error) -> bool {
    let refused = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::ConnectionRefused;
    error.chain().filter_map(|cause| cause.downcast_ref()).any(refused)
}

async fn answered(address: &str, path: &str, request: &str) -> anyhow::Result<(u16, String)> {
    tokio::time::timeout(PATIENCE, exchange(address, request))
        .await
        .with_context(|| format!("http://{address}{path} did not answer"))?
        .with_context(|| format!("http://{address}{path}"))
}

async fn exchange(address: &str, request: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        bail!("not an HTTP answer");
    };
    let code = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .context("no status code")?;
    Ok((code, body.to_owned()))
}

//! Pushes an image: two requests for each blob, and one for the manifest.

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::image::{Blob, Image};
use crate::login::Login;

pub(super) async fn push(
    address: &str,
    login: &Login,
    repository: &str,
    tag: &str,
    image: &Image,
) -> anyhow::Result<()> {
    let Login { username, password } = login;
    let pushing = Pushing {
        client: Client::builder(TokioExecutor::new()).build_http(),
        address,
        authorization: format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))),
    };
    for blob in [&image.layer, &image.config] {
        pushing.blob(repository, blob).await?;
    }
    let path = format!("/v2/{repository}/manifests/{tag}");
    let manifest = image.manifest.bytes.clone();
    pushing
        .send(Method::PUT, &path, &Image::manifest_type(), manifest)
        .await?;
    Ok(())
}

struct Pushing<'a> {
    client: Client<HttpConnector, Full<Bytes>>,
    address: &'a str,
    authorization: String,
}

impl Pushing<'_> {
    async fn blob(&self, repository: &str, blob: &Blob) -> anyhow::Result<()> {
        let octets = "application/octet-stream";
        let path = format!("/v2/{repository}/blobs/uploads/");
        let begun = self.send(Method::POST, &path, octets, Vec::new()).await?;
        let place = begun.headers().get(LOCATION).context("the registry names no place")?;
        let place: http::Uri = place.to_str()?.parse()?;
        let path = place.path_and_query().context("a place without a path")?;
        let separator = if path.query().is_some() { '&' } else { '?' };
        let path = format!("{path}{separator}digest={}", blob.digest);
        self.send(Method::PUT, &path, octets, blob.bytes.clone()).await?;
        Ok(())
    }

    async fn send(&self, method: Method, path: &str, kind: &str, body: Vec<u8>) -> anyhow::Result<Response<Incoming>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header(AUTHORIZATION, &self.authorization)
            .header(CONTENT_TYPE, kind)
            .body(Full::new(Bytes::from(body)))?;
        let answer = self.client.request(request).await?;
        let status = answer.status();
        ensure!(
            status.is_success(),
            "the registry answers {status} to a part of an image"
        );
        Ok(answer)
    }
}

//! Where the manifest of an image is.

use std::net::IpAddr;

use http::Uri;
use plan::image::repository;

/// The host of Docker Hub in image names, and the host that answers for it.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// The place of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The host that answers, with its port if it has one.
    pub(super) host: String,
    /// The repository within it.
    pub(super) repository: String,
    /// The tag or digest.
    pub(super) version: String,
}

impl Reference {
    /// Parses an image as written in a Pod. An invalid one has no place.
    pub(super) fn parse(image: &str) -> Option<Self> {
        let full = repository(image)?;
        let (host, path) = full.split_once('/')?;
        let (named, digest) = image
            .split_once('@')
            .map_or((image, None), |(named, digest)| (named, Some(digest)));
        let last = named.rsplit('/').next().unwrap_or(named);
        // In `host:5000/app` the colon is not in the last component; in `app:1` it is.
        let tag = last.split_once(':').map(|(_, tag)| tag);
        Some(Self {
            host: if host == DOCKER_HUB.0 { DOCKER_HUB.1 } else { host }.to_owned(),
            repository: path.to_owned(),
            version: digest.or(tag).unwrap_or("latest").to_owned(),
        })
    }

    /// Returns the address of the manifest.
    pub(super) fn manifest(&self) -> Option<Uri> {
        let Self {
            host,
            repository,
            version,
        } = self;
        let scheme = if is_local(host) { "http" } else { "https" };
        format!("{scheme}://{host}/v2/{repository}/manifests/{version}")
            .parse()
            .ok()
    }
}

/// Container runtimes reach a registry on their own machine without TLS.
pub(super) fn is_local(host: &str) -> bool {
    let name = host.strip_prefix('[').and_then(|rest| rest.split(']').next());
    let name = name.unwrap_or_else(|| host.split(':').next().unwrap_or(host));
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_where_the_image_says() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (image, expected) in [
            (
                "nginx",
                "https://registry-1.docker.io/v2/library/nginx/manifests/latest",
            ),
            ("acme/app:1", "https://registry-1.docker.io/v2/acme/app/manifests/1"),
            ("ghcr.io/acme/app:1.2", "https://ghcr.io/v2/acme/app/manifests/1.2"),
            ("r.example:5000/a/b", "https://r.example:5000/v2/a/b/manifests/latest"),
            ("127.0.0.1:5000/a:x", "http://127.0.0.1:5000/v2/a/manifests/x"),
            ("[::1]:5000/a:x", "http://[::1]:5000/v2/a/manifests/x"),
            (
                &format!("ghcr.io/a:1@{digest}"),
                &format!("https://ghcr.io/v2/a/manifests/{digest}"),
            ),
        ] {
            let manifest = Reference::parse(image).and_then(|reference| reference.manifest());
            assert_eq!(
                manifest.map(|uri| uri.to_string()).as_deref(),
                Some(expected),
                "{image}"
            );
        }
        assert_eq!(Reference::parse("Not/An/Image:::"), None);
    }
}

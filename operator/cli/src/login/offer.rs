//! Logins to be tried, by the keys under which a kubelet finds them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use plan::docker_config::SentLogin;
use plan::keyring::lookup;
use plan::server::Server;

use crate::world::{LoginId, Logins};

/// The hosts that are part of Docker Hub.
const DOCKER_HUB: [&str; 4] = ["docker.io", "index.docker.io", "registry-1.docker.io", "auth.docker.io"];

/// Logins by key. It has no `Debug`, because keys may contain passwords and logins are passwords.
#[derive(Clone, Default)]
pub struct Offers(Vec<Offer>);

/// A login under a key, as a request sends it.
#[derive(Clone)]
struct Offer {
    key: String,
    id: LoginId,
    header: HeaderValue,
}

impl Offers {
    /// Adds a login under the key of a docker config. A snapshot keeps it with those of its Secrets.
    pub(super) fn add(&mut self, key: &str, login: SentLogin, logins: &mut Logins) {
        let value = format!(
            "Basic {}",
            STANDARD.encode(format!("{}:{}", login.username(), login.password()))
        );
        if let Ok(mut header) = HeaderValue::from_str(&value) {
            header.set_sensitive(true);
            let (key, id) = (key.to_owned(), logins.add(login));
            self.0.push(Offer { key, id, header });
        }
    }

    /// Returns whether there is no login.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether a kubelet would try one of the logins for this image.
    pub fn has_one_for(&self, image: &str) -> bool {
        self.logins_for(image).next().is_some()
    }

    /// The logins that a kubelet would try for this image, in its order.
    pub(super) fn logins_for(&self, image: &str) -> impl Iterator<Item = (LoginId, &HeaderValue)> {
        let keys = lookup(self.0.iter().map(|offer| offer.key.as_str()), image);
        let found = keys
            .into_iter()
            .filter_map(|key| self.0.iter().find(|offer| offer.key == key));
        found.map(|offer| (offer.id, &offer.header))
    }

    /// Returns whether a key names this host. Its port does not count.
    pub(super) fn name(&self, host: &str) -> bool {
        let is_hub = DOCKER_HUB.contains(&host);
        self.0.iter().any(|offer| match Server::parse(&offer.key) {
            Ok(server) if server.is_docker_hub() => is_hub,
            Ok(server) => covers(host_of(server.as_str()), host),
            Err(_) => false,
        })
    }
}

/// The host of a key, without its port.
fn host_of(server: &str) -> &str {
    let host = server.split('/').next().unwrap_or(server);
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// As a kubelet compares: label by label.
fn covers(pattern: &str, host: &str) -> bool {
    let (patterns, labels) = (pattern.split('.'), host.split('.'));
    patterns.clone().count() == labels.clone().count()
        && patterns
            .zip(labels)
            .all(|(pattern, label)| plan::glob::covers(pattern.as_bytes(), label.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_by_host_wildcard_or_docker_hub() {
        let (mut offers, mut logins) = (Offers::default(), Logins::default());
        for key in [
            "r.example.com:5000/team",
            "*.wild.example",
            "https://index.docker.io/v1/",
            "@nonsense",
        ] {
            offers.add(key, SentLogin::new("user", "password"), &mut logins);
        }
        for host in [
            "r.example.com",
            "auth.wild.example",
            "auth.docker.io",
            "registry-1.docker.io",
        ] {
            assert!(offers.name(host), "{host}");
        }
        for host in [
            "example.com",
            "auth.example.com",
            "a.b.wild.example",
            "wild.example",
            "docker.com",
            "nonsense",
        ] {
            assert!(!offers.name(host), "{host}");
        }
        assert!(offers.has_one_for("nginx") && offers.has_one_for("r.example.com:5000/team/app:1"));
        assert!(!offers.has_one_for("r.example.com/team/app:1"));
    }
}

//! Registry servers in all spellings, and the one key for each.

use std::fmt;
use std::net::Ipv6Addr;

use thiserror::Error;

use crate::credential::is_invisible;
use crate::image::is_component;

/// The key that kubelets, docker and buildkit all read as Docker Hub.
pub const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// The host of Docker Hub in normalised image names.
const HUB_IN_IMAGES: &str = "docker.io";

/// Hosts that people write for Docker Hub.
const HUB_HOSTS: [&str; 3] = [HUB_IN_IMAGES, "index.docker.io", "registry-1.docker.io"];

/// Hosts that kubelets read as Docker Hub. No image name has `registry-1.docker.io`.
const HUB_HOSTS_OF_KUBELETS: [&str; 2] = [HUB_IN_IMAGES, "index.docker.io"];

/// The key of one registry, or of one path within it, in a docker config: `host[:port][/path]`.
///
/// All spellings of one registry have the same key. Docker Hub without a path is always [`DOCKER_HUB`], and with a path
/// `docker.io/<path>`. Any other key loses its scheme and what kubelets drop: a lone `/`, and `/v1/` or `/v2/` in front
/// of the path. All else stays as written.
///
/// A path is a plain prefix to kubelets: `ghcr.io/acme` also matches `ghcr.io/acme-other`, and `ghcr.io/acme/` does not
/// match the repository `ghcr.io/acme`. A `*` in the host matches any run of characters within one label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Server(String);

/// Why a text is not a server: kubelets would skip it, or match no image with it.
///
/// Each error says the fix. None contains more than one character of the text, because people paste passwords into
/// addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ServerError {
    /// It is empty, apart from a scheme.
    #[error("the server is empty; write host[:port][/path]")]
    Empty,
    /// It has a scheme other than `https` and `http`. Kubelets read such a scheme as a host.
    #[error("kubelets know only the schemes https:// and http://; leave the scheme out")]
    Scheme,
    /// It has upper-case letters. Kubelets compare hosts by case.
    #[error("the server has upper-case letters, which match no image; use lower case")]
    UpperCase,
    /// It has a user or a password before the host.
    #[error("the server has an `@` before its path; put user and password into the source Secret")]
    UserInfo,
    /// It has `?` or `#`, where kubelets end the address.
    #[error("kubelets cut a server at `?` and `#`; remove that character (the only wildcard is `*`)")]
    Query,
    /// It has a character that no image name has at this place.
    #[error("no image name has {0:?} at that place; use a-z, 0-9, `.` and `-`")]
    Character(char),
    /// A label of the host is empty, or begins or ends with `-`.
    #[error("the host has an empty label, or one with `-` at an end; remove the extra `.` or `-`")]
    Label,
    /// Image names do not read it as a host: `registry/app` is on Docker Hub.
    #[error("kubelets read a host without `.` and port as a part of Docker Hub; add the domain or the port")]
    NotAHost,
    /// The text between the brackets is no IPv6 address.
    #[error("the brackets contain no IPv6 address that an image name can have; write [address]:port")]
    Address,
    /// It is an IPv6 address without a port. Kubelets match such an address only with a port.
    #[error("kubelets match an IPv6 address only with its port; write [address]:port")]
    AddressWithoutPort,
    /// The port is no number from 1 to 65535, or has a leading zero.
    #[error("the port is not a plain number from 1 to 65535; a tag does not belong here")]
    Port,
    /// It has `*` outside of the host, where kubelets read it literally.
    #[error("`*` works in the host only, not in port or path; write the path up to it")]
    Wildcard,
    /// The path ends in a tag.
    #[error("the path ends in a tag; remove the `:` and what follows")]
    Tag,
    /// The path ends in a digest.
    #[error("the path ends in a digest; remove the `@` and what follows")]
    Digest,
    /// It has `/v1` or `/v2` where kubelets read a repository.
    #[error("kubelets read /v1 and /v2 without a `/` after them as repositories; remove them")]
    ApiPath,
    /// A component of the path is empty, begins with a separator, or has separators that no repository combines.
    ///
    /// Only the last component may end with a separator, because a path is a prefix.
    #[error("no repository has such a path; write letters and digits joined by `.`, `_`, `__` or `-`")]
    Component,
}

impl Server {
    /// Parses a server as declared. It rejects a text that kubelets never match.
    pub fn parse(declared: &str) -> Result<Self, ServerError> {
        let address = without_scheme(declared);
        check_whole(address)?;
        let (authority, path) = address.split_once('/').unwrap_or((address, ""));
        if authority.contains('@') {
            return Err(ServerError::UserInfo);
        }
        check_authority(authority)?;
        let scope = scope(path)?;
        Ok(Self(match (HUB_HOSTS.contains(&authority), scope) {
            (true, "") => DOCKER_HUB.to_owned(),
            (true, scope) => format!("{HUB_IN_IMAGES}/{scope}"),
            (false, "") => authority.to_owned(),
            (false, scope) => format!("{authority}/{scope}"),
        }))
    }

    /// Returns the key for a docker config. `Server::parse` of it returns the same server.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether this is Docker Hub, or a path within it.
    pub fn is_docker_hub(&self) -> bool {
        self.0 == DOCKER_HUB || self.0.split_once('/').is_some_and(|(host, _)| host == HUB_IN_IMAGES)
    }

    /// Returns whether a key of a docker config is a spelling of this server.
    pub fn is_spelled(&self, key: &str) -> bool {
        Self::parse(key).as_ref() == Ok(self)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the server that the author of a key probably meant, for a message.
///
/// It fixes case, scheme, wildcard, tag and the like. A key with an `@` has no suggestion, because it may contain a
/// password.
pub fn suggestion(key: &str) -> Option<Server> {
    if key.contains('@') {
        return None;
    }
    let visible: String = key.chars().filter(|&c| !is_invisible(c)).collect();
    let lower = visible.trim().to_lowercase();
    let address = lower.rsplit_once("://").map_or(lower.as_str(), |(_, address)| address);
    let address = address.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = address.split_once('/').unwrap_or((address, ""));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.trim_start_matches('0')),
        _ => (authority, ""),
    };
    let mut fixed = host.trim_end_matches('.').to_owned();
    if !port.is_empty() {
        fixed = format!("{fixed}:{port}");
    }
    let path = path.split([':', '*']).next().unwrap_or_default();
    let components = path.split('/').filter(|component| !component.is_empty());
    for component in components.skip_while(|component| matches!(*component, "v1" | "v2")) {
        fixed = format!("{fixed}/{component}");
    }
    if path.ends_with('/') {
        fixed.push('/');
    }
    Server::parse(&fixed).ok()
}

/// Returns the key without what kubelets drop: a user before the host, and the part from `?` or `#` on.
pub(crate) fn without_dropped_parts(key: &str) -> String {
    let address = without_scheme(key);
    let scheme = &key[..key.len() - address.len()];
    let address = address.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}{host}{path}")
}

/// Returns whether kubelets read a key as the whole of Docker Hub.
pub(crate) fn is_docker_hub_to_kubelets(key: &str) -> bool {
    let address = without_scheme(key);
    let (host, path) = address.split_once('/').unwrap_or((address, ""));
    HUB_HOSTS_OF_KUBELETS.contains(&host) && matches!(path, "" | "v1/" | "v2/")
}

/// Returns whether a key has the host of Docker Hub in image names, so that kubelets use it without their fallback.
pub(crate) fn matches_docker_hub_by_itself(key: &str) -> bool {
    let address = without_scheme(key);
    address.split('/').next() == Some(HUB_IN_IMAGES)
}

/// Removes the two schemes that kubelets drop. They drop these in lower case only.
pub(crate) fn without_scheme(text: &str) -> &str {
    text.strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text)
}

fn check_whole(address: &str) -> Result<(), ServerError> {
    if address.is_empty() {
        Err(ServerError::Empty)
    } else if address.contains("://") {
        Err(ServerError::Scheme)
    } else if address.contains(char::is_uppercase) {
        Err(ServerError::UpperCase)
    } else if address.contains(['?', '#']) {
        Err(ServerError::Query)
    } else {
        Ok(())
    }
}

fn check_authority(authority: &str) -> Result<(), ServerError> {
    if let Some(bracketed) = authority.strip_prefix('[') {
        return check_address(bracketed);
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    port.map_or(Ok(()), check_port)?;
    host.split('.').try_for_each(check_label)?;
    if port.is_none() && !host.contains('.') && host != "localhost" {
        return Err(ServerError::NotAHost);
    }
    Ok(())
}

/// Image names have IPv6 addresses of hexadecimal groups only, without a zone or a dotted end.
fn check_address(bracketed: &str) -> Result<(), ServerError> {
    let (address, rest) = bracketed.split_once(']').ok_or(ServerError::Address)?;
    if address.contains('.') || address.parse::<Ipv6Addr>().is_err() {
        return Err(ServerError::Address);
    }
    match rest.strip_prefix(':') {
        Some(port) => check_port(port),
        None if rest.is_empty() => Err(ServerError::AddressWithoutPort),
        None => Err(ServerError::Address),
    }
}

fn check_port(port: &str) -> Result<(), ServerError> {
    if port.contains('*') {
        return Err(ServerError::Wildcard);
    }
    // Kubelets compare ports as text, so one with a leading zero matches no image.
    let plain = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
    if plain && port.parse::<u16>().is_ok() {
        Ok(())
    } else {
        Err(ServerError::Port)
    }
}

fn check_label(label: &str) -> Result<(), ServerError> {
    if label.is_empty() || label.starts_with('-') || label.ends_with('-') {
        return Err(ServerError::Label);
    }
    check_characters(label, |c| matches!(c, '-' | '*'))
}

/// Returns the part of the path that narrows the server. It is empty for all spellings of a bare host.
fn scope(path: &str) -> Result<&str, ServerError> {
    if path.contains('@') {
        return Err(ServerError::Digest);
    }
    if path.contains(':') {
        return Err(ServerError::Tag);
    }
    if path.contains('*') {
        return Err(ServerError::Wildcard);
    }
    // Kubelets drop the prefix once. If the remaining path began with one again, kubelets would cut the written key a
    // second time, and it would match more than declared.
    let scope = ["v1/", "v2/"]
        .iter()
        .find_map(|api| path.strip_prefix(api))
        .unwrap_or(path);
    if matches!(scope.split('/').next(), Some("v1" | "v2")) {
        return Err(ServerError::ApiPath);
    }
    let (parents, last) = scope
        .rsplit_once('/')
        .map_or((None, scope), |(parents, last)| (Some(parents), last));
    parents
        .into_iter()
        .flat_map(|parents| parents.split('/'))
        .try_for_each(check_component)?;
    if last.is_empty() {
        return Ok(scope);
    }
    // A name may continue within the last component.
    check_component(&format!("{last}a"))?;
    Ok(scope)
}

fn check_component(component: &str) -> Result<(), ServerError> {
    check_characters(component, |c| matches!(c, '-' | '.' | '_'))?;
    if is_component(component) {
        Ok(())
    } else {
        Err(ServerError::Component)
    }
}

fn check_characters(text: &str, also: fn(char) -> bool) -> Result<(), ServerError> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || also(c);
    match text.chars().find(|&c| !is_allowed(c)) {
        Some(other) => Err(ServerError::Character(other)),
        None => Ok(()),
    }
}

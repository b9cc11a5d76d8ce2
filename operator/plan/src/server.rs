//! Registry servers as people write them, and the one key each becomes.

use std::fmt;
use std::net::Ipv6Addr;

use thiserror::Error;

use crate::credential::is_invisible;
use crate::image::is_component;

/// The key that kubelets, docker and buildkit all read as Docker Hub.
pub const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// The host that image names of Docker Hub carry once they are normalised.
const HUB_IN_IMAGES: &str = "docker.io";

/// Hosts by which people mean Docker Hub.
const HUB_HOSTS: [&str; 3] = [HUB_IN_IMAGES, "index.docker.io", "registry-1.docker.io"];

/// Hosts that kubelets take for Docker Hub; `registry-1.docker.io` is in no image name.
const HUB_HOSTS_OF_KUBELETS: [&str; 2] = [HUB_IN_IMAGES, "index.docker.io"];

/// The key of one registry, or of one path within it, in a docker config: `host[:port][/path]`.
///
/// Spellings that mean the same registry give the same key. Docker Hub without a path is always
/// [`DOCKER_HUB`], with a path `docker.io/<path>`. Of any other, the scheme goes, and so does what
/// a kubelet drops as well: a lone `/`, and `/v1/` or `/v2/` in front of the path. The rest stays
/// as written. A path is a plain prefix to kubelets: `ghcr.io/acme` also matches
/// `ghcr.io/acme-other`, and `ghcr.io/acme/` does not match the repository `ghcr.io/acme`.
/// A `*` in the host stands for any run of characters within one label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Server(String);

/// Why a text cannot be declared as a server: kubelets would skip it, or match no image with it.
/// Each says the fix, and none holds more than a character of the text, since people paste passwords
/// into addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ServerError {
    /// Nothing is left beside the scheme.
    #[error("the server is empty; write host[:port][/path]")]
    Empty,
    /// A scheme other than `https` and `http`, which kubelets take for a host.
    #[error("only https:// or http:// may stand before a server; best write neither")]
    Scheme,
    /// Upper-case letters; kubelets compare hosts by case.
    #[error("the server holds upper-case letters, which kubelets do not match; use lower case")]
    UpperCase,
    /// A user or a password before the host.
    #[error("the server holds an `@` before its path; put user and password into a Secret")]
    UserInfo,
    /// `?` and `#` end the address for a kubelet.
    #[error("kubelets cut a server at `?` and `#`; remove it (the only wildcard is `*`)")]
    Query,
    /// A character that no image name holds at this place.
    #[error("{0:?} cannot stand there in an image name; use a-z, 0-9, `.` and `-`")]
    Character(char),
    /// A label of the host is empty, or begins or ends with `-`.
    #[error("the host has an empty label, or one with `-` at an end; remove the extra `.` or `-`")]
    Label,
    /// A host that image names do not take for one: `registry/app` is on Docker Hub.
    #[error("image names take a host without `.` or port for a part of Docker Hub; write both")]
    NotAHost,
    /// Not an IPv6 address between the brackets.
    #[error("the brackets hold no IPv6 address that an image name can hold; write [address]:port")]
    Address,
    /// Kubelets match an IPv6 address only together with a port.
    #[error("kubelets match an IPv6 address only with its port; write [address]:port")]
    AddressWithoutPort,
    /// Not a number from 1 to 65535, or one with a leading zero.
    #[error("the port is not a plain number from 1 to 65535; a tag does not belong here")]
    Port,
    /// `*` beyond the host, where kubelets take it for itself.
    #[error("`*` works in the host only, not in port or path; write the path up to it")]
    Wildcard,
    /// A tag at the end of the path.
    #[error("the path ends in a tag; remove the `:` and what follows")]
    Tag,
    /// A digest at the end of the path.
    #[error("the path ends in a digest; remove the `@` and what follows")]
    Digest,
    /// `/v1` or `/v2` that kubelets take for a repository.
    #[error("/v1 and /v2 without a `/` after them are read as repositories; remove them")]
    ApiPath,
    /// A component of the path is empty, begins with a separator, or has separators that no repository has side by
    /// side; only the last component may end with one, because a path is a prefix.
    #[error("no repository has such a part of a path; write letters and digits joined by `.`, `_`, `__` or `-`")]
    Component,
}

impl Server {
    /// Reads a server as declared, and refuses what no kubelet would ever match.
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

    /// The key for a docker config. `Server::parse` of it gives the same server again.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is Docker Hub, the whole of it or a path within it.
    pub fn is_docker_hub(&self) -> bool {
        self.0 == DOCKER_HUB || self.0.split_once('/').is_some_and(|(host, _)| host == HUB_IN_IMAGES)
    }

    /// Whether a key of a docker config is one of the spellings of this server.
    pub fn is_spelled(&self, key: &str) -> bool {
        Self::parse(key).as_ref() == Ok(self)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The server that the author of a key probably meant, for a message: of letters, scheme, wildcard, tag and the like
/// only the spelling is mended. None for a key with an `@`, because what stands around it may be a password.
pub fn meant(key: &str) -> Option<Server> {
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
    let mut mended = host.trim_end_matches('.').to_owned();
    if !port.is_empty() {
        mended = format!("{mended}:{port}");
    }
    let path = path.split([':', '*']).next().unwrap_or_default();
    let components = path.split('/').filter(|component| !component.is_empty());
    for component in components.skip_while(|component| matches!(*component, "v1" | "v2")) {
        mended = format!("{mended}/{component}");
    }
    if path.ends_with('/') {
        mended.push('/');
    }
    Server::parse(&mended).ok()
}

/// The key less the part that kubelets drop: a user before the host, and everything from a `?` or `#` on.
pub(crate) fn less_what_kubelets_drop(key: &str) -> String {
    let address = without_scheme(key);
    let scheme = &key[..key.len() - address.len()];
    let address = address.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}{host}{path}")
}

/// Whether a key means the whole of Docker Hub to a kubelet, in whatever spelling.
pub(crate) fn is_docker_hub_to_kubelets(key: &str) -> bool {
    let address = without_scheme(key);
    let (host, path) = address.split_once('/').unwrap_or((address, ""));
    HUB_HOSTS_OF_KUBELETS.contains(&host) && matches!(path, "" | "v1/" | "v2/")
}

/// Whether a key is on the host that images of Docker Hub carry, so that kubelets need no fallback to use it.
pub(crate) fn matches_docker_hub_by_itself(key: &str) -> bool {
    let address = without_scheme(key);
    address.split('/').next() == Some(HUB_IN_IMAGES)
}

/// Kubelets drop these two, in lower case only, and no other scheme.
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

/// Image names hold IPv6 addresses of hexadecimal groups only, without a zone or a dotted tail.
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
    // Ports are compared as text: one with a leading zero looks right and matches no image.
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
    refuse_strangers(label, |c| matches!(c, '-' | '*'))
}

/// What of the path narrows the server: nothing for the spellings of a bare host.
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
    // Kubelets drop the prefix once. What is left must not look like one again, or the key that
    // we write would be cut a second time and match more than was declared.
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
    // The rest of a name may follow right behind the last component.
    check_component(&format!("{last}a"))?;
    Ok(scope)
}

fn check_component(component: &str) -> Result<(), ServerError> {
    refuse_strangers(component, |c| matches!(c, '-' | '.' | '_'))?;
    if is_component(component) {
        Ok(())
    } else {
        Err(ServerError::Component)
    }
}

fn refuse_strangers(text: &str, also: fn(char) -> bool) -> Result<(), ServerError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || also(c);
    match text.chars().find(|&c| !fits(c)) {
        Some(stranger) => Err(ServerError::Character(stranger)),
        None => Ok(()),
    }
}

//! A key of a docker config as a kubelet parses and matches it.
//!
//! Kubelets parse each key twice: once to normalise it, and the normal form again for each match. Both passes follow Go's
//! `url.Parse` for an `https` URL, whose rules differ from those of a browser. This room works on bytes, because a
//! percent-escape may encode any byte.

use std::net::Ipv6Addr;

use crate::glob;
use crate::server;

/// Host, port and path of a key or of an image's repository.
pub(super) struct Location {
    host: Vec<u8>,
    port: Vec<u8>,
    path: Vec<u8>,
}

/// What `url.Parse` keeps: the host with its port and the path, both unescaped.
struct Url {
    host: Vec<u8>,
    path: Vec<u8>,
}

impl Location {
    /// Parses an address without scheme, as a kubelet does for each match.
    pub(super) fn parse(address: &[u8]) -> Option<Self> {
        let Url { host, path } = parse_url(address)?;
        let (host, port) = split_port(&host);
        Some(Self {
            host: host.to_vec(),
            port: port.to_vec(),
            path,
        })
    }

    /// Returns images that a key at this location might serve.
    pub(super) fn images(&self) -> Vec<String> {
        let (Ok(host), Ok(port), Ok(path)) = (
            std::str::from_utf8(&self.host),
            std::str::from_utf8(&self.port),
            std::str::from_utf8(&self.path),
        ) else {
            // No image name contains these bytes.
            return Vec::new();
        };
        let host = match (port, host.contains(':')) {
            ("", _) => host.to_owned(),
            (port, false) => format!("{host}:{port}"),
            (port, true) => format!("[{host}]:{port}"),
        };
        let rest = if path.is_empty() {
            ["/a", "/a/a", "", ""]
        } else {
            ["", "a", "/a", "a/a"]
        };
        let images = ["a", "A"].map(|label| rest.map(|rest| format!("{}{path}{rest}", host.replace('*', label))));
        images.concat()
    }

    /// Returns whether a key at this location serves an image at `target`.
    pub(super) fn covers(&self, target: &Self) -> bool {
        self.port == target.port
            && target.path.starts_with(&self.path)
            && labels(&self.host).count() == labels(&target.host).count()
            && labels(&self.host)
                .zip(labels(&target.host))
                .all(|(pattern, label)| covers_label(pattern, label))
    }
}

/// Returns host and path of a key without what kubelets drop: the scheme, a leading `/v1/` or `/v2/`, and a lone `/`.
///
/// The result is `None` if the key cannot be parsed.
pub(super) fn normalised(key: &str) -> Option<Vec<u8>> {
    let Url { mut host, path } = parse_url(server::without_scheme(key).as_bytes())?;
    let path = if path.starts_with(b"/v1/") || path.starts_with(b"/v2/") {
        &path[3..]
    } else {
        &path[..]
    };
    if path != b"/" {
        host.extend_from_slice(path);
    }
    Some(host)
}

fn labels(host: &[u8]) -> impl Iterator<Item = &[u8]> {
    host.split(|&b| b == b'.')
}

/// An IPv6 address without a port keeps its brackets. A kubelet's glob reads those as a set of characters, so the address
/// never matches itself.
fn covers_label(pattern: &[u8], label: &[u8]) -> bool {
    !pattern.contains(&b'[') && glob::covers(pattern, label)
}

fn split_port(host: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = host.iter().rposition(|&b| b == b':') else {
        return (host, b"");
    };
    let (before, port) = (&host[..colon], &host[colon + 1..]);
    match before.strip_prefix(b"[") {
        None => (before, port),
        // The colon belongs to the address unless the bracket closes right before it.
        Some(bracketed) => match bracketed.strip_suffix(b"]") {
            Some(address) => (address, port),
            None => (host, b""),
        },
    }
}

fn parse_url(address: &[u8]) -> Option<Url> {
    let (address, fragment) = cut(address, b'#');
    if address.iter().any(u8::is_ascii_control) {
        return None;
    }
    unescape(fragment)?;
    let (address, _query) = cut(address, b'?');
    let slash = address.iter().position(|&b| b == b'/');
    let (authority, path) = address.split_at(slash.unwrap_or(address.len()));
    Some(Url {
        host: parse_authority(authority)?,
        path: unescape(path)?,
    })
}

/// Returns the host of an authority. It checks and drops user and password.
fn parse_authority(authority: &[u8]) -> Option<Vec<u8>> {
    let Some(at) = authority.iter().rposition(|&b| b == b'@') else {
        return parse_host(authority);
    };
    let user = &authority[..at];
    if !user.iter().all(|&b| may_stand_in_user(b)) {
        return None;
    }
    unescape(user)?;
    parse_host(&authority[at + 1..])
}

fn parse_host(host: &[u8]) -> Option<Vec<u8>> {
    match host.iter().rposition(|&b| b == b'[') {
        Some(0) => return parse_bracketed(host),
        Some(_) => return None,
        None => {}
    }
    let (_, port) = cut(host, b':');
    port.iter().all(u8::is_ascii_digit).then(|| unescape_host(host))?
}

/// It rejects a zone after the address, which Go accepts. The `%` of a zone makes the second parse fail, so such a key never
/// matches in either case.
fn parse_bracketed(host: &[u8]) -> Option<Vec<u8>> {
    let close = host.iter().rposition(|&b| b == b']')?;
    let (address, port) = (&host[1..close], &host[close + 1..]);
    std::str::from_utf8(address).ok()?.parse::<Ipv6Addr>().ok()?;
    let port_fits = match port.split_first() {
        None => true,
        Some((b':', digits)) => digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    };
    port_fits.then(|| host.to_vec())
}

/// In a host an escape may encode bytes beyond ASCII, and `%` itself.
fn unescape_host(host: &[u8]) -> Option<Vec<u8>> {
    let mut at = 0;
    while let Some(&byte) = host.get(at) {
        if byte == b'%' {
            let beyond_ascii = matches!(host.get(at + 1), Some(b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F'));
            if !beyond_ascii && !host[at..].starts_with(b"%25") {
                return None;
            }
            at += 3;
        } else if byte.is_ascii() && !may_stand_in_host(byte) {
            return None;
        } else {
            at += 1;
        }
    }
    unescape(host)
}

/// Returns `None` if two hexadecimal digits do not follow a `%`.
fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let &[high, low, ref after @ ..] = tail else {
                return None;
            };
            plain.push(hex(high)? << 4 | hex(low)?);
            rest = after;
        } else {
            plain.push(byte);
            rest = tail;
        }
    }
    Some(plain)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn cut(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|&b| b == at) {
        Some(found) => (&text[..found], &text[found + 1..]),
        None => (text, b""),
    }
}

fn may_stand_in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte)
}

fn may_stand_in_user(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte)
}

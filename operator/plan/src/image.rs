//! The repository by which a kubelet looks up credentials for an image.
//!
//! The rules come from `ParseNormalizedNamed` and the grammar of `github.com/distribution/reference` 0.6, through
//! `pkg/util/parsers` of Kubernetes.

/// The longest path of a repository, in bytes.
const LONGEST_PATH: usize = 255;

/// Digest algorithms and the length of their values, in hexadecimal digits.
const DIGESTS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// Returns the full repository of the image of a pod, without tag and digest: `docker.io/library/nginx` for `nginx:1.29`.
///
/// The result is `None` for an invalid reference.
pub fn repository(image: &str) -> Option<String> {
    if image.len() == 64 && image.bytes().all(is_lower_hex) {
        // An image ID, which no registry has.
        return None;
    }
    let (domain, remainder) = split_domain(image);
    let (named, digest) = cut(remainder, '@');
    let (path, tag) = cut(named, ':');
    if !tag.is_none_or(is_tag) || !digest.is_none_or(is_digest) {
        return None;
    }
    let path = if domain == "docker.io" && !remainder.contains('/') {
        format!("library/{path}")
    } else {
        path.to_owned()
    };
    let name = format!("{domain}/{path}");
    let is_path = |path: &str| path.len() <= LONGEST_PATH && path.split('/').all(is_component);
    // To the grammar `_` is not part of a host, but the whole is still a path, and so a name.
    let valid = if is_domain(domain) {
        is_path(&path)
    } else {
        is_path(&name)
    };
    valid.then_some(name)
}

/// Splits host and remainder. An image without a host is on Docker Hub.
fn split_domain(image: &str) -> (&str, &str) {
    let Some((first, rest)) = image.split_once('/') else {
        return ("docker.io", image);
    };
    if first == "index.docker.io" {
        ("docker.io", rest)
    } else if first == "localhost" || first.contains(['.', ':']) || has_upper_case(first) {
        (first, rest)
    } else {
        ("docker.io", image)
    }
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn has_upper_case(text: &str) -> bool {
    text.to_lowercase() != text
}

fn is_domain(domain: &str) -> bool {
    let bracketed = domain.strip_prefix('[').and_then(|address| address.split_once(']'));
    let (host_fits, rest) = if let Some((address, rest)) = bracketed {
        (is_address(address), rest)
    } else {
        let (host, rest) = domain.split_at(domain.find(':').unwrap_or(domain.len()));
        (host.split('.').all(is_label), rest)
    };
    host_fits && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_number))
}

fn is_number(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
}

/// The grammar checks the characters of an address only.
fn is_address(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Returns whether these are runs of lower-case letters and digits, joined by `.`, `_`, `__` or any number of `-`.
pub(crate) fn is_component(component: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    component.starts_with(alphanumeric)
        && component.ends_with(alphanumeric)
        && component
            .split(alphanumeric)
            .all(|joint| matches!(joint, "" | "." | "_" | "__") || joint.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128 && tag.bytes().next().is_some_and(word) && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, value)) = digest.split_once(':') else {
        return false;
    };
    DIGESTS.contains(&(algorithm, value.len())) && value.bytes().all(is_lower_hex)
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'a'..=b'f')
}

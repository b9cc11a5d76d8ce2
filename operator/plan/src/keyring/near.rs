//! Keys that do not match an image, and would with a small change.

use super::matches;
use crate::image::repository;
use crate::server::is_docker_hub_to_kubelets;

/// In what a key and an image differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    /// The key has a scheme that kubelets do not drop, such as `oci://`, or one in upper case.
    Scheme,
    /// They differ in upper and lower case.
    Case,
    /// They have different ports, or only one of them has a port.
    Port,
    /// They have the same host, and the image is not under the path of the key.
    Path,
}

/// All of them, in the order in which they are tried.
const ALL: [Difference; 4] = [Difference::Scheme, Difference::Case, Difference::Port, Difference::Path];

/// Returns the smallest set of differences without which a kubelet would use the key for `image`.
///
/// The set is empty if a kubelet uses it. It is `None` if the key means another registry.
pub fn differences(key: &str, image: &str) -> Option<Vec<Difference>> {
    let repository = repository(image)?;
    let mut sets: Vec<Vec<Difference>> = (0..1_u8 << ALL.len())
        .map(|set| {
            (0..ALL.len())
                .filter(|at| set >> at & 1 == 1)
                .map(|at| ALL[at])
                .collect()
        })
        .collect();
    // The stable sort keeps the order of `ALL` within one size.
    sets.sort_by_key(Vec::len);
    sets.into_iter().find(|set| {
        let (key, image) = set
            .iter()
            .fold((key.to_owned(), repository.clone()), |pair, difference| {
                difference.removed(pair)
            });
        matches(&key, &image)
    })
}

impl Difference {
    /// Makes key and image equal in this respect.
    fn removed(self, (key, image): (String, String)) -> (String, String) {
        match self {
            Self::Scheme => match key.split_once("://") {
                Some((_, address)) => (address.to_owned(), image),
                None => (key, image),
            },
            Self::Case => {
                let lower = image.to_ascii_lowercase();
                // In lower case, a host without `.` and port would be a user of Docker Hub.
                let same = repository(&lower).as_ref() == Some(&lower);
                (key.to_ascii_lowercase(), if same { lower } else { image })
            }
            Self::Port => (with_port(&key, port(&image)), image),
            Self::Path => (without_path(&key), image),
        }
    }
}

/// Splits the scheme that kubelets drop from the address.
fn split_scheme(key: &str) -> (&str, &str) {
    let at = key.find("://").map_or(0, |at| at + "://".len());
    key.split_at(at)
}

/// Returns the port of a repository, with its colon.
fn port(repository: &str) -> &str {
    let authority = repository.split('/').next().unwrap_or_default();
    let at = authority.rfind(':').filter(|_| !authority.ends_with(']'));
    at.map_or("", |at| &authority[at..])
}

/// Returns the key with this port instead of its own.
fn with_port(key: &str, port: &str) -> String {
    let (scheme, address) = split_scheme(key);
    let (authority, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    let host = match authority.rsplit_once(':') {
        // The colons of an address within brackets are no port.
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    };
    format!("{scheme}{host}{port}{path}")
}

/// A key of Docker Hub's host without `/v1/` is the fallback as well.
fn without_path(key: &str) -> String {
    let (scheme, address) = split_scheme(key);
    let host = address.split('/').next().unwrap_or_default();
    if is_docker_hub_to_kubelets(host) {
        return format!("{scheme}docker.io");
    }
    format!("{scheme}{host}")
}

#[cfg(test)]
mod tests {
    use super::Difference::{Case, Path, Port, Scheme};
    use super::*;

    #[test]
    fn the_smallest_difference_is_found() {
        for (key, image, expected) in [
            ("r.example.com", "r.example.com/app:1", Some(vec![])),
            ("r.example.com:443", "r.example.com/app:1", Some(vec![Port])),
            ("r.example.com", "r.example.com:5000/app", Some(vec![Port])),
            ("r.example.com:5000", "r.example.com:5001/app", Some(vec![Port])),
            ("*.example.com:5000", "r.example.com/app", Some(vec![Port])),
            ("oci://r.example.com", "r.example.com/app", Some(vec![Scheme])),
            ("HTTPS://r.example.com", "r.example.com/app", Some(vec![Scheme])),
            ("R.example.com", "r.example.com/app", Some(vec![Case])),
            ("r.example.com/Team", "r.example.com/team/app", Some(vec![Case])),
            ("r.example.com", "R.example.com/app", Some(vec![Case])),
            ("r.example.com/team", "r.example.com/other/app", Some(vec![Path])),
            ("https://r.example.com/v2", "r.example.com/app", Some(vec![Path])),
            ("r.example.com/*", "r.example.com/app", Some(vec![Path])),
            ("r.example.com/team/app:1", "r.example.com/team/app:1", Some(vec![Path])),
            ("https://index.docker.io/v1", "nginx", Some(vec![Path])),
            ("docker.io/acme", "nginx", Some(vec![Path])),
            ("oci://R.example.com", "r.example.com/app", Some(vec![Scheme, Case])),
            (
                "r.example.com:443/team",
                "r.example.com/other/app",
                Some(vec![Port, Path]),
            ),
            ("q.example.com", "r.example.com/app", None),
            ("example.com", "r.example.com/app", None),
            ("https://index.docker.io/v1/", "registry:5000/app", None),
            ("https://index.docker.io/v1/", "R/app", Some(vec![])),
            ("[::1]:5000", "[::1]:5001/app", Some(vec![Port])),
            ("*", "r.example.com/app", None),
            ("", "r.example.com/app", None),
            ("://", "nginx", None),
            ("docker://index.docker.io/v1/", "nginx", Some(vec![Scheme])),
            ("r.example.com", "not an image", None),
        ] {
            assert_eq!(differences(key, image), expected, "{key} {image}");
        }
    }
}

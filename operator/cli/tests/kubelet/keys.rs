//! Images, and keys that match them, nearly match them, or do not.

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// What the author of a key did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slip {
    Scheme,
    Case,
    Port,
    Path,
}

/// A key as written, and as meant.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) written: String,
    pub(crate) meant: String,
    pub(crate) slip: Option<Slip>,
}

const HOSTS: [&str; 9] = [
    "r.example.com",
    "r.example.com",
    "r.example.com:5000",
    "q.example.com",
    "a.b.example.com",
    "ghcr.io",
    "docker.io",
    "R.example.com",
    "[fd00::1]:5000",
];
const PATHS: [&str; 6] = [
    "app",
    "team/app",
    "team/web",
    "team-2/app",
    "other/deep/er/app",
    "library/nginx",
];
const ENDS: [&str; 5] = [
    "",
    ":1",
    ":1.2",
    ":latest",
    "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

pub(crate) fn image(random: &mut StdRng) -> String {
    let path = one(&PATHS, random);
    match one(&HOSTS, random) {
        "docker.io" if random.random_bool(0.5) => format!(
            "{}{}",
            one(&["nginx", "acme/app", "team/app"], random),
            one(&ENDS, random)
        ),
        _ if random.random_bool(0.01) => one(
            &["Upper/Case", "", "a b", "r.example.com/", "r.example.com/x:y:z"],
            random,
        )
        .to_owned(),
        host => format!("{host}/{path}{}", one(&ENDS, random)),
    }
}

/// Mostly a key for this image, or for a prefix of it.
pub(crate) fn key(image: &str, random: &mut StdRng) -> Key {
    let meant = meant(image, random);
    if random.random_bool(0.6) {
        return Key {
            written: spelled(&meant, random),
            meant,
            slip: None,
        };
    }
    let slip = *[Slip::Scheme, Slip::Case, Slip::Port, Slip::Path]
        .choose(random)
        .expect("a slip");
    let written = slipped(&meant, slip, random);
    Key {
        slip: (written != meant).then_some(slip),
        written,
        meant,
    }
}

fn meant(image: &str, random: &mut StdRng) -> String {
    let name = image.split('@').next().unwrap_or_default();
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) => (host, path),
        _ => {
            return one(
                &[
                    "docker.io",
                    "https://index.docker.io/v1/",
                    "index.docker.io",
                    "docker.io/library",
                ],
                random,
            )
            .to_owned();
        }
    };
    let path = path.split(':').next().unwrap_or_default();
    let team = path.split('/').next().unwrap_or_default();
    match random.random_range(0..6) {
        0 if team != path => format!("{host}/{team}"),
        1 => format!("{host}/{path}"),
        2 => format!("{host}/{}", &path[..path.len().min(3)]),
        _ => host.to_owned(),
    }
}

/// Another spelling of the same key, or a glob that covers it.
fn spelled(key: &str, random: &mut StdRng) -> String {
    if key.contains("://") || key.starts_with('[') {
        return key.to_owned();
    }
    let (host, path) = key.split_at(key.find('/').unwrap_or(key.len()));
    match random.random_range(0..10) {
        0 => format!("https://{key}"),
        1 => format!("http://{key}"),
        2 => format!("https://{host}/v1{}", if path.is_empty() { "/" } else { path }),
        3 => format!("{host}/v2{}", if path.is_empty() { "/" } else { path }),
        4 if path.is_empty() => format!("{host}/"),
        5 => match host.split_once('.') {
            Some((_, rest)) => format!("*.{rest}{path}"),
            None => key.to_owned(),
        },
        _ => key.to_owned(),
    }
}

fn slipped(key: &str, slip: Slip, random: &mut StdRng) -> String {
    let (scheme, address) = key.split_at(key.find("://").map_or(0, |at| at + 3));
    let (host, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    match slip {
        Slip::Scheme => format!(
            "{}{address}",
            one(&["oci://", "docker://", "HTTPS://", "Http://"], random)
        ),
        Slip::Case => {
            let other: String = host
                .chars()
                .map(|c| {
                    if c.is_lowercase() {
                        c.to_ascii_uppercase()
                    } else {
                        c.to_ascii_lowercase()
                    }
                })
                .collect();
            format!("{scheme}{other}{path}")
        }
        Slip::Port => match host.rsplit_once(':') {
            Some((bare, port)) if !port.contains(']') => {
                format!("{scheme}{bare}{}{path}", one(&[":5001", ":443"], random))
            }
            _ => format!("{scheme}{host}:443{path}"),
        },
        Slip::Path => {
            let wrong = one(&["/elsewhere", "/v2", "/*", "/elsewhere/app", "/zzz:1"], random);
            format!("{scheme}{host}{wrong}")
        }
    }
}

pub(crate) fn one<'a>(all: &[&'a str], random: &mut StdRng) -> &'a str {
    all.choose(random).expect("not empty")
}

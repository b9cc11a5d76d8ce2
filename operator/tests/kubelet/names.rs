//! Keys of docker configs, declared servers and images. They have few parts, so that they often coincide.

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// Hosts that belong together, as keys and images name them.
struct Family {
    keys: &'static [&'static str],
    images: &'static [&'static str],
}

const HUB: Family = Family {
    keys: &[
        "docker.io",
        "docker.io",
        "index.docker.io",
        "index.docker.io",
        "registry-1.docker.io",
        "*.io",
        "docker.*",
        "*.docker.io",
    ],
    images: &[
        "",
        "",
        "",
        "docker.io/",
        "index.docker.io/",
        "registry-1.docker.io/",
        "localhost/",
        "Docker/",
    ],
};

const FAMILIES: [Family; 5] = [
    HUB,
    Family {
        keys: &["ghcr.io", "ghcr.io", "quay.io", "*.io", "gh*.io", "gh*r.i*"],
        images: &["ghcr.io/", "ghcr.io/", "quay.io/", "GHCR.io/", "docker.io/"],
    },
    Family {
        keys: &[
            "r.example.com",
            "r*.example.com",
            "*.example.com",
            "*.*.example.com",
            "a.b.example.com",
            "*.*.com",
            "R.example.com",
            "r_x.example.com",
        ],
        images: &[
            "r.example.com/",
            "r2.example.com/",
            "a.b.example.com/",
            "R.example.com/",
            "r_x.example.com/",
        ],
    },
    Family {
        keys: &[
            "r.example.com:5000",
            "r.example.com:443",
            "r.example.com",
            "*.example.com:5000",
            "registry:5000",
            "localhost:5000",
            "localhost",
            "registry",
            "*",
            "r.example.com:0443",
        ],
        images: &[
            "r.example.com:5000/",
            "r.example.com:443/",
            "r.example.com/",
            "registry:5000/",
            "localhost:5000/",
            "localhost/",
            "registry/",
        ],
    },
    Family {
        keys: &[
            "10.0.0.1",
            "10.0.0.1:5000",
            "10.0.*.1",
            "[fd00::1]:5000",
            "[fd00::1]",
            "[::ffff:10.0.0.1]:5000",
            "[fd00::2]:5000",
        ],
        images: &[
            "10.0.0.1/",
            "10.0.0.1:5000/",
            "[fd00::1]:5000/",
            "[fd00::1]/",
            "[fd00::2]:5000/",
        ],
    },
];

const SCHEMES: [&str; 6] = ["", "", "", "https://", "https://", "http://"];
const BARE: [&str; 6] = ["", "", "", "/", "/v1/", "/v2/"];
const SCOPES: [&str; 11] = [
    "/acme",
    "/acme/",
    "/acme/app",
    "/acme-other",
    "/library",
    "/library/nginx",
    "/v1/acme",
    "/v2/acme/",
    "/app",
    "/v1/v1/",
    "/v1/v2/acme",
];
/// Paths that match no image, or other images than they seem to. No kubelet refuses them.
const ODD_PATHS: [&str; 11] = [
    "/v1",
    "/v2",
    "/ac%6de",
    "/%76%31/acme",
    "/acme/app:1.29",
    "/acme/*",
    "//acme",
    "/Acme",
    "/a b",
    "/v1//acme",
    "/[x]",
];
/// Whole keys that kubelets skip, cut, or never match.
const WEIRD: [&str; 26] = [
    "",
    "/",
    "https://",
    "/acme",
    "ghcr.io ",
    " ghcr.io",
    "r.example.com:",
    "r.example.com:*",
    "r.example.com:5000:1",
    "robot:word@ghcr.io",
    "@ghcr.io",
    "ghcr.io?x",
    "ghcr.io#x",
    "ghcr.io/acme?x",
    "ghcr.io/%zz",
    "%67hcr.io",
    "gh%C3%A9r.io",
    "ghé.io",
    "oci://ghcr.io",
    "HTTPS://ghcr.io",
    "https://https://ghcr.io",
    "[fd00::1",
    "fd00::1",
    "[fd00::1%25eth0]:5000",
    "gh[c]r.io",
    "ghcr.io\\acme",
];
const REPOSITORIES: [&str; 12] = [
    "nginx",
    "app",
    "acme",
    "acme/app",
    "acme/app",
    "acme/app/deep/er",
    "acme-other/app",
    "library/nginx",
    "v1/acme/app",
    "v2/x",
    "team_a/b.c--d",
    "registry/app",
];
const WRONG_REPOSITORIES: [&str; 6] = [
    "Acme/app",
    "acme//app",
    "a b",
    "acme/",
    "acme/app:",
    "acme/app@sha256:12",
];
const DIGEST: &str = "@sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

/// The parts for keys and images of one case.
pub(crate) struct Names {
    families: Vec<&'static Family>,
    /// How often a key is odd or weird.
    weird: f64,
}

impl Names {
    pub(crate) fn draw(random: &mut StdRng) -> Self {
        let mut families = vec![FAMILIES.choose(random).expect("a family")];
        if random.random_bool(0.4) {
            families.push(FAMILIES.choose(random).expect("a family"));
        }
        // Docker Hub is the part that is rewritten.
        if random.random_bool(0.3) {
            families.push(&FAMILIES[0]);
        }
        let weird = if random.random_bool(0.2) { 0.25 } else { 0.0 };
        Self { families, weird }
    }

    pub(crate) fn key(&self, random: &mut StdRng) -> String {
        if random.random_bool(self.weird) {
            return one(&WEIRD, random).to_owned();
        }
        let host = self.host(random);
        let path = match random.random_range(0..20) {
            0..11 => one(&BARE, random),
            11..19 => one(&SCOPES, random),
            _ => one(&ODD_PATHS, random),
        };
        format!("{}{host}{path}", one(&SCHEMES, random))
    }

    fn host(&self, random: &mut StdRng) -> &'static str {
        one(self.families.choose(random).expect("a family").keys, random)
    }

    /// Another spelling of what may be the same server.
    pub(crate) fn respelled(key: &str, random: &mut StdRng) -> String {
        let address = key.split_once("://").map_or(key, |(_, address)| address);
        let (host, path) = address.find('/').map_or((address, ""), |slash| address.split_at(slash));
        let host = if HUB.keys[..5].contains(&host) {
            one(&HUB.keys[..5], random)
        } else {
            host
        };
        let path = if BARE.contains(&path) { one(&BARE, random) } else { path };
        format!("{}{host}{path}", one(&SCHEMES, random))
    }

    /// An image of a host of this case, as a pod names it; sometimes one that no pod can have.
    pub(crate) fn image(&self, random: &mut StdRng) -> String {
        if random.random_bool(0.01) {
            return "0a".repeat(32);
        }
        let family = self.families.choose(random).expect("a family");
        let repository = if random.random_bool(0.02) {
            one(&WRONG_REPOSITORIES, random)
        } else {
            one(&REPOSITORIES, random)
        };
        let tag = one(&["", "", "", ":1.29", ":latest", DIGEST], random);
        let pinned = if random.random_bool(0.05) { DIGEST } else { "" };
        format!("{}{repository}{tag}{pinned}", one(family.images, random))
    }
}

pub(crate) fn one(of: &[&'static str], random: &mut StdRng) -> &'static str {
    of.choose(random).expect("something to choose from")
}

//! Declared servers: what they become, what is refused, and where that widens a match.

use plan::keyring::{image_for, lookup, matches};
use plan::server::{DOCKER_HUB, Server, ServerError, suggestion};
use proptest::prelude::*;

const HUB_HOSTS: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];
const SCHEMES: [&str; 3] = ["", "https://", "http://"];

fn key(declared: &str) -> String {
    Server::parse(declared).expect(declared).as_str().to_owned()
}

#[test]
fn docker_hub_in_any_spelling_is_one_key() {
    for scheme in SCHEMES {
        for host in HUB_HOSTS {
            for path in ["", "/", "/v1/", "/v2/"] {
                assert_eq!(key(&format!("{scheme}{host}{path}")), DOCKER_HUB);
            }
            for path in ["/acme", "/v1/acme", "/v2/acme"] {
                assert_eq!(key(&format!("{scheme}{host}{path}")), "docker.io/acme");
            }
        }
    }
}

#[test]
fn other_servers_lose_dropped_parts_only() {
    for (declared, expected) in [
        ("ghcr.io", "ghcr.io"),
        ("https://ghcr.io", "ghcr.io"),
        ("http://ghcr.io/", "ghcr.io"),
        ("https://harbor.example.com/v2/", "harbor.example.com"),
        ("harbor.example.com/v1/team", "harbor.example.com/team"),
        ("ghcr.io/acme", "ghcr.io/acme"),
        ("ghcr.io/acme/", "ghcr.io/acme/"),
        ("ghcr.io/acme--", "ghcr.io/acme--"),
        ("ghcr.io/acme_", "ghcr.io/acme_"),
        ("r.example.com:5000/a/b_c.d--e", "r.example.com:5000/a/b_c.d--e"),
        ("registry:5000", "registry:5000"),
        ("localhost", "localhost"),
        ("*.example.com", "*.example.com"),
        ("*-eu.*.example.com/x", "*-eu.*.example.com/x"),
        ("10.0.0.1:5000", "10.0.0.1:5000"),
        ("[fd00::1]:5000", "[fd00::1]:5000"),
        ("docker.io:443", "docker.io:443"),
        ("registry.hub.docker.com", "registry.hub.docker.com"),
    ] {
        assert_eq!(key(declared), expected, "{declared}");
    }
}

#[test]
fn servers_without_effect_are_rejected() {
    use ServerError::{
        Address, AddressWithoutPort, ApiPath, Character, Component, Digest, Empty, Label, NotAHost, Port, Query,
        Scheme, Tag, UpperCase, UserInfo, Wildcard,
    };
    for (declared, expected) in [
        ("", Empty),
        ("https://", Empty),
        ("oci://r.example.com", Scheme),
        ("HTTPS://r.example.com", Scheme),
        ("R.example.com", UpperCase),
        ("ghcr.io/Acme", UpperCase),
        ("r.example.com ", Character(' ')),
        (" r.example.com", Character(' ')),
        ("ghcr.io/a b", Character(' ')),
        ("r_x.example.com", Character('_')),
        ("réseau.example.com", Character('é')),
        ("user:pass@r.example.com", UserInfo),
        ("r.example.com?x", Query),
        ("team-?.example.com", Query),
        ("r.example.com#x", Query),
        ("r..example.com", Label),
        ("r.example.com.", Label),
        ("-r.example.com", Label),
        ("/acme", Label),
        ("registry", NotAHost),
        ("acme/app", NotAHost),
        ("*", NotAHost),
        ("[fd00::1]", AddressWithoutPort),
        ("[fd00::1]x", Address),
        ("[fd00::1", Address),
        ("[::ffff:1.2.3.4]:5000", Address),
        ("r.example.com:", Port),
        ("r.example.com:0", Port),
        ("r.example.com:0443", Port),
        ("r.example.com:65536", Port),
        ("r.example.com:+80", Port),
        ("r.example.com:1:2", Port),
        ("nginx:latest", Port),
        ("r.example.com:*", Wildcard),
        ("r.example.com/*", Wildcard),
        ("ghcr.io/acme/app:1.0", Tag),
        ("ghcr.io/acme/app@sha256:abc", Digest),
        ("https://index.docker.io/v1", ApiPath),
        ("r.example.com/v2", ApiPath),
        ("r.example.com/v1/v2/x", ApiPath),
        ("ghcr.io//acme", Component),
        ("ghcr.io/acme//", Component),
        ("ghcr.io/-acme", Component),
        ("ghcr.io/acme-/app", Component),
        ("ghcr.io/acme-/", Component),
        ("ghcr.io/a..b", Component),
        ("ghcr.io/a___b", Component),
        ("ghcr.io/acme.-", Component),
    ] {
        assert_eq!(Server::parse(declared), Err(expected), "{declared}");
    }
}

/// What is written and what is not guessed: a text with an `@` may hold a password before it, or around it.
#[test]
fn suggestions_never_repeat_a_password() {
    for (key, expected) in [
        ("ghcr.io", Some("ghcr.io")),
        (" GHCR.io/Acme/ ", Some("ghcr.io/acme/")),
        ("oci://r.example.com:0443/v2", Some("r.example.com:443")),
        ("r.example.com.:5000", Some("r.example.com:5000")),
        ("r.example.com:/acme//app:1", Some("r.example.com/acme/app")),
        ("r.example.com?a=b", Some("r.example.com")),
        ("\u{feff}docker.io", Some(DOCKER_HUB)),
        ("https://https://ghcr.io", Some("ghcr.io")),
        ("[fd00::1]:05000", Some("[fd00::1]:5000")),
        ("https://index.docker.io/v1", Some(DOCKER_HUB)),
        ("robot:word@ghcr.io", None),
        ("https://robot:12/word@ghcr.io", None),
        ("https://robot:w@rd/x@ghcr.io", None),
        ("[fd00::1]", None),
        ("ghcr", None),
        ("gh_cr.io", None),
        ("", None),
    ] {
        assert_eq!(suggestion(key).as_ref().map(Server::as_str), expected, "{key}");
    }
}

#[test]
fn only_docker_hub_paths_are_docker_hub() {
    for (declared, expected) in [
        ("docker.io", true),
        ("registry-1.docker.io/acme", true),
        ("docker.io:443", false),
        ("docker.io.example.com", false),
        ("ghcr.io", false),
    ] {
        let server = Server::parse(declared).expect(declared);
        assert_eq!(server.is_docker_hub(), expected, "{declared}");
    }
}

/// What each declaration, without a scheme, is written as, and the images that this serves while
/// the declaration itself would not. The person means Docker Hub in each of them. `localhost/app`
/// is there because a kubelet falls back to Docker Hub for a host without dot and port. The list
/// is here so that it cannot grow unseen.
#[test]
fn some_servers_match_more_than_declared() {
    const WIDENED: [(&str, &[&str]); 14] = [
        ("docker.io", &["localhost/app"]),
        ("docker.io/", &["localhost/app"]),
        ("docker.io/v1/", &["localhost/app"]),
        ("docker.io/v2/", &["localhost/app"]),
        ("index.docker.io/acme", &["acme/app", "acme-2/app"]),
        ("index.docker.io/v1/acme", &["acme/app", "acme-2/app"]),
        ("index.docker.io/acme/", &["acme/app"]),
        (
            "registry-1.docker.io",
            &["nginx", "acme/app", "acme-2/app", "localhost/app"],
        ),
        (
            "registry-1.docker.io/",
            &["nginx", "acme/app", "acme-2/app", "localhost/app"],
        ),
        (
            "registry-1.docker.io/v1/",
            &["nginx", "acme/app", "acme-2/app", "localhost/app"],
        ),
        (
            "registry-1.docker.io/v2/",
            &["nginx", "acme/app", "acme-2/app", "localhost/app"],
        ),
        ("registry-1.docker.io/acme", &["acme/app", "acme-2/app"]),
        ("registry-1.docker.io/v1/acme", &["acme/app", "acme-2/app"]),
        ("registry-1.docker.io/acme/", &["acme/app"]),
    ];
    let images = [
        "nginx",
        "acme/app",
        "acme-2/app",
        "localhost/app",
        "ghcr.io/acme/app",
        "localhost:5000/app",
    ];
    for scheme in SCHEMES {
        let mut widened = Vec::new();
        for host in HUB_HOSTS.into_iter().chain(["ghcr.io", "*.io", "localhost"]) {
            for path in ["", "/", "/v1/", "/v2/", "/acme", "/v1/acme", "/acme/"] {
                let declared = format!("{scheme}{host}{path}");
                let canonical = key(&declared);
                let gained: Vec<&str> = images
                    .into_iter()
                    .filter(|image| matches(&canonical, image) && !matches(&declared, image))
                    .collect();
                if !gained.is_empty() {
                    widened.push((format!("{host}{path}"), gained));
                }
            }
        }
        let expected: Vec<(String, Vec<&str>)> = WIDENED
            .iter()
            .map(|(declared, gained)| ((*declared).to_owned(), gained.to_vec()))
            .collect();
        assert_eq!(widened, expected, "{scheme}");
    }
}

/// The other direction, and the only one: `docker.io` is a key like any other to a kubelet, while
/// the key that all tools know gives way to any other that matches.
#[test]
fn docker_hub_gives_way_to_a_glob() {
    let canonical = key("docker.io");
    assert_eq!(
        lookup(["docker.io", "*.io"].into_iter(), "nginx"),
        ["docker.io", "*.io"]
    );
    assert_eq!(lookup([canonical.as_str(), "*.io"].into_iter(), "nginx"), ["*.io"]);
}

fn declared() -> impl Strategy<Value = String> {
    "(https://|http://|)(\\*\\.io|ghcr\\.io|docker\\.io|a\\.b:5000|localhost)(/|/v1/|/v2/|)(acme|acme/|a/b|v1|v2/|)"
}

proptest! {
    #[test]
    fn a_key_is_its_own_key(declared in declared()) {
        if let Ok(server) = Server::parse(&declared) {
            prop_assert_eq!(Server::parse(server.as_str()), Ok(server.clone()));
            prop_assert!(server.is_spelled(&declared));
        }
    }

    /// Docker Hub is the exception.
    #[test]
    fn keys_match_what_was_declared(
        declared in declared(),
        image in "(ghcr\\.io|x\\.io|a\\.b:5000|localhost)/(acme|acme-2|a|v1|v2)(/b|/c|)",
    ) {
        if let Ok(server) = Server::parse(&declared) && !server.is_docker_hub() {
            prop_assert_eq!(matches(server.as_str(), &image), matches(&declared, &image));
        }
    }

    #[test]
    fn every_text_gets_a_result(text in "[\\PC]{0,40}") {
        let _ = Server::parse(&text);
        let _ = suggestion(&text);
    }

    #[test]
    fn every_declared_server_serves_an_image(
        declared in "(\\*|[a-c*-]{1,3}\\.io|localhost|a:1)(/[ab._-]{1,6}){0,2}(/|)",
    ) {
        match Server::parse(&declared) {
            Ok(server) => prop_assert!(image_for(server.as_str()).is_some(), "{}", server),
            Err(ServerError::Component) => prop_assert_eq!(image_for(&declared), None),
            Err(_) => {}
        }
    }
}

//! The kubelet's lookup, row by row, as its own code answers.

use plan::docker_config::whole_key;
use plan::image::repository;
use plan::keyring::{image_for, lookup, matches};
use proptest::prelude::*;

const HUB: &str = "https://index.docker.io/v1/";

fn found<'a>(keys: &[&'a str], image: &str) -> Vec<&'a str> {
    lookup(keys.iter().copied(), image)
}

#[test]
fn docker_hub_is_known_by_four_spellings() {
    for key in [HUB, "index.docker.io", "docker.io", "docker.io/v1/"] {
        assert!(matches(key, "docker.io/library/nginx"), "{key}");
        assert!(matches(key, "nginx"), "{key}");
        assert!(matches(key, "acme/app:1"), "{key}");
        assert!(!matches(key, "ghcr.io/acme/app"), "{key}");
    }
}

#[test]
fn api_paths_without_slash_are_repositories() {
    assert!(!matches("https://index.docker.io/v1", "nginx"));
    assert!(!matches("https://r.example.com/v2", "r.example.com/x"));
    assert!(matches("https://r.example.com/v2/", "r.example.com/x"));
}

/// Docker pulls from that host.
#[test]
fn no_image_name_has_the_pull_host() {
    assert!(!matches("registry-1.docker.io", "nginx"));
}

#[test]
fn docker_hub_is_a_fallback_key() {
    let image = "docker.io/acme/app";
    assert_eq!(found(&[HUB, "docker.io/acme"], image), ["docker.io/acme"]);
    assert_eq!(found(&[HUB, "*.io"], "nginx"), ["*.io"]);
    assert_eq!(found(&[HUB, "ghcr.io"], "nginx"), [HUB]);
}

/// `docker.io` written as such does not have this: the fallback is for the other key alone.
#[test]
fn the_fallback_serves_hosts_without_dot() {
    for (key, image, expected) in [
        (HUB, "localhost/app", true),
        (HUB, "Registry/app", true),
        (HUB, "localhost:5000/app", false),
        ("docker.io", "localhost/app", false),
    ] {
        assert_eq!(matches(key, image), expected, "{key} {image}");
    }
    assert_eq!(found(&[HUB, "localhost"], "localhost/app"), ["localhost"]);
}

#[test]
fn a_path_is_a_plain_prefix() {
    assert!(matches("docker.io/acme", "docker.io/acme-other/app"));
    assert!(!matches("docker.io/acme/", "docker.io/acme-other/app"));
    assert!(matches("docker.io/acme/", "docker.io/acme/app"));
    assert!(!matches("ghcr.io/acme/", "ghcr.io/acme"));
}

#[test]
fn matching_keys_come_in_reverse_order() {
    assert_eq!(
        found(&["ghcr.io", "ghcr.io/acme", "ghcr.io/acme/app"], "ghcr.io/acme/app"),
        ["ghcr.io/acme/app", "ghcr.io/acme", "ghcr.io"]
    );
    assert_eq!(
        found(&["*.example.com/team", "a.example.com"], "a.example.com/team/x"),
        ["a.example.com", "*.example.com/team"],
        "the order of the text, not the longest match"
    );
}

#[test]
fn spellings_of_one_key_keep_their_order() {
    for keys in [["https://ghcr.io", "ghcr.io/v2/"], ["ghcr.io/v2/", "https://ghcr.io"]] {
        assert_eq!(found(&keys, "ghcr.io/a"), keys);
    }
}

#[test]
fn a_star_matches_within_one_label() {
    for (key, image, expected) in [
        ("*.example.com", "a.example.com/x", true),
        ("*.example.com", "a.b.example.com/x", false),
        ("*.example.com", "example.com/x", false),
        ("*-good.example.com", "very-good.example.com/x", true),
        ("a.*.com", "a.example.com/x", true),
        ("k*.io", "quay.io/x", false),
        ("*example.com", "example.com/x", true),
        ("*example.com", "a.example.com/x", false),
        ("*.example.com:5000/a", "r.example.com:5000/a/b", true),
        ("*.example.com:5000/a", "r.example.com:5001/a/b", false),
    ] {
        assert_eq!(matches(key, image), expected, "{key} {image}");
    }
}

#[test]
fn ports_are_compared_as_text() {
    for (key, image, expected) in [
        ("r.example.com", "r.example.com:5000/x", false),
        ("r.example.com:443", "r.example.com/x", false),
        ("r.example.com:5000", "r.example.com:5000/x", true),
        ("r.example.com:05000", "r.example.com:5000/x", false),
        ("r.example.com:", "r.example.com/x", true),
    ] {
        assert_eq!(matches(key, image), expected, "{key} {image}");
    }
}

#[test]
fn some_plausible_keys_match_no_image() {
    for key in [
        "r.example.com/*",
        "r.example.com/team/app:tag",
        "oci://r.example.com",
        "HTTPS://r.example.com",
        "R.example.com",
    ] {
        assert!(!matches(key, "r.example.com/team/app:tag"), "{key}");
    }
    assert!(matches("R.example.com", "R.example.com/team/app"));
}

#[test]
fn unparsable_keys_are_skipped_without_effect() {
    for key in [
        "r.example.com:*",
        "r.example.com ",
        "r.example.com:1:2",
        "r.example.com:port",
        "r.example.com/%zz",
        "r.example.com#%zz",
        "%zz@r.example.com",
        "r%41.example.com",
        "[::1",
        "a[::1]",
        "r.example.com\u{1}",
        "a b@r.example.com",
    ] {
        assert_eq!(
            found(&[key, "r.example.com"], "r.example.com/x"),
            ["r.example.com"],
            "{key}"
        );
    }
}

#[test]
fn kubelets_drop_scheme_and_api_path() {
    for key in [
        "http://r.example.com",
        "r.example.com/",
        "r.example.com?query",
        "r.example.com#fragment",
        "user:pass@r.example.com",
        "r.example.com/v1/te",
        "r.example.com/te%61m",
        "r.example.com/te%3Fcut-at-the-second-parse",
    ] {
        assert!(matches(key, "r.example.com/team/app"), "{key}");
    }
}

#[test]
fn an_ipv6_address_needs_its_port() {
    assert!(matches("[fd00::1]:5000", "[fd00::1]:5000/x"));
    assert!(!matches("[fd00::1]", "[fd00::1]/x"));
    assert!(!matches("[fd00::1]:5000", "[fd00::1]:5001/x"));
    assert!(!matches("[1.2.3.4]:5000", "1.2.3.4:5000/x"));
}

#[test]
fn images_are_looked_up_by_full_name() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    for (image, expected) in [
        ("nginx", Some("docker.io/library/nginx")),
        ("nginx:1.29", Some("docker.io/library/nginx")),
        ("acme/app", Some("docker.io/acme/app")),
        ("docker.io/nginx", Some("docker.io/library/nginx")),
        ("index.docker.io/acme/app", Some("docker.io/acme/app")),
        ("localhost/app", Some("localhost/app")),
        ("registry/app", Some("docker.io/registry/app")),
        ("registry:5000/app:1", Some("registry:5000/app")),
        ("registry:5000", Some("docker.io/library/registry")),
        ("Registry/app", Some("Registry/app")),
        ("ghcr.io/a/b__c-.d", None),
        ("ghcr.io/a/b__c---d", Some("ghcr.io/a/b__c---d")),
        ("[fd00::1]:5000/app", Some("[fd00::1]:5000/app")),
        ("[fd00::1]5000/app", None),
        ("a_b.example.com/app", Some("a_b.example.com/app")),
        ("a_b.example.com:80/app", None),
        ("", None),
        ("Nginx", None),
        ("ghcr.io/Acme/app", None),
        ("ghcr.io//app", None),
        ("ghcr.io/app:", None),
        ("ghcr.io/app:a tag", None),
        ("ghcr.io/app@sha256:abc", None),
        ("https://ghcr.io/app", None),
    ] {
        assert_eq!(repository(image).as_deref(), expected, "{image}");
    }
    for image in ["nginx", "nginx:1"] {
        let pinned = format!("{image}@{digest}");
        assert_eq!(repository(&pinned).as_deref(), Some("docker.io/library/nginx"));
    }
    assert_eq!(repository(&"0a".repeat(32)), None, "an image id");
    assert_eq!(repository(&format!("ghcr.io/{}", "a".repeat(256))), None);
}

#[test]
fn an_invalid_image_finds_no_key() {
    assert!(!matches("*.example.com", "a.example.com/Team"));
}

/// Keys and images from few enough parts that they often meet.
fn key() -> impl Strategy<Value = String> {
    (
        prop::sample::select(vec!["", "https://", "http://"]),
        prop::sample::select(vec![
            "docker.io",
            "index.docker.io",
            "registry-1.docker.io",
            "*.io",
            "ghcr.io",
        ]),
        prop::sample::select(vec!["", "/", "/v1", "/v1/", "/v2/", "/acme", "/v1/acme/"]),
    )
        .prop_map(|(scheme, host, path)| format!("{scheme}{host}{path}"))
}

fn image() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "nginx",
        "acme/app",
        "index.docker.io/acme/app",
        "ghcr.io/acme/app",
        "registry-1.docker.io/acme/app",
    ])
    .prop_map(str::to_owned)
}

#[test]
fn some_image_matches_every_key_but_these() {
    for key in [
        "ghcr.io",
        "ghcr.io/acme-",
        "ghcr.io/ac%6de",
        "docker.io/lib",
        "docker.io/library",
        "index.docker.io",
        "*.docker.io",
        "index.docker.*",
        "*",
        "localhost",
        "x*",
        "R.example.com",
        "r_x.example.com",
        "a*.*-b.io",
        "registry:5000",
        "[fd00::1]:5000/acme",
        "r.example.com:0443",
        "r.example.com/v2",
        "r.example.com:",
    ] {
        let image = image_for(key);
        assert!(image.is_some_and(|image| matches(key, &image)), "{key}");
    }
    for key in [
        "",
        "ghcr",
        "index.docker.io/acme",
        "https://index.docker.io/v1",
        "oci://ghcr.io",
        "ghcr.io/Acme",
        "ghcr.io/a..b",
        "ghcr.io/acme/*",
        "ghcr.io//acme",
        "ghcr.io/a b",
        "gh\u{441}r.io",
        "r.example.com.",
        "-r*.example.com",
        "r_x.example.com:5000",
        "[fd00::1]",
        "[::ffff:10.0.0.1]:5000",
        "/acme",
    ] {
        assert_eq!(image_for(key), None, "{key}");
    }
    let long = format!("ghcr.io/{}", "a".repeat(256));
    assert_eq!(
        (image_for(&long), image_for(&long[..long.len() - 1]).is_some()),
        (None, true)
    );
}

proptest! {
    #[test]
    fn a_key_without_an_image_matches_none(key in key(), image in image()) {
        prop_assert!(image_for(&key).is_some() || !matches(&key, &image));
    }

    /// A key of a config that is taken whole serves the same images as before, when it is alone.
    #[test]
    fn rewritten_keys_alone_serve_the_same_images(key in key(), image in image()) {
        prop_assert_eq!(matches(&whole_key(&key), &image), matches(&key, &image));
    }

    #[test]
    fn a_config_taken_whole_never_gains_a_match(keys in prop::collection::vec(key(), 1..4), image in image()) {
        let rewritten: Vec<String> = keys.iter().map(|key| whole_key(key)).collect();
        let before = lookup(keys.iter().map(String::as_str), &image);
        let after = lookup(rewritten.iter().map(String::as_str), &image);
        for key in after {
            let had = before.iter().any(|&was| whole_key(was) == key);
            prop_assert!(had, "{} is new for {}", key, image);
        }
    }

    #[test]
    fn lookup_never_panics_on_any_input(key in ".{0,40}", image in ".{0,40}") {
        let _ = matches(&key, &image);
        let _ = matches(&key, "r.example.com/x");
    }

    #[test]
    fn a_full_name_is_its_own_full_name(image in "[a-zA-Z0-9.:/_@\\[\\]-]{1,30}") {
        if let Some(name) = repository(&image) {
            let again = repository(&name);
            prop_assert_eq!(again, Some(name));
        }
    }
}

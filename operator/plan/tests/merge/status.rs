//! The status that a merge gives each registry.

use super::{broken, gave, remembered, said, whole};
use plan::registries::{LastGood, merge};

#[test]
fn the_status_names_where_tied_logins_came_from() {
    let last_good = LastGood::from([remembered("r.io", "s/robot#a,b", "r.io")]);
    let merged = merge(&[broken("r.io", Some("r.io"), "s/own#a,b")], &last_good);
    let message = merged.registries[0].message.as_deref();
    assert_eq!(
        message,
        Some("not found; existing copies keep the login from secret \"s/robot\", and no other namespace gets it")
    );
}

#[test]
fn the_status_names_former_keys_of_a_source() {
    let last_good = LastGood::from([remembered("r.io", "s/robot#config.json", "r.io")]);
    let merged = merge(&[broken("r.io", Some("r.io"), "s/robot#auth.json")], &last_good);
    let message = merged.registries[0].message.as_deref().unwrap_or_default();
    let says = "; existing copies keep the login from secret \"s/robot\", keys [\"config.json\"], and no other namespace gets it";
    assert!(message.ends_with(says), "{message}");
}

/// A key that is no server may be a secret, so the status does not list it.
#[test]
fn only_servers_of_a_config_are_listed() {
    let auths = r#"{"quay.io":{"auth":"dTpw"},"https://robot:hunter2@r.io":{"auth":"dTpw"},"ghcr.io/acme":{"auth":"dTpw"},
        "bad.io":{},"Hub hunter2":{}}"#;
    let merged = merge(&[whole(auths)], &LastGood::new());
    let status = &merged.registries[0];
    assert_eq!(
        status.servers,
        ["entry 2: not a server name", "ghcr.io/acme", "quay.io"]
    );
    let shown = format!("{status:?}");
    assert!(!shown.contains("hunter2"), "{shown}");

    let mut gone = whole("{}");
    assert!(gone.result.is_err());
    let remembered = merge(&[gone.clone()], &merged.last_good);
    assert_eq!(
        remembered.registries[0].servers,
        ["ghcr.io/acme", "https://r.io", "quay.io"]
    );
    gone.server = Some("quay.io".to_owned());
    assert!(merge(&[gone], &merged.last_good).registries[0].servers.is_empty());

    let many: serde_json::Map<_, _> = (0..40)
        .map(|at| (format!("r{at:02}.io"), serde_json::json!({"auth": "dTpw"})))
        .collect();
    let many = merge(&[whole(&serde_json::Value::from(many).to_string())], &LastGood::new());
    let listed = &many.registries[0].servers;
    assert_eq!((listed.len(), listed.is_sorted()), (32, true));
}

#[test]
fn superseded_entries_are_named_safely() {
    let merged = merge(
        &[
            whole(r#"{"https://u:hunter2@r.io":{"auth":"dTpw"},"ghcr.io":{"auth":"dTpw"}}"#),
            gave("r.io", Some("r.io"), &[("r.io", "b")]),
        ],
        &LastGood::new(),
    );
    let message = merged.registries[0].message.as_deref().unwrap_or_default();
    assert!(
        message.starts_with("another registry of this object provides the login for: entry 1; secret "),
        "{message}"
    );
    assert!(!message.contains("hunter2"), "{message}");
    assert_eq!(merged.registries[0].reason, "Superseded");
}

#[test]
fn unmatched_credentials_are_not_ready() {
    let useless = whole(r#"{"https://index.docker.io/v1":{"auth":"dTpw"},"oci://ghcr.io":{"auth":"dTpw"}}"#);
    let merged = merge(std::slice::from_ref(&useless), &LastGood::new());
    assert_eq!(said(&merged), [("SourceInvalid", false)]);
    let problem = merged.problem.expect("a problem");
    assert!(
        problem.message.starts_with("no image can match any entry: secret "),
        "{}",
        problem.message
    );
    for spelling in ["https://index.docker.io/v1/", "ghcr.io"] {
        assert!(
            problem.message.contains(&format!("; write \"{spelling}\"")),
            "{}",
            problem.message
        );
    }
    assert_eq!(merged.entries.len(), 2, "they stay where they are");

    let with_another = merge(
        &[useless, gave("r.io", Some("r.io"), &[("r.io", "b")])],
        &LastGood::new(),
    );
    assert_eq!(said(&with_another), [("Resolved", true), ("Resolved", true)]);
    assert!(with_another.registries[0].message.is_some() && with_another.problem.is_none());
}

//! Properties of the parsers for docker configs and for servers, for any input. Users write that input: docker configs in
//! source Secrets, servers in objects.
//!
//! Each function takes one input and panics if a property fails. `.ci/fuzz` runs libFuzzer, which searches for such an
//! input by the branches that it reaches. `tests/corpus.rs` runs all inputs in `corpus`.

mod secrecy;

use std::collections::BTreeMap;

use plan::credential::Credential;
use plan::docker_config::{DockerConfig, render, rendered_len};
use plan::server::{DOCKER_HUB, Server, suggestion};
use plan::{image, keyring};

/// Any bytes as the value of `.dockerconfigjson`.
///
/// # Panics
///
/// Panics if an accepted config does not round-trip, or if an error shows more than a position or a key.
pub fn docker_config(bytes: &[u8]) {
    let config = match DockerConfig::parse(bytes) {
        Ok(config) => config,
        Err(error) => return secrecy::tells_no_value(&error, bytes),
    };
    let own = config.entries();
    match config.whole() {
        Err(error) => {
            secrecy::tells_no_value(&error, bytes);
            assert!(own.is_empty(), "what can be used is used");
        }
        Ok(whole) => {
            secrecy::remark_on_no_value(&whole.warnings, bytes);
            let again = comes_back(&whole.entries).whole();
            assert!(
                again.is_ok_and(|again| again.entries == whole.entries),
                "taken whole a second time"
            );
        }
    }
    if !own.is_empty() {
        comes_back(own);
    }
    for (key, credential) in own {
        assert_eq!(
            Credential::new(credential.username(), credential.password()).as_ref(),
            Ok(credential)
        );
        let tried = keyring::lookup(own.keys().map(String::as_str), key);
        assert!(tried.iter().all(|key| own.contains_key(*key)), "{tried:?}");
        if let Ok(server) = Server::parse(key) {
            assert!(config.entry_for(&server).is_ok(), "no entry for {server}");
        }
    }
}

/// Any bytes as `server` of a registry.
///
/// # Panics
///
/// When what is accepted has no key of its own, serves no image or cannot be written, or an error quotes the text.
pub fn server(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let server = match Server::parse(text) {
        Ok(server) => server,
        Err(error) => return secrecy::tells_no_server(error),
    };
    assert_eq!(Server::parse(server.as_str()).as_ref(), Ok(&server), "read once more");
    assert!(server.is_spelled(text) && server.is_spelled(server.as_str()));
    assert_eq!(
        suggestion(server.as_str()).as_ref(),
        Some(&server),
        "what is right is meant"
    );
    if let Ok(credential) = Credential::new("user", "password") {
        let config = comes_back(&BTreeMap::from([(server.to_string(), credential.clone())]));
        assert_eq!(config.entry_for(&server), Ok(&credential));
    }
    let image = an_image_of(&server);
    if image::repository(&image).is_some() {
        assert!(
            keyring::matches(server.as_str(), &image),
            "{server} does not serve {image}"
        );
    }
}

/// What is written for these entries is read as these entries, and written in the same way again.
fn comes_back(entries: &BTreeMap<String, Credential>) -> DockerConfig {
    let written = render(entries);
    assert_eq!(rendered_len(entries), written.len());
    let config = DockerConfig::parse(&written).expect("what is written is accepted");
    assert!(config.entries() == entries, "other entries come back");
    assert!(render(config.entries()) == written, "it is written in another way");
    config
}

/// An image under the server. Not a valid one for each: a path may hold more than a repository does.
fn an_image_of(server: &Server) -> String {
    match server.as_str() {
        DOCKER_HUB => "app".to_owned(),
        key if key.ends_with('/') => format!("{}app", key.replace('*', "any")),
        key => format!("{}/app", key.replace('*', "any")),
    }
}

//! What the flags want, in place of a file.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crd::names::BASIC_AUTH_TYPE;
use plan::credential::Credential;
use plan::server::Server;
use serde_json::json;

use super::document::Document;
use super::object::API_VERSION;
use super::wanted::{Wanted, of_documents};

/// The values of the flags.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// The registry.
    pub server: &'a str,
    /// User name and password. A removal needs none.
    pub login: Option<(&'a str, &'a str)>,
    /// Namespaces that get no login, by names or globs.
    pub excluded: &'a [String],
    /// The name, if it is not to be made of the server.
    pub name: Option<&'a str>,
    /// The namespace of the operator.
    pub operator_namespace: &'a str,
}

/// Returns one object for all namespaces, with its source. The errors hold no value of a flag.
pub fn of_login(given: Given<'_>) -> Result<Wanted, Vec<String>> {
    let server = Server::parse(given.server).map_err(|error| vec![format!("--server: {error}")])?;
    let name = given.name.map_or_else(|| name_of(&server), str::to_owned);
    let (username, password) = given.login.unwrap_or(("removed", "removed"));
    let login = Credential::from_bytes(username.as_bytes(), password.as_bytes());
    let login = login.map_err(|error| vec![format!("--username and --password-stdin: {error}")])?;
    let data: BTreeMap<&str, String> = [("username", login.username()), ("password", login.password())]
        .into_iter()
        .map(|(key, value)| (key, STANDARD.encode(value)))
        .collect();
    let source = json!({
        "apiVersion": "v1", "kind": "Secret", "type": BASIC_AUTH_TYPE,
        "metadata": {"name": name, "namespace": given.operator_namespace}, "data": data,
    });
    let mut namespaces = json!({"selectors": [{}]});
    if !given.excluded.is_empty() {
        namespaces["excluded"] = json!(given.excluded);
    }
    // Docker Hub has a key that the schema does not take as a server.
    let declared = if server.as_str() == plan::server::DOCKER_HUB {
        "docker.io"
    } else {
        server.as_str()
    };
    let object = json!({
        "apiVersion": API_VERSION, "kind": "ClusterPullSecret", "metadata": {"name": name},
        "spec": {
            "registries": [{"server": declared, "credentials": {"basicAuth": {"secretRef": {"name": name}}}}],
            "namespaces": namespaces,
        },
    });
    let documents = [source, object].map(Document::made);
    let mut wanted = of_documents(&documents, given.operator_namespace)?;
    wanted.made = true;
    Ok(wanted)
}

/// A name for the object of a server: `harbor.example.com` becomes `harbor-example-com`.
fn name_of(server: &Server) -> String {
    let text = if server.as_str() == plan::server::DOCKER_HUB {
        "docker.io"
    } else {
        server.as_str()
    };
    let mut name = String::new();
    for letter in text.chars() {
        if letter.is_ascii_lowercase() || letter.is_ascii_digit() {
            name.push(letter);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(63);
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_servers() {
        for (server, name) in [
            ("harbor.example.com", "harbor-example-com"),
            ("https://r.example.com:5000/team/", "r-example-com-5000-team"),
            ("docker.io", "docker-io"),
            ("*.dkr.ecr.eu-west-1.amazonaws.com", "dkr-ecr-eu-west-1-amazonaws-com"),
        ] {
            assert_eq!(name_of(&Server::parse(server).unwrap()), name);
        }
    }
}

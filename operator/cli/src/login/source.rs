//! The logins of a Secret, or of the sources of a `ClusterPullSecret`.

use crd::names::{DOCKER_CONFIG_TYPE, LEGACY_CONFIG_TYPE};
use crd::{ClusterPullSecret, Registry, SecretReference};
use k8s_openapi::api::core::v1::Secret;
use plan::docker_config::{PullSecret, SentLogin};
use plan::server::Server;

use super::offer::Offers;
use crate::args::{LoginSource, OPERATOR_NAMESPACE};
use crate::cluster::{Connected, Failure};
use crate::world::{Kind, Logins, Unseen};

/// Returns the logins, and keeps them in a snapshot. The error names the Secret or the object, and no value.
pub async fn offers(connected: &Connected, source: &LoginSource, logins: &mut Logins) -> Result<Offers, Unseen> {
    let mut offers = Offers::default();
    let (kind, namespace, name) = match source {
        LoginSource::Secret { namespace, name } => {
            let namespace = namespace.as_deref().unwrap_or(&connected.namespace);
            let secret = read(connected, namespace, name).await?;
            add_config(&mut offers, logins, &secret, (None, None));
            (Kind::Secret, Some(namespace), name)
        }
        LoginSource::Object(name) => {
            let object = connected.cluster_pull_secret(name).await;
            let object = object.map_err(|failure| unseen(Kind::ClusterPullSecret, None, name, &failure.to_string()))?;
            for registry in &object.spec.registries {
                add_registry(connected, (&mut offers, &mut *logins), &object, registry).await?;
            }
            (Kind::ClusterPullSecret, None, name)
        }
    };
    if offers.is_empty() {
        return Err(unseen(
            kind,
            namespace,
            name,
            "it has no login that a kubelet would use",
        ));
    }
    Ok(offers)
}

fn unseen(kind: Kind, namespace: Option<&str>, name: &str, why: &str) -> Unseen {
    Unseen {
        kind,
        namespace: namespace.map(Into::into),
        name: Some(name.into()),
        why: why.to_owned(),
    }
}

async fn add_registry(
    connected: &Connected,
    (offers, logins): (&mut Offers, &mut Logins),
    object: &ClusterPullSecret,
    registry: &Registry,
) -> Result<(), Unseen> {
    let server = registry.server.as_deref().and_then(|server| Server::parse(server).ok());
    if let (Some(source), Some(server)) = (&registry.credentials.basic_auth, &server) {
        let secret = source_of(connected, object, &source.secret_ref).await?;
        let half = |key: &str| {
            let value = secret.data.as_ref().and_then(|data| data.get(key));
            value.and_then(|value| std::str::from_utf8(&value.0).ok())
        };
        if let (Some(username), Some(password)) = (half(&source.username_key), half(&source.password_key)) {
            offers.add(server.as_str(), SentLogin::new(username, password), logins);
        }
    }
    if let Some(source) = &registry.credentials.docker_config {
        let secret = source_of(connected, object, &source.secret_ref).await?;
        add_config(offers, logins, &secret, (source.key.as_deref(), server.as_ref()));
    }
    Ok(())
}

/// Reads a source. Without a namespace it is in that of the operator, which the status names.
async fn source_of(
    connected: &Connected,
    object: &ClusterPullSecret,
    reference: &SecretReference,
) -> Result<Secret, Unseen> {
    let installation = object.status.as_ref().and_then(|status| status.installation.as_deref());
    let own = installation
        .and_then(|lease| lease.split_once('/'))
        .map_or(OPERATOR_NAMESPACE, |(namespace, _)| namespace);
    read(
        connected,
        reference.namespace.as_deref().unwrap_or(own),
        &reference.name,
    )
    .await
}

async fn read(connected: &Connected, namespace: &str, name: &str) -> Result<Secret, Unseen> {
    let body = connected.object(Kind::Secret, Some(namespace), name).await;
    let secret =
        body.and_then(|body| serde_json::from_slice::<Secret>(&body).map_err(|error| Failure::unreadable(&error)));
    secret.map_err(|failure| unseen(Kind::Secret, Some(namespace), name, &failure.to_string()))
}

/// Adds the logins of a docker config. With a server, only those under its spellings, under its own key.
fn add_config(
    offers: &mut Offers,
    logins: &mut Logins,
    secret: &Secret,
    (key, server): (Option<&str>, Option<&Server>),
) {
    let type_ = secret.type_.as_deref().unwrap_or_default();
    let data = |name: &str| {
        secret
            .data
            .as_ref()
            .and_then(|data| data.get(name))
            .map(|value| value.0.as_slice())
    };
    let read = match key {
        // A source may keep a docker config under any key of any type.
        Some(key) => PullSecret::read(DOCKER_CONFIG_TYPE, |_| data(key)),
        None if type_ == LEGACY_CONFIG_TYPE => PullSecret::read(type_, data),
        None => PullSecret::read(DOCKER_CONFIG_TYPE, data),
    };
    for entry in read.entries().iter().filter(|entry| !entry.login.is_blank()) {
        let login = entry.login.clone();
        match server {
            None => offers.add(&entry.key, login, logins),
            Some(server) if server.is_spelled(&entry.key) => offers.add(server.as_str(), login, logins),
            Some(_) => {}
        }
    }
}

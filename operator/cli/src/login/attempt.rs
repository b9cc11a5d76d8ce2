//! One login for one image.

use std::io;

use futures::{StreamExt as _, stream};
use http::{HeaderValue, Method, StatusCode, Uri};
use serde::Deserialize;

use super::challenge::Challenge;
use super::http::{Http, Reply};
use super::offer::Offers;
use super::permission::Permission;
use super::reference::{Reference, is_local};
use crate::verdict::LoginOutcome;
use crate::world::LoginId;

/// Images that are tried at a time.
pub const AT_ONCE: usize = 8;

/// The registries, as this machine reaches them.
pub struct Registries {
    http: Http,
    permission: Permission,
}

/// A login that was tried for an image, or a request without one, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The image as written.
    pub image: String,
    /// The login.
    pub login: Option<LoginId>,
    /// What the registry answered.
    pub outcome: LoginOutcome,
}

/// What the endpoint of tokens prints. It has no `Debug`.
#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

impl Registries {
    /// Makes them. The error is that of the certificates of this machine.
    pub fn new(permission: Permission) -> io::Result<Self> {
        Ok(Self {
            http: Http::new()?,
            permission,
        })
    }

    /// Returns the hosts to which no login was sent, since the Secret does not name them.
    pub async fn withheld(&self) -> Vec<String> {
        self.permission.refused().await
    }

    /// Tries for each image the logins that a kubelet would try, until one is accepted. Images without a login are left
    /// out.
    pub async fn try_logins(&self, offers: &Offers, images: impl Iterator<Item = &str>) -> Vec<Trial> {
        let images = images.filter(|image| offers.has_one_for(image));
        let trials: Vec<Vec<Trial>> = stream::iter(images)
            .map(|image| self.image(offers, image))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        trials.into_iter().flatten().collect()
    }

    /// Asks for each image without a login.
    pub async fn probe(&self, images: impl Iterator<Item = &str>) -> Vec<Trial> {
        let none = &Offers::default();
        stream::iter(images)
            .map(|image| self.anonymous(none, image))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await
    }

    async fn anonymous(&self, none: &Offers, image: &str) -> Trial {
        Trial {
            image: image.to_owned(),
            login: None,
            outcome: self.once(none, image, None).await,
        }
    }

    async fn image(&self, offers: &Offers, image: &str) -> Vec<Trial> {
        let mut trials = Vec::new();
        for (id, login) in offers.logins_for(image) {
            let outcome = self.once(offers, image, Some(login)).await;
            trials.push(Trial {
                image: image.to_owned(),
                login: Some(id),
                outcome,
            });
            if outcome == LoginOutcome::Accepted {
                break;
            }
        }
        trials
    }

    async fn once(&self, offers: &Offers, image: &str, login: Option<&HeaderValue>) -> LoginOutcome {
        self.answer(offers, image, login).await.unwrap_or(LoginOutcome::Unknown)
    }

    /// The outcome; none where no answer came.
    async fn answer(&self, offers: &Offers, image: &str, login: Option<&HeaderValue>) -> Option<LoginOutcome> {
        let reference = Reference::parse(image)?;
        let manifest = reference.manifest()?;
        let first = self.http.send(&Method::HEAD, &manifest, None).await?;
        if first.status != StatusCode::UNAUTHORIZED {
            return Some(judged(&first, login.is_none()));
        }
        let answer = match (Challenge::of(&first.headers)?, login) {
            (Challenge::Basic, None) => return Some(LoginOutcome::Refused),
            (Challenge::Basic, Some(login)) => self.http.send(&Method::HEAD, &manifest, Some(login)).await?,
            (Challenge::Bearer { realm, service }, login) => {
                let host = realm.host()?.to_owned();
                if login.is_some() && !self.may_send(offers, &reference, &realm, &host).await {
                    return None;
                }
                let address = address(&realm, service.as_deref(), &reference.repository)?;
                let given = self.http.send(&Method::GET, &address, login).await?;
                if given.status != StatusCode::OK {
                    return Some(judged(&given, true));
                }
                let token: Token = serde_json::from_slice(&given.body).ok()?;
                let token = token.token.or(token.access_token)?;
                let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
                bearer.set_sensitive(true);
                self.http.send(&Method::HEAD, &manifest, Some(&bearer)).await?
            }
        };
        Some(judged(&answer, true))
    }

    /// The login leaves this machine over TLS alone, and goes to the registry itself, to what the Secret names, or to
    /// what a person allows.
    async fn may_send(&self, offers: &Offers, reference: &Reference, realm: &Uri, host: &str) -> bool {
        if realm.scheme_str() != Some("https") && !is_local(host) {
            return false;
        }
        let registry = reference.host.split(':').next().unwrap_or_default();
        host == registry || offers.name(host) || self.permission.to_send(&reference.host, host).await
    }
}

/// What a status says about the login. `asked` tells that the registry knows it, or knows that there is none.
fn judged(reply: &Reply, asked: bool) -> LoginOutcome {
    match reply.status {
        StatusCode::OK => LoginOutcome::Accepted,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if asked => LoginOutcome::Refused,
        // 404 is also what some registries say to those who may not know.
        _ => LoginOutcome::Unknown,
    }
}

fn address(realm: &Uri, service: Option<&str>, repository: &str) -> Option<Uri> {
    let escape = |text: &str| {
        text.replace('%', "%25")
            .replace('&', "%26")
            .replace(' ', "%20")
            .replace('#', "%23")
    };
    let join = if realm.query().is_some() { '&' } else { '?' };
    let service = service
        .map(|service| format!("service={}&", escape(service)))
        .unwrap_or_default();
    format!("{realm}{join}{service}scope=repository:{}:pull", escape(repository))
        .parse()
        .ok()
}

#[cfg(test)]
mod tests;

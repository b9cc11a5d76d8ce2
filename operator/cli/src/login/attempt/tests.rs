use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use plan::docker_config::SentLogin;
use tokio::net::TcpListener;

use super::*;
use crate::login::permission::Answer;
use crate::world::Logins;

/// What a registry does.
#[derive(Clone, Copy)]
enum Kind {
    /// It asks for no login.
    Open,
    /// It wants the login itself.
    Basic,
    /// It wants a token, which the given host gives.
    Bearer(&'static str),
    /// It answers with this status.
    Broken(u16),
}

/// A registry on this machine, and the logins that came to it, by path.
struct Fake {
    address: String,
    logins: Arc<Mutex<Vec<(String, String)>>>,
}

const RIGHT: (&str, &str) = ("robot", "right");

fn offers(key: &str, (username, password): (&str, &str)) -> Offers {
    let mut offers = Offers::default();
    offers.add(key, SentLogin::new(username, password), &mut Logins::default());
    offers
}

fn basic(login: (&str, &str)) -> String {
    let offers = offers("r.example", login);
    let (_, header) = offers.logins_for("r.example/app").next().unwrap();
    header.to_str().unwrap().to_owned()
}

fn respond(kind: Kind, address: &str, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let login = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let plain = |status: u16| Response::builder().status(status).body(Full::default()).unwrap();
    let challenge = |value: String| {
        let response = Response::builder().status(401).header(WWW_AUTHENTICATE, value);
        response.body(Full::default()).unwrap()
    };
    let right = basic(RIGHT);
    match kind {
        Kind::Open => plain(200),
        Kind::Broken(status) => plain(status),
        Kind::Basic if login == Some(&right) => plain(200),
        Kind::Basic => challenge("Basic realm=\"x\"".to_owned()),
        Kind::Bearer(_) if request.uri().path() == "/token" => match login {
            Some(login) if login == right => Response::new(Full::from(r#"{"token":"good"}"#)),
            Some(_) => plain(401),
            None => Response::new(Full::from(r#"{"access_token":"anonymous"}"#)),
        },
        Kind::Bearer(_) if login == Some("Bearer good") => plain(200),
        Kind::Bearer(host) => {
            let port = address.rsplit(':').next().unwrap();
            challenge(format!("Bearer realm=\"http://{host}:{port}/token\",service=\"s\""))
        }
    }
}

impl Fake {
    async fn start(kind: Kind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let logins = Arc::new(Mutex::new(Vec::new()));
        let fake = Self {
            address: address.clone(),
            logins: Arc::clone(&logins),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (address, logins) = (address.clone(), Arc::clone(&logins));
                let service = service_fn(move |request: Request<Incoming>| {
                    let login = request
                        .headers()
                        .get(AUTHORIZATION)
                        .map(|value| value.to_str().unwrap().to_owned());
                    let path = request.uri().path().to_owned();
                    logins.lock().unwrap().extend(login.map(|login| (path, login)));
                    let response = respond(kind, &address, &request);
                    async move { Ok::<_, Infallible>(response) }
                });
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        fake
    }

    /// The outcome of a login, and the one without.
    async fn outcomes(&self, login: (&str, &str), answer: Answer) -> (LoginOutcome, LoginOutcome) {
        let registries = Registries::new(Permission::new(answer)).unwrap();
        let offers = offers(&self.address, login);
        let image = format!("{}/team/app:1", self.address);
        let one = |trials: Vec<Trial>| trials[0].outcome;
        let with = registries.try_logins(&offers, [image.as_str()].into_iter()).await;
        (one(with), one(registries.probe([image.as_str()].into_iter()).await))
    }
}

#[tokio::test]
async fn logins_are_accepted_refused_or_unknown() {
    use LoginOutcome::{Accepted, Refused, Unknown};
    for (kind, right, wrong, without) in [
        (Kind::Open, Accepted, Accepted, Accepted),
        (Kind::Basic, Accepted, Refused, Refused),
        (Kind::Bearer("127.0.0.1"), Accepted, Refused, Refused),
        (Kind::Broken(500), Unknown, Unknown, Unknown),
        (Kind::Broken(404), Unknown, Unknown, Unknown),
        (Kind::Broken(401), Unknown, Unknown, Unknown),
        (Kind::Broken(403), Unknown, Unknown, Refused),
        (Kind::Broken(429), Unknown, Unknown, Unknown),
    ] {
        let fake = Fake::start(kind).await;
        assert_eq!(fake.outcomes(RIGHT, Answer::No).await, (right, without));
        assert_eq!(fake.outcomes(("robot", "wrong"), Answer::No).await, (wrong, without));
    }
}

/// A firewall between here and the registry is no proof against the login.
#[tokio::test]
async fn an_unreachable_registry_refuses_nothing() {
    let fake = Fake {
        address: "127.0.0.1:1".to_owned(),
        logins: Arc::default(),
    };
    let unknown = LoginOutcome::Unknown;
    assert_eq!(fake.outcomes(RIGHT, Answer::Yes).await, (unknown, unknown));
}

#[tokio::test]
async fn logins_go_to_named_or_allowed_hosts_only() {
    let fake = Fake::start(Kind::Bearer("localhost")).await;
    // Tokens come from the host itself.
    let sent = || {
        let logins = fake.logins.lock().unwrap();
        let logins = logins.iter().filter(|(_, login)| login.starts_with("Basic "));
        logins.map(|(path, _)| path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(fake.outcomes(RIGHT, Answer::No).await.0, LoginOutcome::Unknown);
    assert_eq!(sent(), Vec::<String>::new());
    assert_eq!(fake.outcomes(RIGHT, Answer::Yes).await.0, LoginOutcome::Accepted);
    assert_eq!(sent(), ["/token"]);
}

#[tokio::test]
async fn images_without_a_login_are_left_out() {
    let registries = Registries::new(Permission::new(Answer::No)).unwrap();
    let offers = offers("r.example", RIGHT);
    let images = ["other.example/app", "r.example.com/app", "r.example:443/app"];
    assert!(registries.try_logins(&offers, images.into_iter()).await.is_empty());
}

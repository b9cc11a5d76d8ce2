//! API servers in memory, for tests: one that answers as a test says, and a [store](Store) with other writers.

mod store;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;

use super::client::Connected;

pub(crate) use store::{Actor, Fake, Key, Store, key};

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// Method and path: `GET /version`.
    pub(crate) what: String,
    /// What follows the `?`.
    pub(crate) query: String,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn is_dry_run(&self) -> bool {
        self.query.contains("dryRun=All")
    }
}

/// A context on a server with these answers, each a status and a body.
fn connected(answer: impl Fn(Asked) -> (u16, Value) + Send + Sync + 'static) -> Connected {
    let answer = Arc::new(answer);
    let service = tower::service_fn(move |request: Request<Body>| {
        let answer = Arc::clone(&answer);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let (status, body) = answer(Asked {
                what: format!("{} {}", parts.method, parts.uri.path()),
                query: parts.uri.query().unwrap_or_default().to_owned(),
                body: String::from_utf8_lossy(&body).into_owned(),
            });
            let response = Response::builder().status(status);
            Ok::<_, kube::Error>(response.body(Body::from(body.to_string().into_bytes())).unwrap())
        }
    });
    Connected {
        name: "fake".to_owned(),
        namespace: "default".to_owned(),
        client: kube::Client::new(service, "default"),
        host: "fake".to_owned(),
    }
}

/// A server whose answers are those of a function of the request and of all requests before it.
pub(crate) struct Server {
    asked: Arc<Mutex<Vec<Asked>>>,
    pub(crate) connected: Connected,
}

impl Server {
    pub(crate) fn new(answer: impl Fn(&Asked, &[Asked]) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let all = Arc::clone(&asked);
        let connected = connected(move |one| {
            let mut all = all.lock().unwrap();
            let answered = answer(&one, &all);
            all.push(one);
            answered
        });
        Self { asked, connected }
    }

    /// Returns what it was asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until it was asked this so often. The caller's time limit is that of the test.
    pub(crate) async fn was_asked(&self, what: &str, times: usize) {
        while self.asked().iter().filter(|one| one.what == what).count() < times {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns method and path of each request that would change something.
    pub(crate) fn writes(&self) -> Vec<String> {
        let asked = self.asked();
        let writes = asked
            .iter()
            .filter(|one| !one.what.starts_with("GET ") && !one.is_dry_run());
        writes.map(|one| one.what.clone()).collect()
    }
}

//! Complete watches against a fake API server, with the clock stopped.

use futures::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use kube::Api;
use kube::runtime::watcher::Event;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use tower::ServiceExt as _;

use super::*;
use crate::api::partial::PartialNamespace;
use crate::api::watch::{ListStrategy, Selector, Watches};
use crate::leadership::Leadership;
use crate::observability::health::{self, Heartbeat};

type Pieces = stream::BoxStream<'static, Result<Frame<Bytes>, std::io::Error>>;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// How the fake server treats a watch.
#[derive(Clone, Copy, PartialEq)]
enum Server {
    /// Sends a bookmark every minute, and ends the watch after the requested time.
    Quiet,
    /// Answers the list, and no request after it.
    HangsAfterTheList,
    /// Always answers 403.
    Forbids,
    /// Refuses connections.
    Away,
    /// Never answers.
    Silent,
}

impl Server {
    fn client(self) -> Client {
        let serve = move |request: Request<Body>| async move {
            let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            match self {
                Self::Away => Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)),
                Self::Forbids => Ok(answer(403, said(&forbidden()))),
                Self::Quiet | Self::HangsAfterTheList if !is_watch => Ok(answer(200, said(&list()))),
                Self::Quiet => Ok(answer(200, bookmarks())),
                Self::Silent | Self::HangsAfterTheList => std::future::pending().await,
            }
        };
        Client::new(service_fn(serve), "default")
    }
}

fn answer(code: u16, pieces: Pieces) -> Response<StreamBody<Pieces>> {
    let mut response = Response::new(StreamBody::new(pieces));
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap();
    response
}

fn forbidden() -> serde_json::Value {
    json!({"kind": "Status", "status": "Failure", "code": 403})
}

fn said(value: &serde_json::Value) -> Pieces {
    let line = Bytes::from(format!("{value}\n"));
    Box::pin(stream::iter([Ok(Frame::data(line))]))
}

fn list() -> serde_json::Value {
    let one = json!({"metadata": {"name": "a", "uid": "u", "resourceVersion": "1"}});
    json!({"kind": "NamespaceList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": [one]})
}

fn bookmarks() -> Pieces {
    let mark = json!({"type": "BOOKMARK", "object": {
        "kind": "Namespace", "apiVersion": "v1", "metadata": {"resourceVersion": "8", "creationTimestamp": null}}});
    let line = Bytes::from(format!("{mark}\n"));
    Box::pin(stream::unfold(0, move |sent| {
        let line = line.clone();
        async move {
            if sent == 4 {
                tokio::time::sleep(Duration::from_secs(50)).await;
                return None;
            }
            tokio::time::sleep(MINUTE).await;
            Some((Ok(Frame::data(line)), sent + 1))
        }
    }))
}

/// Watches namespaces on `server`, while a Lease is read from `lease` every two seconds.
fn watched(server: Server, lease: Server) -> (WatchHealth, mpsc::Receiver<Event<PartialNamespace>>, CancellationToken) {
    relisted(server, lease, None)
}

/// The same, with a relist interval.
fn relisted(
    server: Server,
    lease: Server,
    relist: Option<Duration>,
) -> (WatchHealth, mpsc::Receiver<Event<PartialNamespace>>, CancellationToken) {
    let health = WatchHealth::new();
    let (sender, events) = mpsc::channel(16);
    let token = CancellationToken::new();
    let watches = Watches::new(server.client(), ListStrategy::Paged, relist, health.clone());
    let all = Selector::default();
    watches.spawn("namespaces", Api::all, all, sender, token.clone(), |event, _| event);
    let lease = health.observe(lease.client());
    tokio::spawn(async move {
        loop {
            let read = lease.send(Request::get("/lease").body(Body::empty()).unwrap());
            let _ = tokio::time::timeout(Duration::from_secs(4), read).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    });
    (health, events, token)
}

/// When a watch was first stuck, checked every second for an hour.
async fn stuck_after(health: &WatchHealth) -> Option<Duration> {
    let began = Instant::now();
    while began.elapsed() < HOUR {
        if health.stuck().is_some() {
            return Some(began.elapsed());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn each_watch_relists_after_the_interval() {
    let (health, mut events, _token) = relisted(Server::Quiet, Server::Quiet, Some(HOUR));
    let mut listed: Option<Instant> = None;
    for _ in 0..10 {
        let begins = events.recv().await;
        assert!(matches!(begins, Some(Event::Init)), "{begins:?}");
        if let Some(listed) = listed {
            let minutes = listed.elapsed().as_secs() / 60;
            assert!((54..66).contains(&minutes), "after {minutes} minutes");
        }
        let one = events.recv().await;
        assert!(matches!(one, Some(Event::InitApply(_))), "{one:?}");
        let ends = events.recv().await;
        assert!(matches!(ends, Some(Event::InitDone)), "{ends:?}");
        listed = Some(Instant::now());
        assert_eq!(health.stuck(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pending_list_is_not_restarted() {
    let (_progress, mut events, _token) = relisted(Server::Silent, Server::Quiet, Some(MINUTE));
    let first = events.recv().await;
    assert!(matches!(first, Some(Event::Init)), "{first:?}");
    tokio::time::sleep(HOUR).await;
    let more = events.try_recv();
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn bookmarks_keep_a_quiet_watch_active() {
    let (health, mut events, _token) = watched(Server::Quiet, Server::Quiet);
    for _ in 0..3 {
        events.recv().await.unwrap();
    }
    for _ in 0..3600 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(health.stuck(), None);
        let age = health.ages()["namespaces"];
        assert!(age <= MINUTE + Duration::from_secs(1), "{age:?}");
    }
    assert!(
        events.try_recv().is_err(),
        "nothing happened, and no list was read again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hanging_watch_is_stuck_after_three_minutes() {
    let (health, _events, _token) = watched(Server::HangsAfterTheList, Server::Quiet);
    let after = stuck_after(&health).await.expect("it is found");
    assert!(after > STUCK && after < STUCK + Duration::from_secs(5), "{after:?}");
    assert_eq!(health.stuck(), Some("namespaces"));
}

#[tokio::test(start_paused = true)]
async fn livez_fails_when_a_watch_hangs() {
    let (health, _events, _token) = watched(Server::HangsAfterTheList, Server::Quiet);
    let heartbeat = Heartbeat::new();
    let router = health::router(vec![heartbeat.clone()], Leadership::new(), health);
    let began = Instant::now();
    loop {
        heartbeat.beat();
        let asked = Request::get("/livez").body(axum::body::Body::empty()).unwrap();
        let code = router.clone().oneshot(asked).await.unwrap().status().as_u16();
        let after = began.elapsed();
        assert!(code == 200 || after > STUCK, "{code} after {after:?}");
        if code == 503 {
            return;
        }
        assert!(after < STUCK + Heartbeat::INTERVAL * 2, "{code} after {after:?}");
        tokio::time::sleep(Heartbeat::INTERVAL).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_server_makes_no_watch_stuck() {
    for server in [Server::Away, Server::Silent] {
        let (health, _events, _token) = watched(server, server);
        assert_eq!(stuck_after(&health).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_forbidden_watch_ages_but_is_not_stuck() {
    let (health, mut events, _token) = watched(Server::Forbids, Server::Quiet);
    // Each attempt starts with an event, and a controller takes it.
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    assert_eq!(stuck_after(&health).await, None);
    assert!(health.ages()["namespaces"] >= HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_panicked_watch_counts_as_stuck() {
    let (health, _events, token) = watched(Server::Quiet, Server::Quiet);
    let (sender, _receiver) = mpsc::channel::<()>(16);
    let watches = Watches::new(Server::Quiet.client(), ListStrategy::Paged, None, health.clone());
    let broken = |_: Event<PartialNamespace>, _| panic!("meant");
    let task = watches.spawn("broken", Api::all, Selector::default(), sender, token.clone(), broken);
    assert!(task.await.unwrap_err().is_panic());
    assert!(stuck_after(&health).await.is_some());
    assert_eq!(health.stuck(), Some("broken"));

    let (health, _events, token) = watched(Server::Quiet, Server::Quiet);
    token.cancel();
    assert_eq!(stuck_after(&health).await, None);
    assert!(health.ages().is_empty());
}

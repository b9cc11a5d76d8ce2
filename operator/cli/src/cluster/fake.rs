//! An API server in memory, for tests: preconditions, dry runs, finalizers, and a history of each object.
//!
//! Actors play other writers. They act after each request, as often as they like.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};

use super::client::Connected;
use crate::adopt::tests::merge;

/// Where an object is: its group, its plural, its namespace and its name.
pub(crate) type Key = (String, String, String, String);

/// What acts besides the tool under test.
pub(crate) type Actor = Box<dyn FnMut(&mut Store) + Send>;

/// All objects, and all states that they ever had.
#[derive(Default)]
pub(crate) struct Store {
    objects: BTreeMap<Key, Value>,
    /// Each write: the object after it, or none after its deletion.
    pub(crate) history: Vec<(Key, Option<Value>)>,
    version: u64,
    /// After so many writes of the tool each fails.
    pub(crate) writes_left: Option<usize>,
}

/// The server.
#[derive(Clone)]
pub(crate) struct Fake(Arc<Mutex<(Store, Vec<Actor>)>>);

impl Store {
    /// Stores an object, as a writer without preconditions does.
    pub(crate) fn put(&mut self, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let key = key(&object);
        self.history.push((key.clone(), Some(object.clone())));
        self.objects.insert(key, object);
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        self.objects.remove(key);
        self.history.push((key.clone(), None));
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key)
    }

    /// Returns the objects with this plural.
    pub(crate) fn all(&self, plural: &str) -> Vec<Value> {
        let of = |((_, of, _, _), object): (&Key, &Value)| (of == plural).then(|| object.clone());
        self.objects.iter().filter_map(of).collect()
    }

    fn answer(&mut self, method: &Method, path: &str, query: &str, body: &[u8]) -> (StatusCode, Value) {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        if path == "/apis" || segments.len() == 3 && segments[0] == "apis" {
            return (StatusCode::OK, self.discovered(&segments));
        }
        let (group, rest) = if segments[0] == "api" {
            ("", &segments[2..])
        } else {
            (segments[1], &segments[3..])
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            rest => ("", rest),
        };
        let plural = rest[0].to_owned();
        let name = rest.get(1).copied().unwrap_or_default();
        let key = (group.to_owned(), plural, namespace.to_owned(), name.to_owned());
        let is_read = *method == Method::GET;
        if !is_read
            && self
                .writes_left
                .as_mut()
                .is_some_and(|left| left.checked_sub(1).map(|less| *left = less).is_none())
        {
            return (StatusCode::INTERNAL_SERVER_ERROR, json!({}));
        }
        let dry_run = query.contains("dryRun=All");
        let sent: Value = serde_json::from_slice(body).unwrap_or_default();
        match (method.as_str(), name) {
            ("GET", "") => (StatusCode::OK, self.list(&key, query)),
            ("GET", _) => match self.objects.get(&key) {
                Some(object) => (StatusCode::OK, object.clone()),
                None => (StatusCode::NOT_FOUND, json!({})),
            },
            ("POST", _) => self.create(sent, dry_run),
            ("PATCH", _) => self.patch(&key, &sent, dry_run),
            _ => self.delete(&key, &sent, dry_run),
        }
    }

    fn discovered(&self, segments: &[&str]) -> Value {
        let version = |object: &Value| object["apiVersion"].as_str().unwrap_or_default().to_owned();
        if segments.len() == 1 {
            let mut groups: BTreeMap<String, String> = BTreeMap::new();
            for ((group, ..), object) in &self.objects {
                groups.insert(group.clone(), version(object));
            }
            let groups = groups
                .iter()
                .map(|(name, version)| json!({"name": name, "versions": [{"groupVersion": version}]}));
            return json!({"groups": groups.collect::<Vec<_>>()});
        }
        let wanted = format!("{}/{}", segments[1], segments[2]);
        let mut resources: Vec<&String> = self
            .objects
            .iter()
            .filter(|(_, object)| version(object) == wanted)
            .map(|((_, plural, ..), _)| plural)
            .collect();
        resources.dedup();
        let resources = resources.iter().map(|name| json!({"name": name}));
        json!({"resources": resources.collect::<Vec<_>>()})
    }

    fn list(&self, (group, plural, namespace, _): &Key, query: &str) -> Value {
        let parameter = |name: &str| {
            let found = query.split('&').find_map(|part| part.strip_prefix(name));
            found.map(|value| value.replace("%2F", "/").replace("%3D", "=").replace("%21", "!"))
        };
        let labels = parameter("labelSelector=");
        let fields = parameter("fieldSelector=");
        let is_selected = |object: &Value| {
            let label = labels.as_deref().and_then(|labels| labels.split_once('='));
            let label = label.is_none_or(|(key, value)| object["metadata"]["labels"][key] == value);
            let type_ = fields.as_deref().and_then(|fields| fields.strip_prefix("type="));
            label && type_.is_none_or(|type_| object["type"] == type_)
        };
        let here = |((of, kind, place, _), _): &(&Key, &Value)| {
            of == group && kind == plural && (namespace.is_empty() || place == namespace)
        };
        let items = self.objects.iter().filter(here).map(|(_, object)| object);
        let items: Vec<&Value> = items.filter(|object| is_selected(object)).collect();
        json!({"metadata": {}, "items": items})
    }

    fn create(&mut self, mut object: Value, dry_run: bool) -> (StatusCode, Value) {
        let key = key(&object);
        if self.objects.contains_key(&key) {
            return (StatusCode::CONFLICT, json!({}));
        }
        self.version += 1;
        object["metadata"]["uid"] = format!("made-{}", self.version).into();
        object["metadata"]["generation"] = 1.into();
        object["metadata"]["creationTimestamp"] = "2026-03-02T10:00:00Z".into();
        if !dry_run {
            self.put(object.clone());
        }
        (StatusCode::CREATED, object)
    }

    /// Each patch must carry the uid and the version that it was planned from.
    fn patch(&mut self, key: &Key, patch: &Value, dry_run: bool) -> (StatusCode, Value) {
        let Some(object) = self.objects.get(key) else {
            return (StatusCode::NOT_FOUND, json!({}));
        };
        let sent = &patch["metadata"];
        if !sent["uid"].is_string() || !sent["resourceVersion"].is_string() {
            return (StatusCode::UNPROCESSABLE_ENTITY, json!({}));
        }
        let is_equal = |field: &str| sent[field] == object["metadata"][field];
        if !is_equal("uid") || !is_equal("resourceVersion") {
            return (StatusCode::CONFLICT, json!({}));
        }
        let mut after = object.clone();
        merge(&mut after, patch);
        if after["spec"] != object["spec"] {
            let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
            after["metadata"]["generation"] = (generation + 1).into();
        }
        if !dry_run {
            self.put(after.clone());
        }
        (StatusCode::OK, after)
    }

    fn delete(&mut self, key: &Key, options: &Value, dry_run: bool) -> (StatusCode, Value) {
        let Some(object) = self.objects.get(key) else {
            return (StatusCode::NOT_FOUND, json!({}));
        };
        if options["preconditions"]["uid"] != object["metadata"]["uid"] {
            return (StatusCode::CONFLICT, json!({}));
        }
        let waits = object["metadata"]["finalizers"]
            .as_array()
            .is_some_and(|all| !all.is_empty());
        if dry_run {
            return (StatusCode::OK, json!({}));
        }
        if waits {
            let mut going = object.clone();
            going["metadata"]["deletionTimestamp"] = "2026-03-02T10:00:01Z".into();
            self.put(going);
        } else {
            self.remove(key);
        }
        (StatusCode::OK, json!({}))
    }
}

impl Fake {
    pub(crate) fn new(objects: &[Value], actors: Vec<Actor>) -> Self {
        let mut store = Store::default();
        for object in objects {
            store.put(object.clone());
        }
        Self(Arc::new(Mutex::new((store, actors))))
    }

    /// Looks at the store, or changes it.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Store) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    fn serve(&self, request: &http::request::Parts, body: &[u8]) -> (StatusCode, Value) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (store, actors) = &mut *inner;
        let path = request.uri.path();
        let answer = store.answer(&request.method, path, request.uri.query().unwrap_or_default(), body);
        for actor in actors {
            actor(store);
        }
        answer
    }

    /// A context on this server.
    pub(crate) fn connected(&self) -> Connected {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await;
                let body = body.map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
                let (status, answer) = server.serve(&parts, &body);
                Response::builder()
                    .status(status)
                    .body(Body::from(answer.to_string().into_bytes()))
            }
        });
        Connected {
            name: "fake".to_owned(),
            namespace: "default".to_owned(),
            client: kube::Client::new(service, "default"),
            host: "fake".to_owned(),
        }
    }
}

/// Where an object is, by what it says of itself.
pub(crate) fn key(object: &Value) -> Key {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = text(&object["apiVersion"]);
    let group = version.split_once('/').map_or("", |(group, _)| group).to_owned();
    let kind = text(&object["kind"]).to_lowercase();
    let plural = match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{kind}s"),
    };
    let metadata = &object["metadata"];
    (group, plural, text(&metadata["namespace"]), text(&metadata["name"]))
}

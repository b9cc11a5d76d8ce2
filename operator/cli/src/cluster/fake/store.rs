//! A server with a store: preconditions, dry runs, finalizers, and a history of each object.
//!
//! Actors play other writers. They act after each request, as often as they like.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::super::client::Connected;
use super::super::path::path_of;
use super::Asked;
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

    fn answer(&mut self, asked: &Asked) -> (u16, Value) {
        let (method, path) = asked.what.split_once(' ').unwrap();
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        if path == "/apis" || segments.len() == 3 && segments[0] == "apis" {
            return (200, self.discovered(&segments));
        }
        let key = key_at(&segments);
        let fails = |left: &mut usize| left.checked_sub(1).map(|less| *left = less).is_none();
        if method != "GET" && self.writes_left.as_mut().is_some_and(fails) {
            return (500, json!({}));
        }
        let sent: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        let dry_run = asked.is_dry_run();
        match (method, key.3.as_str()) {
            ("GET", "") => (200, self.list(&key, &asked.query)),
            ("GET", _) => match self.objects.get(&key) {
                Some(object) => (200, object.clone()),
                None => (404, json!({})),
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

    fn create(&mut self, mut object: Value, dry_run: bool) -> (u16, Value) {
        let key = key(&object);
        if self.objects.contains_key(&key) {
            return (409, json!({}));
        }
        self.version += 1;
        object["metadata"]["uid"] = format!("made-{}", self.version).into();
        object["metadata"]["generation"] = 1.into();
        object["metadata"]["creationTimestamp"] = "2026-03-02T10:00:00Z".into();
        if !dry_run {
            self.put(object.clone());
        }
        (201, object)
    }

    /// Each patch must carry the uid and the version that it was planned from.
    fn patch(&mut self, key: &Key, patch: &Value, dry_run: bool) -> (u16, Value) {
        let Some(object) = self.objects.get(key) else {
            return (404, json!({}));
        };
        let sent = &patch["metadata"];
        if !sent["uid"].is_string() || !sent["resourceVersion"].is_string() {
            return (422, json!({}));
        }
        let is_equal = |field: &str| sent[field] == object["metadata"][field];
        if !is_equal("uid") || !is_equal("resourceVersion") {
            return (409, json!({}));
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
        (200, after)
    }

    fn delete(&mut self, key: &Key, options: &Value, dry_run: bool) -> (u16, Value) {
        let Some(object) = self.objects.get(key) else {
            return (404, json!({}));
        };
        if options["preconditions"]["uid"] != object["metadata"]["uid"] {
            return (409, json!({}));
        }
        let waits = object["metadata"]["finalizers"]
            .as_array()
            .is_some_and(|all| !all.is_empty());
        if dry_run {
            return (200, json!({}));
        }
        if waits {
            let mut going = object.clone();
            going["metadata"]["deletionTimestamp"] = "2026-03-02T10:00:01Z".into();
            self.put(going);
        } else {
            self.remove(key);
        }
        (200, json!({}))
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

    /// A context on this server.
    pub(crate) fn connected(&self) -> Connected {
        let server = self.clone();
        super::connected(move |asked| {
            let mut inner = server.0.lock().unwrap_or_else(PoisonError::into_inner);
            let (store, actors) = &mut *inner;
            let answer = store.answer(&asked);
            for actor in actors {
                actor(store);
            }
            answer
        })
    }
}

/// Where the object, or the list, with these parts of a path is.
fn key_at(segments: &[&str]) -> Key {
    let (group, rest) = match segments {
        ["api", _, rest @ ..] => ("", rest),
        [_, group, _, rest @ ..] => (*group, rest),
        _ => panic!("{segments:?}"),
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        rest => ("", rest),
    };
    let name = rest.get(1).copied().unwrap_or_default();
    [group, rest[0], namespace, name].map(str::to_owned).into()
}

/// Where an object is, by what it says of itself.
pub(crate) fn key(object: &Value) -> Key {
    key_at(&path_of(object).trim_matches('/').split('/').collect::<Vec<_>>())
}

//! Which waiting Pods are replaced, and which never are.

#[path = "../common/mod.rs"]
mod common;

mod controllers;
mod lists;
mod owners;
mod pods;

use std::sync::Arc;

use plan::identity::Version;
use plan::object::Object;
use plan::observed::{Controller, ControllerKind, Pod};
use plan::recovery::{Verdict, decide};
use serde_json::json;

use common::{Stored, World, account, copy_of, object};

/// The image that an object `company` serves.
const IMAGE: &str = "r.example.com/app:1";

/// The docker config with a login for each of these servers.
fn config(servers: &[&str]) -> String {
    let auths: serde_json::Map<_, _> = servers
        .iter()
        .map(|server| ((*server).to_owned(), json!({"auth": "YTpi"})))
        .collect();
    json!({ "auths": auths }).to_string()
}

/// An object whose copies have a login for these servers.
fn serving(name: &str, servers: &[&str]) -> Object {
    let payload = common::payload(&config(servers));
    Object {
        payload: Some(payload),
        ..object(name, &json!({}))
    }
}

/// The copy of [`serving`].
fn copy(name: &str, servers: &[&str]) -> Stored {
    copy_of(name).holding(&config(servers))
}

/// A world where the account of the namespace `n` has the reference, and the copy is in place.
fn world() -> World {
    World::of([serving("company", &["r.example.com"])])
        .secret("n/company", copy("company", &["r.example.com"]))
        .account("n/default", account(&["company"], &["company"]))
}

/// A Pod of a `ReplicaSet` that waits for [`IMAGE`] with an empty list.
fn pod() -> Pod {
    Pod {
        version: Version::new("uid-of-pod", "7"),
        created: 100,
        account: "default".into(),
        pull_secrets: Some([].into()),
        images: [IMAGE.into()].into(),
        controller: Some(controller(ControllerKind::ReplicaSet)),
        deleting: false,
    }
}

fn controller(kind: ControllerKind) -> Controller {
    Controller {
        kind,
        name: "controller".into(),
        uid: "uid-of-controller".into(),
    }
}

/// The same Pod with this list.
fn listing(names: &[&str], pod: Pod) -> Pod {
    Pod {
        pull_secrets: Some(names.iter().map(|&name| name.into()).collect()),
        ..pod
    }
}

/// The same Pod that waits for these images.
fn waiting(images: &[&str], pod: Pod) -> Pod {
    Pod {
        images: images.iter().map(|&image| image.into()).collect(),
        ..pod
    }
}

/// The verdict in the namespace `n`, and the objects that it is about.
fn verdict(world: &World, pod: &Pod) -> Option<(Verdict, Vec<Arc<str>>)> {
    let cluster = world.cluster();
    let facts = world.namespaces.get("n").expect("the namespace n");
    let scope = cluster.scope("n", facts);
    let waiting = decide(&scope, pod)?;
    let names = waiting.objects.iter().map(|object| Arc::clone(&object.name)).collect();
    Some((waiting.verdict, names))
}

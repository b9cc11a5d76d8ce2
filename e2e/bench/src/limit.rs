//! Limit loop: sends given requests over a number of connections, beside the same three watches as the operator.
//!
//! It runs as a separate process, controlled over its standard input and output:
//!
//! ```text
//! we:   ready                         the watches have shown all there was
//! they: PATH                          a file of requests
//! we:   loaded
//! they: go
//! we:   done                          each was answered with success
//! ```
//!
//! It discards the content of watches and responses.
#![expect(clippy::print_stdout, reason = "that is how it is led")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail};
use futures::{AsyncBufReadExt, TryStreamExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::io::AsyncBufReadExt as _;
use tokio::task::JoinSet;

use crate::requests::{self, Request};

/// A kind that the operator watches, and its parameters.
struct Watched {
    path: String,
    accept: &'static str,
}

const WHOLE: &str = "application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// Returns the operator's watches; with names, those of the installation with fewer rights.
fn kinds(names: &[String]) -> Vec<Watched> {
    let whole = |path: String| Watched { path, accept: WHOLE };
    let label = "labelSelector=pullsecrets.dev%2Fcluster-pull-secret";
    let mut all = vec![
        Watched {
            path: "namespaces?".to_owned(),
            accept: METADATA,
        },
        whole("serviceaccounts?".to_owned()),
    ];
    if names.is_empty() {
        all.push(whole(format!("secrets?{label}&")));
    }
    let of_name = |name: &String| whole(format!("secrets?fieldSelector=metadata.name%3D{name}&"));
    all.extend(names.iter().map(of_name));
    all
}

/// The parameters of the operator's watches.
const WATCH: &str = "watch=true&timeoutSeconds=290&allowWatchBookmarks=true";

/// Parameters for a watch that begins with a list.
const STREAMED: &str = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";

/// Annotation of the bookmark after the initial list of a watch.
const ALL_SEEN: &str = "k8s.io/initial-events-end";

/// Runs until its input ends. With `floor`, it answers each new `default` account of namespaces with that prefix with
/// one write.
pub(crate) async fn run(
    kubeconfig: &Path,
    connections: usize,
    floor: Option<&str>,
    names: &[String],
) -> anyhow::Result<()> {
    let (watches, writes) = (client(kubeconfig).await?, client(kubeconfig).await?);
    let floor = floor.map(|prefix| Floor {
        prefix: prefix.to_owned(),
        client: writes.clone(),
    });
    let mut observers = JoinSet::new();
    let kinds = kinds(names);
    let (seen, mut all_seen) = tokio::sync::mpsc::channel(kinds.len());
    let mut unseen = kinds.len();
    for watched in kinds {
        let floor = floor.clone().filter(|_| watched.path.starts_with("serviceaccounts"));
        observers.spawn(watch(watches.clone(), watched, seen.clone(), floor));
    }
    while unseen > 0 {
        tokio::select! {
            ended = observers.join_next() => bail!("a watch ended: {ended:?}"),
            _ = all_seen.recv() => unseen -= 1,
        }
    }
    println!("ready");
    let mut orders = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            ended = observers.join_next() => bail!("a watch ended: {ended:?}"),
            order = orders.next_line() => {
                let Some(path) = order? else { return Ok(()) };
                let requests: Vec<Request> = serde_json::from_slice(&std::fs::read(path)?)?;
                println!("loaded");
                orders.next_line().await?.context("no go")?;
                send_all(&writes, requests, connections).await?;
                println!("done");
            }
        }
    }
}

/// Creates a client as the operator's: no retry, and no timeout for a silent watch.
async fn client(kubeconfig: &Path) -> anyhow::Result<Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.default_retry = false;
    config.read_timeout = None;
    Ok(Client::try_from(config)?)
}

/// Watches for ever. A server that finds a reader too slow ends its watch, so the loop continues from its last version.
async fn watch(
    client: Client,
    Watched { path, accept }: Watched,
    seen: tokio::sync::mpsc::Sender<()>,
    floor: Option<Floor>,
) -> anyhow::Result<()> {
    let mut from = STREAMED.to_owned();
    let mut live = false;
    loop {
        let request = http::Request::get(format!("/api/v1/{path}{WATCH}{from}")).header(http::header::ACCEPT, accept);
        let mut lines = client.request_stream(request.body(Vec::new())?).await?.lines();
        let mut last = String::new();
        while let Some(line) = lines.try_next().await? {
            if !live && line.contains(ALL_SEEN) {
                live = true;
                seen.send(()).await?;
            } else if live && let Some(floor) = &floor {
                floor.answer(&line)?;
            }
            last = line;
        }
        if !last.is_empty() {
            let event: Value = serde_json::from_str(&last)?;
            let version = event["object"]["metadata"]["resourceVersion"].as_str();
            from = format!("&resourceVersion={}", version.context("an event without a version")?);
        }
    }
}

/// Sends the requests over this many connections, one after the other on each.
async fn send_all(client: &Client, requests: Vec<Request>, connections: usize) -> anyhow::Result<()> {
    let requests = Arc::new(requests);
    let next = Arc::new(AtomicUsize::new(0));
    let mut senders = JoinSet::new();
    for _ in 0..connections {
        let (client, requests, next) = (client.clone(), Arc::clone(&requests), Arc::clone(&next));
        senders.spawn(async move {
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                send(&client, request).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = senders.join_next().await {
        ended??;
    }
    Ok(())
}

async fn send(client: &Client, request: &Request) -> anyhow::Result<()> {
    let built = http::Request::builder()
        .method(request.method.as_str())
        .uri(&request.path)
        .header(http::header::CONTENT_TYPE, &request.content_type)
        .header(http::header::ACCEPT, "application/json")
        .body(request.body.clone().into_bytes())?;
    client
        .request_text(built)
        .await
        .with_context(|| format!("{} {}", request.method, request.path))?;
    Ok(())
}

/// The event that every operator must wait for, and the one write that it must make.
#[derive(Clone)]
struct Floor {
    prefix: String,
    client: Client,
}

impl Floor {
    fn answer(&self, line: &str) -> anyhow::Result<()> {
        let event: Value = serde_json::from_str(line)?;
        let metadata = &event["object"]["metadata"];
        let namespace = metadata["namespace"].as_str().unwrap_or_default();
        if event["type"] != "ADDED" || metadata["name"] != "default" || !namespace.starts_with(&self.prefix) {
            return Ok(());
        }
        let version = json!({"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]});
        let request = requests::reference(namespace, "default", version, true);
        let client = self.client.clone();
        tokio::spawn(async move {
            if let Err(error) = send(&client, &request).await {
                eprintln!("bench: {error:#}");
            }
        });
        Ok(())
    }
}

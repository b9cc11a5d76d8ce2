//! Broken sources of every kind at once, on one operator at its highest log level.

mod odd;
mod rows;
mod setup;

use std::collections::BTreeMap;

use e2e::SYSTEM_NAMESPACE;
use e2e::operator;
use e2e::oracle::{self, Login};
use e2e::scenario::{SERVER, SOON, Scenario};
use e2e::wait::eventually;
use futures::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use setup::{all_hold, break_it, copies, put, put_copier, put_second, set_up};

const BASIC: &str = "kubernetes.io/basic-auth";
const DOCKER: &str = "kubernetes.io/dockerconfigjson";
const CONFIG_KEY: &str = ".dockerconfigjson";
const NAMED_KEY: &str = "config.json";

/// An object with a copy in the operator's own namespace.
const COPIER: &str = "copier";

/// The second registry of every object. Its source stays good, so that there is always a write to make.
const SECOND: &str = "second.example.com";

/// Form of the declaration of a registry.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Basic,
    /// The password is under the key `token`.
    Token,
    Config,
    /// A docker config without `server`.
    Whole,
    /// A docker config under the key `config.json`.
    Keyed,
}

/// A Secret without its name.
#[derive(Clone)]
struct Source {
    type_: String,
    data: BTreeMap<String, Vec<u8>>,
}

/// Fate of a good source.
enum Bad {
    Secret(Source),
    Gone,
    /// It stays, and the object now refers to this.
    Refers(Value),
    /// As above, to the state Secret of the object itself.
    RefersToState,
}

struct Row {
    /// The name of the object, its source and its copy.
    name: String,
    kind: Kind,
    bad: Bad,
    reason: &'static str,
    /// The data key in the report, or empty.
    key: String,
    says: String,
}

impl Source {
    fn of<const N: usize>(type_: &str, data: [(&str, &str); N]) -> Self {
        let data = data
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
        Self {
            type_: type_.to_owned(),
            data: data.collect(),
        }
    }

    fn config(text: impl AsRef<str>) -> Self {
        Self::of(DOCKER, [(CONFIG_KEY, text.as_ref())])
    }

    fn good(kind: Kind, Login { username, password }: &Login) -> Self {
        let entry = json!({"username": username, "password": password});
        match kind {
            Kind::Basic => Self::of(BASIC, [("username", username), ("password", password)]),
            Kind::Token => Self::of("Opaque", [("username", username), ("token", password)]),
            Kind::Config | Kind::Whole => Self::config(json!({"auths": {SERVER: entry}}).to_string()),
            Kind::Keyed => {
                let config = json!({"auths": {SERVER: entry}}).to_string();
                Self::of("Opaque", [(NAMED_KEY, config.as_str()), ("other", "any")])
            }
        }
    }
}

impl Kind {
    fn registries(self, reference: &Value) -> Value {
        let credentials = match self {
            Self::Basic => json!({"basicAuth": {"secretRef": reference}}),
            Self::Token => json!({"basicAuth": {"secretRef": reference, "passwordKey": "token"}}),
            Self::Config | Self::Whole => json!({"dockerConfig": {"secretRef": reference}}),
            Self::Keyed => json!({"dockerConfig": {"secretRef": reference, "key": NAMED_KEY}}),
        };
        let second = json!({"server": SECOND, "credentials": {"basicAuth": {"secretRef": {"name": SECOND}}}});
        match self {
            Self::Whole => json!([{"credentials": credentials}, second]),
            _ => json!([{"server": SERVER, "credentials": credentials}, second]),
        }
    }
}

/// Every bad source is named without its values, and every copy stays as it was.
#[tokio::test]
async fn bad_sources_are_named_and_copies_stay() {
    let talkative = operator::Options {
        log: "trace".to_owned(),
        ..operator::Options::default()
    };
    let scenario = Scenario::own_with("bad-sources", talkative).await;
    let (good, core) = (scenario.login("good"), scenario.canary().core().to_owned());
    let rows = rows::all(&core);
    assert!(rows.len() > 60, "{} rows", rows.len());
    scenario.namespaces(&["a"]).await;

    put_second(&scenario).await;
    put_copier(&scenario, &good).await;
    join_all(
        rows.iter()
            .map(|row| set_up(&scenario, &row.name, row.kind, Source::good(row.kind, &good))),
    )
    .await;
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    all_hold(&scenario, &names, &good).await;
    let copies = copies(&scenario).await;

    join_all(rows.iter().map(|row| break_it(&scenario, row))).await;
    join_all(rows.iter().map(|row| is_told(&scenario, row, &core))).await;
    assert_eq!(self::copies(&scenario).await, copies, "the copies");
    for (what, text) in rows::never_stored(&core) {
        let refused = put(
            &scenario,
            "never-stored",
            Source {
                data: BTreeMap::from([(CONFIG_KEY.to_owned(), text)]),
                type_: DOCKER.to_owned(),
            },
        )
        .await;
        assert!(
            matches!(refused, Err(kube::Error::Api(status)) if status.code == 422),
            "{what} is stored"
        );
    }

    only_a_mended_source_is_taken_after_a_restart(&scenario, &rows, &core, &copies).await;
}

/// Restarts the operator, so that only the state has the good logins. A repaired source is used again.
async fn only_a_mended_source_is_taken_after_a_restart(
    scenario: &Scenario,
    rows: &[Row],
    core: &str,
    copies: &BTreeMap<String, (String, String, Vec<u8>)>,
) {
    scenario.stop_operator().await;
    scenario.start_operator().await;
    let mended = scenario.login("mended");
    put(scenario, "gone", Source::good(Kind::Basic, &mended)).await.unwrap();
    all_hold(scenario, &["gone"], &mended).await;
    join_all(
        rows.iter()
            .filter(|row| row.name != "gone")
            .map(|row| is_told(scenario, row, core)),
    )
    .await;
    let mut after = self::copies(scenario).await;
    let was = copies["gone"].clone();
    assert_ne!(
        after.insert("gone".to_owned(), was.clone()),
        Some(was),
        "the mended one"
    );
    assert_eq!(after, *copies, "the copies after a restart");
}

/// An odd source that kubelets would take is taken.
#[tokio::test]
async fn odd_source_that_kubelets_accept_is_taken() {
    let scenario = Scenario::own("odd-sources").await;
    let odd = odd::sources(&scenario.login("odd"));
    assert!(odd.len() >= 15, "{} sources", odd.len());
    scenario.namespaces(&["a"]).await;
    put_second(&scenario).await;
    let names: Vec<&str> = odd.iter().map(|(name, ..)| *name).collect();
    join_all(
        odd.into_iter()
            .map(|(name, kind, source)| set_up(&scenario, name, kind, source)),
    )
    .await;
    // By the declared key, or for a config taken whole by the found one.
    all_hold(&scenario, &names, &scenario.login("odd")).await;
}

/// Waits until the condition and the registry's own status report what the row expects.
async fn is_told(scenario: &Scenario, row: &Row, core: &str) {
    let what = format!("{} says CredentialsReady=False {}: {}", row.name, row.reason, row.says);
    let status = eventually(&what, SOON, async || {
        let object = oracle::object(scenario.client(), &row.name).await?.ok_or("no object")?;
        let status = object.data["status"].clone();
        let told = condition(&status, "CredentialsReady");
        let current = status["observedGeneration"] == json!(object.metadata.generation);
        let right = told["status"] == "False" && told["reason"] == row.reason && says(row, &told["message"]);
        if current && right {
            Ok(status)
        } else {
            Err(status.to_string())
        }
    })
    .await;
    let ready = condition(&status, "Ready");
    assert_eq!(
        (&ready["status"], &ready["reason"]),
        (&json!("False"), &json!("CredentialsNotReady")),
        "{status}"
    );
    let registries = status["registries"].as_array().unwrap();
    assert_eq!(registries.len(), 2, "{}: {status}", row.name);
    let registry = &registries[0];
    // An object that now refers to another Secret gets no further namespaces.
    let stays = |message: &Value| {
        let ends = ["; copies keep the last good login", ", and no other namespace gets it"];
        ends.iter()
            .any(|end| message.as_str().unwrap_or_default().ends_with(end))
    };
    let right = registry["state"] == "NotReady" && registry["reason"] == row.reason;
    assert!(
        right && says(row, &registry["message"]) && stays(&registry["message"]),
        "{}: {registry}",
        row.name
    );
    assert_eq!(status["registriesReady"], "1/2", "{}", row.name);
    assert!(!status.to_string().contains(core), "{}: a value is quoted", row.name);
}

fn says(row: &Row, message: &Value) -> bool {
    let message = message.as_str().unwrap_or_default();
    let source = match &row.bad {
        Bad::Refers(reference) => {
            let namespace = reference["namespace"].as_str().unwrap_or(SYSTEM_NAMESPACE);
            format!(
                "secret \"{namespace}/{}\"",
                reference["name"].as_str().unwrap_or_default()
            )
        }
        Bad::RefersToState => format!("secret \"{SYSTEM_NAMESPACE}/pullsecrets-state-"),
        Bad::Secret(_) | Bad::Gone => format!("secret \"{SYSTEM_NAMESPACE}/{}\"", row.name),
    };
    let key = row.key.is_empty() || message.contains(&format!("key \"{}\"", row.key));
    message.starts_with(&source) && key && message.contains(&row.says)
}

fn condition(status: &Value, kind: &str) -> Value {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    conditions
        .into_iter()
        .find(|condition| condition["type"] == kind)
        .cloned()
        .unwrap_or_default()
}

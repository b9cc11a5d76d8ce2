//! Stories of one object: what it needs next, and what its status and its Events say.

mod credentials;
mod deletion;
mod failures;
mod installation;
mod sources;
mod status;

use crd::{ConditionStatus, FailureReason};
use kube::runtime::watcher::Event;
use plan::decision::Failure;
use serde_json::json;

use super::*;
use crate::api::partial::SourceSecret;
use crate::objects::sources::Listing;

const OWN: &str = "pullsecrets-system";

fn seen(version: u32, metadata: &Value, status: &Value) -> RawClusterPullSecret {
    let mut seen = json!({
        "metadata": {"name": "company", "uid": "u", "generation": 3, "resourceVersion": version.to_string(),
            "finalizers": [FINALIZER]},
        "spec": {
            "registries": [
                {"server": "a.example.com", "credentials": {"basicAuth": {"secretRef": {"name": "a"}}}},
                {"server": "b.example.com", "credentials": {"basicAuth": {"secretRef": {"name": "b", "namespace": "logins"}}}},
            ],
            "namespaces": {"selectors": [{}]},
        },
        "status": status,
    });
    // Recorded already, where a case does not say otherwise.
    if seen["status"].get("installation").is_none() {
        seen["status"]["installation"] = "pullsecrets-system/pullsecrets".into();
    }
    for (field, value) in metadata.as_object().unwrap() {
        seen["metadata"][field] = value.clone();
    }
    serde_json::from_value(seen).unwrap()
}

fn source(name: &str) -> SourceSecret {
    serde_json::from_value(json!({
        "metadata": {"name": name, "resourceVersion": "5"}, "type": "kubernetes.io/basic-auth",
        "data": {"username": "cm9ib3Q=", "password": "c2VjcmV0"},
    }))
    .unwrap()
}

fn state() -> SourceSecret {
    serde_json::from_value(json!({
        "metadata": {"name": "pullsecrets-state-u", "resourceVersion": "6"}, "type": crd::names::STATE_TYPE,
        "data": {"registries.json": "e30="},
    }))
    .unwrap()
}

/// These Secrets in the operator's namespace; the namespace `logins` is empty, or was not listed.
fn sources(own: Vec<SourceSecret>, listed: bool) -> Sources {
    let mut sources = Sources::new(OWN, &["logins".to_owned()].into());
    let words = |name: &str| {
        let keys = ["username", "password"].map(|key| crate::wanted::word(name, key));
        keys.into_iter().chain([name.to_owned()]).collect()
    };
    let words = [(OWN.to_owned(), words("a")), ("logins".to_owned(), words("b"))];
    sources.want(&"company".into(), &words.into(), Some("pullsecrets-state-u"), true);
    let listing = Listing {
        edition: u64::MAX,
        as_leader: false,
    };
    sources.take(OWN, Event::Init, listing);
    for secret in own {
        sources.take(OWN, Event::InitApply(secret), listing);
    }
    sources.take(OWN, Event::InitDone, listing);
    if listed {
        sources.take("logins", Event::Init, listing);
        sources.take("logins", Event::InitDone, listing);
    }
    sources
}

struct Case {
    object: ObjectState,
    now: Duration,
}

const SECOND: Duration = Duration::from_secs(1);

impl Case {
    /// The object has waited in vain for sources that are not listed.
    fn new(metadata: &Value, status: &Value, sources: &Sources) -> Self {
        let mut object = ObjectState::new(seen(10, metadata, status), OWN);
        let start = 10 * SECOND;
        object.resolve(sources, start, &wall_clock());
        object.resolve(sources, 5 * start, &wall_clock());
        object.declaration(1, 5 * start);
        Self {
            object,
            now: 100 * SECOND,
        }
    }

    fn summarised(mut self, summary: Summary) -> Self {
        self.object.summarise(Summary { revision: 1, ..summary });
        self
    }

    fn resolve(&mut self, sources: &Sources) {
        self.object.resolve(sources, self.now, &wall_clock());
    }

    fn after(&mut self, seconds: u32) -> Next {
        self.now += seconds * SECOND;
        self.object.next(self.now, &Time(jiff::Timestamp::UNIX_EPOCH))
    }

    fn step(&mut self, seconds: u32) -> &'static str {
        match self.after(seconds) {
            Next::Write(step) => {
                self.object.begin(&step, self.now);
                step.kind().as_str()
            }
            Next::At(at) if at > self.now => "later",
            Next::At(_) => "now",
            Next::Idle => "nothing",
        }
    }

    /// The report that is due, and its Event.
    fn report(&mut self, seconds: u32) -> (ClusterPullSecretStatus, Option<ObjectEvent>) {
        let Next::Write(step) = self.after(seconds) else {
            panic!("no report");
        };
        let event = self.object.begin(&step, self.now);
        match step {
            Step::Object(ObjectStep::PatchStatus { status, .. }) => (*status, event),
            step => panic!("{} instead of a report", step.kind()),
        }
    }

    fn status(&mut self, seconds: u32) -> ClusterPullSecretStatus {
        self.report(seconds).0
    }
}

fn wall_clock() -> Time {
    Time(jiff::Timestamp::now())
}

fn refusal() -> ApiError {
    ApiError::Refused(Failure::new(FailureReason::Forbidden, "the server forbids it (403)"))
}

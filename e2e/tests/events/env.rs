//! The environment of a row, and its verbs: a scenario, its login, and the state before the event.

mod acts;
mod effects;
mod store;

pub(crate) use effects::Entries;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use e2e::audit::Mark;
use e2e::oracle::{Foreign, Login};
use e2e::scenario::Scenario;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::json;

/// The only additional source namespace of the operators of this table.
pub(crate) const SOURCES: &str = "events-sources";

/// The environment of one row in one column.
pub(crate) struct Env {
    scenario: Scenario,
    seen: RefCell<Seen>,
}

/// Notes of a row.
#[derive(Default)]
struct Seen {
    began: Option<Timestamp>,
    opened: Option<Mark>,
    /// The uid of the copy in each namespace, retained ones too.
    copies: BTreeMap<String, String>,
    /// Uids of Secrets that belong to the operator, now or later, without its label before the event.
    ours: BTreeSet<String>,
    others: Option<Foreign>,
    noted: String,
}

impl Env {
    pub(crate) fn new(scenario: Scenario) -> Self {
        Self {
            scenario,
            seen: RefCell::default(),
        }
    }

    pub(crate) fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Returns the initial login of sources.
    pub(crate) fn first(&self) -> Login {
        self.scenario.login("first")
    }

    /// Returns the login after a change.
    pub(crate) fn second(&self) -> Login {
        self.scenario.login("second")
    }

    /// Returns the name of the environment, its object, its source and its copies. Other names of the environment add
    /// `-` and a suffix.
    pub(crate) fn name(&self) -> &str {
        self.scenario.name()
    }

    /// Returns the name of the second object of this environment.
    pub(crate) fn second_name(&self) -> String {
        format!("{}-2", self.name())
    }

    /// Returns the full name of a namespace.
    pub(crate) fn namespace(&self, part: &str) -> String {
        format!("{}-{part}", self.name())
    }

    /// Returns the time right before the event.
    pub(crate) fn began(&self) -> Option<Timestamp> {
        self.seen.borrow().began
    }

    /// Returns a position in the audit log before the event.
    pub(crate) fn opened(&self) -> Mark {
        self.seen.borrow().opened.unwrap()
    }

    /// Keeps a word for `then`.
    pub(crate) fn note(&self, word: String) {
        self.seen.borrow_mut().noted = word;
    }

    /// Returns the noted word.
    pub(crate) fn noted(&self) -> String {
        self.seen.borrow().noted.clone()
    }

    /// Returns the uid of the copy before the event.
    pub(crate) fn uid_before(&self, part: &str) -> Option<String> {
        self.seen.borrow().copies.get(&self.namespace(part)).cloned()
    }

    /// Assigns the current Secret to the operator.
    pub(crate) async fn yields(&self, part: &str) {
        let uid = self.secret(part).await.uid().unwrap();
        self.seen.borrow_mut().ours.insert(uid);
    }

    /// Ends `given`: creates the objects of other parties beside the operator's, and notes the state.
    pub(crate) async fn settle_in(&self) {
        for namespace in self.live_namespaces().await {
            self.plant(&namespace).await;
        }
        let secrets: Api<Secret> = Api::all(self.scenario.client().clone());
        let named = ListParams::default().fields(&format!("metadata.name={}", self.name()));
        let copies = secrets.list(&named).await.unwrap().items.into_iter().filter(|secret| {
            secret.labels().contains_key(e2e::oracle::LABEL) || secret.annotations().contains_key(e2e::oracle::RETAINED)
        });
        let copies: BTreeMap<_, _> = copies
            .map(|copy| (copy.namespace().unwrap(), copy.uid().unwrap()))
            .collect();
        let opened = self.scenario.mark().await;
        let mut seen = self.seen.borrow_mut();
        seen.opened = Some(opened);
        seen.ours.extend(copies.values().cloned());
        seen.copies = copies;
        seen.began = Some(Timestamp::now());
    }

    /// Creates a foreign Secret, account, entry and annotation.
    async fn plant(&self, namespace: &str) {
        let theirs = json!([{"name": "theirs"}]);
        let secret = json!({
            "metadata": {"name": "theirs", "namespace": namespace}, "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": r#"{"auths":{}}"#},
        });
        self.create::<Secret>(secret).await;
        let account = json!({"metadata": {"name": "theirs", "namespace": namespace}, "imagePullSecrets": theirs});
        self.create::<k8s_openapi::api::core::v1::ServiceAccount>(account).await;
        self.merge_entries(namespace, &theirs).await;
    }

    /// Notes the state of foreign objects.
    pub(crate) async fn look_at_others(&self) {
        let namespaces = self.live_namespaces().await;
        let second = self.second_name();
        let names = [self.name(), &second];
        let found = Foreign::in_namespaces(self.scenario.client(), &namespaces, &names)
            .await
            .unwrap();
        let mut seen = self.seen.borrow_mut();
        let found = found.without(|uid| seen.ours.contains(uid));
        seen.others = Some(found);
    }

    /// Checks that foreign objects have not been written since then.
    pub(crate) async fn others_are_as_they_were(&self) {
        let others = self.seen.borrow().others.clone();
        others.unwrap().check_unchanged(self.scenario.client()).await.unwrap();
    }

    /// Returns the environment's namespaces that are not terminating.
    async fn live_namespaces(&self) -> Vec<String> {
        let api: Api<Namespace> = Api::all(self.scenario.client().clone());
        let prefix = self.namespace("");
        let all = api.list(&ListParams::default()).await.unwrap().items.into_iter();
        all.filter(|namespace| namespace.metadata.deletion_timestamp.is_none())
            .map(|namespace| namespace.name_any())
            .filter(|name| name.starts_with(&prefix))
            .collect()
    }
}

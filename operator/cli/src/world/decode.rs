//! From the JSON of the API to the snapshot.

mod meta;
mod secret;
mod spec;
mod status;

use crd::ClusterPullSecret;
use crd::names::ANNOTATION_ATTACHED;
use plan::labels::Labels;
use plan::observed::{Entry, parse_attached};
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::account::Account;
use super::kind::Kind;
use super::pod::Pod;
use super::problem::Problem;
use super::text::Text;
use super::workload::Workload;
use super::{Namespace, World};
use meta::{Meta, Named};
pub(crate) use secret::Data;
use spec::{PodSpec, WorkloadObject};

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The number of objects in it.
    pub items: usize,
    /// The token for the next page.
    pub next: Option<String>,
}

/// Why an answer is not a page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the answer is not a list: error at line {line}, column {column}")]
pub struct PageError {
    line: usize,
    column: usize,
}

/// Why an object cannot be decoded. It holds none of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ItemError {
    /// Its JSON has another form.
    #[error("its JSON has not the expected form at line {line}, column {column}")]
    Form {
        /// The line of the error.
        line: usize,
        /// The column of the error.
        column: usize,
    },
    /// It has no name.
    #[error("it has no name")]
    NoName,
    /// It has no template of Pods.
    #[error("it has no template")]
    NoTemplate,
    /// A value of a Secret is not base64.
    #[error("the value under {0} is not base64")]
    NotBase64(&'static str),
}

impl From<serde_json::Error> for ItemError {
    /// The text of the error may quote a value, so only the position is kept.
    fn from(error: serde_json::Error) -> Self {
        Self::Form {
            line: error.line(),
            column: error.column(),
        }
    }
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    metadata: Option<ListMeta>,
}

#[derive(Deserialize)]
struct ListMeta {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

/// Calls `take` with the JSON of each object of one page of a list, as the API sends it.
pub(crate) fn page(body: &[u8], mut take: impl FnMut(&str)) -> Result<Page, PageError> {
    let list: List<'_> = serde_json::from_slice(body).map_err(|error| PageError {
        line: error.line(),
        column: error.column(),
    })?;
    let items = list.items.unwrap_or_default();
    for item in &items {
        take(item.get());
    }
    let next = list.metadata.and_then(|metadata| metadata.next);
    Ok(Page {
        items: items.len(),
        next: next.filter(|next| !next.is_empty()),
    })
}

impl World {
    /// Adds the objects of one page of a list.
    pub fn add_page(&mut self, kind: Kind, body: &[u8]) -> Result<Page, PageError> {
        page(body, |json| self.add(kind, json))
    }

    /// Adds the object with this JSON, or replaces the one with its name. What cannot be decoded becomes a [`Problem`].
    pub fn add(&mut self, kind: Kind, json: &str) {
        let added = match kind {
            Kind::Namespace => self.add_namespace(json),
            Kind::ServiceAccount => self.add_account(json),
            Kind::Secret => self.add_secret(json),
            Kind::Pod => self.add_pod(json),
            Kind::ClusterPullSecret => self.add_object(json),
            Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::ReplicaSet | Kind::Job | Kind::CronJob => {
                self.add_workload(kind, json)
            }
        };
        if let Err(error) = added {
            let named: Named = serde_json::from_str(json).unwrap_or_default();
            let problem = Problem {
                kind: Some(kind),
                namespace: named.metadata.namespace.map(Into::into),
                name: named.metadata.name.map(Into::into),
                why: error.to_string(),
            };
            self.problems.push(problem);
        }
    }

    fn add_namespace(&mut self, json: &str) -> Result<(), ItemError> {
        let Named { metadata } = serde_json::from_str(json)?;
        let name = metadata.name()?;
        let labels = self.labels(&metadata);
        let seen = self.namespace(name);
        seen.labels = labels;
        seen.terminating = metadata.deletion_timestamp.is_some();
        Ok(())
    }

    fn add_account(&mut self, json: &str) -> Result<(), ItemError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            metadata: Meta,
            #[serde(default)]
            image_pull_secrets: Option<Vec<spec::Reference>>,
        }
        let Wire {
            metadata,
            image_pull_secrets,
        } = serde_json::from_str(json)?;
        let name = self.shared.text(metadata.name()?);
        let secrets = self.names(image_pull_secrets.as_deref());
        let entries: Vec<Entry> = secrets.iter().map(|name| Entry::named(name)).collect();
        let attached = metadata.annotation(ANNOTATION_ATTACHED).unwrap_or_default();
        let attached = parse_attached(attached, &entries);
        let account = Account {
            labels: self.labels(&metadata),
            secrets: secrets.into(),
            attached: attached.iter().map(|name| self.shared.text(name)).collect(),
        };
        self.namespace(metadata.namespace()).accounts.insert(name, account);
        Ok(())
    }

    fn add_secret(&mut self, json: &str) -> Result<(), ItemError> {
        let decoded = secret::decode(json)?;
        let name = self.shared.text(decoded.metadata.name()?);
        let secret = decoded.reduced(&mut self.logins, &mut self.shared);
        self.namespace(decoded.metadata.namespace())
            .secrets
            .insert(name, secret);
        Ok(())
    }

    fn add_workload(&mut self, kind: Kind, json: &str) -> Result<(), ItemError> {
        let object: WorkloadObject = serde_json::from_str(json)?;
        let name = object.metadata.name()?;
        let id = self.shared.workload(kind.as_str(), name);
        let template = object.template().ok_or(ItemError::NoTemplate)?;
        let template = template.reduced(&mut self.shared);
        let workload = Workload {
            template: self.shared.template(template),
            replicas: object.replicas(),
            controller: object.metadata.controller(&mut self.shared),
            finished: object.is_finished(),
        };
        self.namespace(object.metadata.namespace())
            .workloads
            .insert(id, workload);
        Ok(())
    }

    fn add_pod(&mut self, json: &str) -> Result<(), ItemError> {
        #[derive(Deserialize)]
        struct Wire {
            metadata: Meta,
            spec: PodSpec,
            #[serde(default)]
            status: Option<status::PodStatus>,
        }
        let Wire { metadata, spec, status } = serde_json::from_str(json)?;
        let name = self.shared.text(metadata.name()?);
        let status = status.unwrap_or_default();
        let template = spec.reduced(&mut self.shared);
        let pod = Pod {
            progress: status.progress(&template, &spec),
            template: self.shared.template(template),
            controller: metadata.controller(&mut self.shared),
            admitted: metadata.created(),
            node: spec.node_name.as_deref().map(|node| self.shared.text(node)),
            ended: metadata.deletion_timestamp.is_some() || status.has_ended(),
            is_static: metadata.annotation(meta::MIRROR).is_some(),
        };
        self.namespace(metadata.namespace()).pods.insert(name, pod);
        Ok(())
    }

    fn add_object(&mut self, json: &str) -> Result<(), ItemError> {
        let mut object: ClusterPullSecret = serde_json::from_str(json)?;
        object.metadata.managed_fields = None;
        let name = object.metadata.name.as_deref().filter(|name| !name.is_empty());
        let name = self.shared.text(name.ok_or(ItemError::NoName)?);
        self.objects.insert(name, object);
        Ok(())
    }

    pub(super) fn namespace(&mut self, name: &str) -> &mut Namespace {
        let name = self.shared.text(name);
        self.namespaces.entry(name).or_default()
    }

    fn labels(&mut self, metadata: &Meta) -> Labels {
        let mut labels: Labels = metadata.labels.iter().flatten().collect();
        labels.share(|text| self.shared.text(text).shared().clone());
        labels
    }

    fn names(&mut self, references: Option<&[spec::Reference]>) -> Vec<Text> {
        let references = references.into_iter().flatten();
        references.map(|reference| self.shared.text(reference.name())).collect()
    }
}

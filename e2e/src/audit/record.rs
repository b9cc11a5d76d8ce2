//! Records of requests, and the writes among them.

use jiff::Timestamp;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The user name, for instance [`OPERATOR_USER`](crate::OPERATOR_USER).
    pub user: String,
    /// Plural, lower case. Empty for requests without an object, such as `/readyz`.
    pub resource: String,
    /// For instance `status`; mostly empty.
    pub subresource: String,
    /// Empty for cluster-scoped objects and for requests over all namespaces.
    pub namespace: String,
    /// Empty for lists, watches and creations with POST.
    pub name: String,
    /// The HTTP status of the answer.
    pub code: u16,
    /// Whether RBAC allowed it. An admission policy or a quota may still have refused it.
    pub authorized: bool,
    /// Path and query as sent.
    pub request_uri: String,
    /// When the server received it, to the microsecond.
    pub timestamp: Timestamp,
    /// When the server had sent its response.
    pub answered: Timestamp,
}

impl Record {
    /// Returns whether the request can change the store. A refused write counts too, because it was sent. A dry run does
    /// not.
    pub fn is_write(&self) -> bool {
        let changes = matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        );
        changes && !self.is_dry_run()
    }

    /// Returns whether the request asks the server to try a write without carrying it out.
    pub fn is_dry_run(&self) -> bool {
        let query = self.request_uri.split_once('?').map_or("", |(_, query)| query);
        query.split('&').any(|parameter| parameter == "dryRun=All")
    }

    /// Returns a line for people: `patch serviceaccounts a/default 200`.
    pub fn summary(&self) -> String {
        let Self {
            verb,
            resource,
            subresource,
            namespace,
            name,
            code,
            ..
        } = self;
        let slash = if subresource.is_empty() { "" } else { "/" };
        format!("{verb} {resource}{slash}{subresource} {namespace}/{name} {code}")
    }
}

/// Writes of one user, with Leases and Events kept apart.
#[derive(Debug, Clone, Default)]
pub struct Writes {
    /// All other writes.
    pub objects: Vec<Record>,
    /// Leader election.
    pub leases: Vec<Record>,
    /// Kubernetes Events.
    pub events: Vec<Record>,
}

impl Writes {
    /// Returns the object writes to one resource, without its subresources.
    pub fn to(&self, resource: &str) -> Vec<&Record> {
        let matches = |record: &&Record| record.resource == resource && record.subresource.is_empty();
        self.objects.iter().filter(matches).collect()
    }

    /// Returns the object writes for people, one per line.
    pub fn summary(&self) -> String {
        self.objects.iter().map(Record::summary).collect::<Vec<_>>().join("\n")
    }
}

/// Returns the writes of `user`.
pub fn writes_of(user: &str, records: &[Record]) -> Writes {
    let mut writes = Writes::default();
    for record in records.iter().filter(|record| record.user == user && record.is_write()) {
        let list = match record.resource.as_str() {
            "leases" => &mut writes.leases,
            "events" => &mut writes.events,
            _ => &mut writes.objects,
        };
        list.push(record.clone());
    }
    writes
}

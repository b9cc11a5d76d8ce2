//! Requests to the API server, read from its own audit log.
//!
//! The log has each request once, with its outcome, in the order of completion; a watch appears when it begins. Bodies
//! are not recorded. The server writes a record after the response, so a record may appear slightly later than the
//! reply. Read with [`wait::until`](crate::wait::until), or send a request of your own afterwards with
//! [`Audit::settle`].

mod line;
mod record;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use kube::Client;

use crate::client;
use crate::wait::until;
use line::parse;

pub use record::{Record, Writes, writes_of};

/// Audit policy: records user, request and outcome once per request, without bodies.
pub(crate) const POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

/// The longest record, in bytes.
const LONGEST: u64 = 64 * 1024;

/// A position in the log; later records are "since" it. The default is the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// The audit log of one API server.
#[derive(Debug, Clone)]
pub struct Audit {
    log: PathBuf,
    /// Earlier records are not returned.
    start: Mark,
}

impl Audit {
    pub(crate) fn new(log: &Path, start: Mark) -> Self {
        Self {
            log: log.to_owned(),
            start,
        }
    }

    /// Returns the path of the log: one JSON object per line.
    pub fn file(&self) -> &Path {
        &self.log
    }

    /// Returns the end of the log now.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn mark(&self) -> anyhow::Result<Mark> {
        let mut file = File::open(&self.log).context("no audit log")?;
        let end = file.seek(SeekFrom::End(0))?;
        // The record of another request may be half written. The mark is then at its beginning.
        let start = end.saturating_sub(LONGEST);
        file.seek(SeekFrom::Start(start))?;
        let mut last = Vec::new();
        file.take(end - start).read_to_end(&mut last)?;
        let complete = last.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        Ok(Mark(start + u64::try_from(complete)?))
    }

    /// Returns all records since `mark`, of all users.
    ///
    /// # Errors
    ///
    /// When the log cannot be read or a line of it is not a record.
    pub fn since(&self, mark: Mark) -> anyhow::Result<Vec<Record>> {
        let mut mark = mark;
        self.advance(&mut mark)
    }

    /// As [`since`](Self::since), and moves the mark past the returned records, so that a long log is read once.
    ///
    /// # Errors
    ///
    /// As [`since`](Self::since); the mark then stays.
    pub fn advance(&self, mark: &mut Mark) -> anyhow::Result<Vec<Record>> {
        let mut file = File::open(&self.log).context("no audit log")?;
        *mark = self.start.max(*mark);
        file.seek(SeekFrom::Start(mark.0))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // The last line may be incomplete.
        let complete = text.rfind('\n').map_or("", |end| &text[..=end]);
        let records = complete.lines().filter_map(|line| parse(line).transpose());
        let records = records.collect::<anyhow::Result<Vec<Record>>>()?;
        mark.0 += complete.len() as u64;
        Ok(records)
    }

    /// Returns the writes of `user` since `mark`.
    ///
    /// # Errors
    ///
    /// As [`since`](Self::since).
    pub fn writes_since(&self, mark: Mark, user: &str) -> anyhow::Result<Writes> {
        Ok(writes_of(user, &self.since(mark)?))
    }

    /// Returns namespace and name of every Secret that `user` has written since the server began, with the time of the
    /// last write. Refused writes and deletions do not count.
    ///
    /// # Errors
    ///
    /// As [`since`](Self::since).
    pub fn secrets_written_by(&self, user: &str) -> anyhow::Result<BTreeMap<(String, String), Timestamp>> {
        let text = std::fs::read_to_string(&self.log).context("no audit log")?;
        // Most lines belong to other users and need no parsing.
        let of_user = text
            .lines()
            .filter(|line| line.contains(user) && line.contains(r#""secrets""#));
        let records = of_user.filter_map(|line| parse(line).ok().flatten());
        let is_write = |record: &Record| record.is_write() && !record.verb.starts_with("delete") && record.code < 300;
        let written = records.filter(|record| record.resource == "secrets" && is_write(record));
        Ok(written
            .map(|record| ((record.namespace, record.name), record.timestamp))
            .collect())
    }

    /// Sends a request and returns when the log has it. Earlier requests are in the log by then, except a few that the
    /// server answered in the same instant.
    ///
    /// # Errors
    ///
    /// When the server does not answer or does not record.
    pub async fn settle(&self, client: &Client) -> anyhow::Result<()> {
        let mark = self.mark()?;
        client::get(client, &format!("/readyz?behind={}", mark.0)).await?;
        let needle = format!("behind={}", mark.0);
        until("the audit log catches up", Duration::from_mins(1), async || {
            let records = self.since(mark).map_err(|error| error.to_string())?;
            let there = records.iter().any(|record| record.request_uri.ends_with(&needle));
            there
                .then_some(())
                .ok_or_else(|| "the request is not recorded".to_owned())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(stage: &str, verb: &str, resource: &str, user: &str) -> String {
        serde_json::json!({
            "stage": stage, "verb": verb, "requestURI": "/api/v1/x", "user": {"username": user},
            "objectRef": {"resource": resource, "namespace": "a", "name": "n"},
            "responseStatus": {"code": 200}, "requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z",
            "stageTimestamp": "2026-01-01T00:00:00.000500Z",
        })
        .to_string()
    }

    #[test]
    fn a_watch_counts_once_and_as_it_begins() {
        let began = parse(&line("ResponseStarted", "watch", "pods", "me")).unwrap();
        assert_eq!(began.map(|record| record.verb), Some("watch".to_owned()));
        assert_eq!(parse(&line("ResponseComplete", "watch", "pods", "me")).unwrap(), None);
    }

    /// A half-written record is read once it is complete.
    #[test]
    fn half_written_record_is_read_when_whole() {
        let folder = crate::folder::Folder::new("pullsecrets-audit").unwrap();
        let audit = Audit::new(&folder.join("audit.log"), Mark::default());
        let record = line("ResponseComplete", "patch", "pods", "me");
        let (half, rest) = record.split_at(40);
        std::fs::write(&audit.log, format!("{record}\n{half}")).unwrap();
        let mark = audit.mark().unwrap();
        assert_eq!(audit.since(mark).unwrap(), []);
        std::fs::write(&audit.log, format!("{record}\n{half}{rest}\n")).unwrap();
        assert_eq!(audit.since(mark).unwrap().len(), 1);
    }

    /// Writes of one user are separated from reads and from other users.
    #[test]
    fn writes_are_separated_by_user_and_verb() {
        let records: Vec<Record> = [
            ("patch", "serviceaccounts", "me"),
            ("list", "serviceaccounts", "me"),
            ("patch", "serviceaccounts", "another"),
            ("update", "leases", "me"),
            ("create", "events", "me"),
        ]
        .into_iter()
        .filter_map(|(verb, kind, user)| parse(&line("ResponseComplete", verb, kind, user)).unwrap())
        .collect();
        let writes = writes_of("me", &records);
        assert_eq!(writes.summary(), "patch serviceaccounts a/n 200");
        assert_eq!((writes.leases.len(), writes.events.len()), (1, 1));
    }
}

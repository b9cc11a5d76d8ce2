//! One task of one contender: time, calls and CPU.

use std::time::Duration;

use anyhow::ensure;
use e2e::OPERATOR_USER;
use e2e::audit::{Audit, Mark, Record};
use e2e::wait::until;

use crate::env::{Env, OBJECT};
use crate::figures::cpu_seconds;

/// The task in every namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// From an empty start: one copy in each, one reference on each account.
    Fill,
    /// The login changes: each copy.
    Rotate,
    /// The object is deleted: each reference, each copy.
    Delete,
}

impl Work {
    pub(crate) const ALL: [Self; 3] = [Self::Fill, Self::Rotate, Self::Delete];

    /// Returns the number of writes into namespaces.
    pub(crate) fn writes(self, namespaces: usize, accounts: usize) -> usize {
        match self {
            Self::Fill | Self::Delete => namespaces * (1 + accounts),
            Self::Rotate => namespaces,
        }
    }

    /// Returns whether the record is the administrator's request that starts the task.
    fn is_kick(self, record: &Record) -> bool {
        match self {
            Self::Fill => record.resource == "clusterpullsecrets" && record.verb == "create",
            Self::Rotate => record.resource == "secrets" && record.name == OBJECT && record.verb == "patch",
            Self::Delete => record.resource == "clusterpullsecrets" && record.verb == "delete",
        }
    }
}

/// The result of a task.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// From the start, or the limit loop's first request, until the response to the last write into a namespace.
    pub(crate) seconds: f64,
    /// From the same until the first of those writes reached the server.
    pub(crate) before_first: f64,
    /// All writes, including those to the object and its state.
    pub(crate) writes: usize,
    /// All other requests.
    pub(crate) reads: usize,
    /// CPU seconds of the contender.
    pub(crate) cpu: f64,
    /// CPU seconds of the API server and etcd.
    pub(crate) server_cpu: f64,
    /// Bytes to the server and from it; 0 without a relay.
    pub(crate) bytes: [u64; 2],
}

/// The audit log, read incrementally.
pub(crate) struct Log {
    audit: Audit,
    mark: Mark,
    pub(crate) records: Vec<Record>,
}

impl Log {
    /// Starts to read at the current end.
    pub(crate) async fn start(env: &Env) -> anyhow::Result<Self> {
        let audit = env.audit();
        audit.settle(&env.client).await?;
        Ok(Self {
            mark: audit.mark()?,
            audit,
            records: Vec::new(),
        })
    }

    /// Reads new records, and returns their number.
    pub(crate) fn read(&mut self) -> anyhow::Result<usize> {
        let news = self.audit.advance(&mut self.mark)?;
        let count = news.len();
        self.records.extend(news);
        Ok(count)
    }

    /// Reads until `number` records match.
    pub(crate) async fn wait(
        &mut self,
        what: &str,
        count: usize,
        patience: Duration,
        mut matches: impl FnMut(&Record) -> bool,
    ) -> anyhow::Result<()> {
        let (mut looked_at, mut found) = (0, 0);
        until(what, patience, async || {
            self.read().map_err(|error| error.to_string())?;
            found += self.records[looked_at..]
                .iter()
                .filter(|record| matches(record))
                .count();
            looked_at = self.records.len();
            (found >= count)
                .then_some(())
                .ok_or_else(|| format!("{found} of {count}"))
        })
        .await
    }

    /// Reads until the contenders' user sent no request for this long.
    pub(crate) async fn quiet(&mut self, length: Duration) -> anyhow::Result<()> {
        loop {
            let before = self.ours().count();
            tokio::time::sleep(length).await;
            self.read()?;
            if self.ours().count() == before {
                return Ok(());
            }
        }
    }

    /// Returns the requests of the contenders' user, except those of the Lease.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Record> {
        self.records
            .iter()
            .filter(|record| record.user == OPERATOR_USER && record.resource != "leases")
    }
}

/// Returns whether it is a successful write of a contender.
pub(crate) fn is_done(record: &Record) -> bool {
    record.user == OPERATOR_USER && record.is_write() && (200..300).contains(&record.code)
}

/// Returns whether it is a write into a namespace of the benchmark.
pub(crate) fn is_ours(record: &Record) -> bool {
    is_done(record) && record.namespace.starts_with("bench-")
}

/// Longer than the operator waits between two writes of a status.
pub(crate) const SETTLED: Duration = Duration::from_millis(1500);

/// Time after the last write until all watches have received it.
const ECHOED: Duration = Duration::from_millis(200);

/// A running phase: the initial readings are taken, and the start follows.
pub(crate) struct Phase {
    work: Work,
    log: Log,
    pid: u32,
    kicked: bool,
    cpu: f64,
    server_cpu: f64,
    bytes: [u64; 2],
}

impl Phase {
    /// Begins a phase. With `kicked`, the clock starts with the administrator's request; else with the first write.
    pub(crate) async fn begin(env: &Env, work: Work, pid: u32, kicked: bool) -> anyhow::Result<Self> {
        let log = Log::start(env).await?;
        Ok(Self {
            work,
            log,
            pid,
            kicked,
            cpu: cpu_seconds(pid)?,
            server_cpu: server_cpu(env)?,
            bytes: env.bytes(),
        })
    }

    /// Waits until the necessary writes are done, and counts the other calls of the contender until it is silent.
    pub(crate) async fn end(mut self, env: &Env, accounts: usize) -> anyhow::Result<Outcome> {
        let expected = self.work.writes(env.size, accounts);
        let what = format!("{:?} is done", self.work);
        self.log.wait(&what, expected, env.patience(), is_ours).await?;
        // Both contenders wait for the same time, because a waiting server uses time too and the operator's status
        // comes a second later.
        tokio::time::sleep(ECHOED).await;
        let server_cpu = server_cpu(env)? - self.server_cpu;
        self.log.quiet(SETTLED).await?;
        let [sent, received] = env.bytes();
        let bytes = [sent - self.bytes[0], received - self.bytes[1]];
        let cpu = cpu_seconds(self.pid)? - self.cpu;
        let made = self.log.records.iter().filter(|record| is_ours(record));
        let (first, last) = made
            .clone()
            .fold((None, None), |(first, last): (Option<_>, Option<_>), record| {
                let first = first.map_or(record.timestamp, |first: jiff::Timestamp| first.min(record.timestamp));
                (Some(first), last.max(Some(record.answered)))
            });
        let kick = self.log.records.iter().find(|record| self.work.is_kick(record));
        let start = if self.kicked {
            kick.map(|kick| kick.timestamp)
        } else {
            first
        };
        let (Some(start), Some(end)) = (start, last) else {
            anyhow::bail!("{what}, and the log does not say when");
        };
        let made = made.count();
        ensure!(
            made == expected,
            "{what} with {made} writes into namespaces, {expected} expected"
        );
        let writes = self.log.ours().filter(|record| record.is_write()).count();
        Ok(Outcome {
            seconds: end.duration_since(start).as_secs_f64(),
            before_first: first.map_or(0.0, |first| first.duration_since(start).as_secs_f64()),
            writes,
            reads: self.log.ours().count() - writes,
            cpu,
            server_cpu,
            bytes,
        })
    }
}

fn server_cpu(env: &Env) -> anyhow::Result<f64> {
    env.servers.iter().map(|&pid| cpu_seconds(pid)).sum()
}

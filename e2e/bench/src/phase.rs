//! One piece of work of one contender: how long, how many calls, how much CPU.

use std::time::Duration;

use anyhow::ensure;
use e2e::OPERATOR_USER;
use e2e::audit::{Audit, Mark, Record};
use e2e::wait::until;

use crate::env::{Env, OBJECT};
use crate::figures::cpu_seconds;

/// What is to be done in every namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// From nothing: one copy in each, one reference on each account.
    Fill,
    /// The login changed: each copy.
    Rotate,
    /// The object goes: each reference, each copy.
    Delete,
}

impl Work {
    pub(crate) const ALL: [Self; 3] = [Self::Fill, Self::Rotate, Self::Delete];

    /// The writes into namespaces that it takes.
    pub(crate) fn writes(self, namespaces: usize, accounts: usize) -> usize {
        match self {
            Self::Fill | Self::Delete => namespaces * (1 + accounts),
            Self::Rotate => namespaces,
        }
    }

    /// What the administrator does to have the operator begin.
    fn is_kick(self, record: &Record) -> bool {
        match self {
            Self::Fill => record.resource == "clusterpullsecrets" && record.verb == "create",
            Self::Rotate => record.resource == "secrets" && record.name == OBJECT && record.verb == "patch",
            Self::Delete => record.resource == "clusterpullsecrets" && record.verb == "delete",
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// From the kick, or the limit loop's first request, until the last write into a namespace was answered.
    pub(crate) seconds: f64,
    /// From the same until the first of those writes arrived at the server.
    pub(crate) before_first: f64,
    /// All writes, those to the object and its state too.
    pub(crate) writes: usize,
    /// All that were no writes.
    pub(crate) reads: usize,
    /// The contender's own.
    pub(crate) cpu: f64,
    /// The API server's and etcd's.
    pub(crate) server_cpu: f64,
    /// To the server and from it; 0 where nothing counts them.
    pub(crate) bytes: [u64; 2],
}

/// The audit log, read on as it grows.
pub(crate) struct Log {
    audit: Audit,
    mark: Mark,
    pub(crate) records: Vec<Record>,
}

impl Log {
    /// From now on.
    pub(crate) async fn start(env: &Env) -> anyhow::Result<Self> {
        let audit = env.audit();
        audit.settle(&env.client).await?;
        Ok(Self {
            mark: audit.mark()?,
            audit,
            records: Vec::new(),
        })
    }

    /// Reads what has been written since, and says how much that was.
    pub(crate) fn read(&mut self) -> anyhow::Result<usize> {
        let news = self.audit.advance(&mut self.mark)?;
        let count = news.len();
        self.records.extend(news);
        Ok(count)
    }

    /// Reads on until so many records match.
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

    /// Reads on until the contenders' user asked nothing for so long.
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

    /// What the contenders' user asked, the lease aside.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Record> {
        self.records
            .iter()
            .filter(|record| record.user == OPERATOR_USER && record.resource != "leases")
    }
}

/// A successful write of a contender.
pub(crate) fn is_done(record: &Record) -> bool {
    record.user == OPERATOR_USER && record.is_write() && (200..300).contains(&record.code)
}

/// One into a namespace of the benchmark.
pub(crate) fn is_ours(record: &Record) -> bool {
    is_done(record) && record.namespace.starts_with("bench-")
}

/// Longer than the operator waits between two writes of a status.
pub(crate) const SETTLED: Duration = Duration::from_millis(1500);

/// After the last write, until the watches have told it to everybody.
const ECHOED: Duration = Duration::from_millis(200);

/// A phase under way: readings were taken, the kick is next.
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
    /// `kicked`: the clock starts with what the administrator does; else with the first write.
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

    /// Waits until the writes that it takes were made. The contender's other calls are counted until it is silent.
    pub(crate) async fn end(mut self, env: &Env, accounts: usize) -> anyhow::Result<Outcome> {
        let expected = self.work.writes(env.size, accounts);
        let what = format!("{:?} is done", self.work);
        self.log.wait(&what, expected, env.patience(), is_ours).await?;
        // The same for all: a server that waits uses time as well, and the operator's status comes a second later.
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

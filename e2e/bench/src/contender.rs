//! Contenders: the operator and the limit loop.

use std::process::Stdio;

use anyhow::{Context, bail};
use e2e::operator::{self, Operator};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::env::Env;
use crate::requests::Request;

/// Starts the operator with the log level of production.
pub(crate) async fn operator(env: &Env) -> anyhow::Result<Operator> {
    let options = operator::Options {
        log: "info".to_owned(),
        flags: env.flags.clone(),
        ..operator::Options::default()
    };
    Operator::start_as(&env.cluster, &options, env.kubeconfig()).await
}

/// The limit loop (see [`crate::limit`]), with its watches open.
pub(crate) struct Limit {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Limit {
    pub(crate) async fn start(env: &Env, connections: usize, floor: Option<&str>) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("limit").arg("--kubeconfig").arg(env.kubeconfig());
        command.args(["--connections", &connections.to_string()]);
        if let Some(prefix) = floor {
            command.args(["--floor", prefix]);
        }
        if !env.permitted.is_empty() {
            command.args(["--names", &env.permitted.join(",")]);
        }
        // It ends with its input, at the latest when this process ends.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("the limit loop does not start")?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take());
        let answers = BufReader::new(answers.context("no output")?).lines();
        let mut limit = Self {
            child,
            orders: orders.context("no input")?,
            answers,
        };
        limit.expect("ready").await?;
        Ok(limit)
    }

    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the limit loop has ended")
    }

    /// Passes it the requests, but sends none yet.
    pub(crate) async fn load(&mut self, env: &Env, requests: &[Request]) -> anyhow::Result<()> {
        let path = env.cluster.folder().join("requests.json");
        std::fs::write(&path, serde_json::to_vec(requests)?)?;
        self.say(&path.display().to_string()).await?;
        self.expect("loaded").await
    }

    pub(crate) async fn go(&mut self) -> anyhow::Result<()> {
        self.say("go").await
    }

    pub(crate) async fn done(&mut self) -> anyhow::Result<()> {
        self.expect("done").await
    }

    async fn say(&mut self, line: &str) -> anyhow::Result<()> {
        Ok(self.orders.write_all(format!("{line}\n").as_bytes()).await?)
    }

    async fn expect(&mut self, word: &str) -> anyhow::Result<()> {
        match self.answers.next_line().await?.as_deref() {
            Some(line) if line == word => Ok(()),
            other => bail!("the limit loop says {other:?}, not {word}"),
        }
    }
}

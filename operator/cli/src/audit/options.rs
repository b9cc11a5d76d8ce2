//! What is asked for.

use plan::glob::{Glob, GlobError};
use plan::keyring;
use plan::server::Server;
use thiserror::Error;

use crate::world::{Namespace, Text, WorkloadId, World};

/// What an audit is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The servers whose images count. Without any, all images do.
    pub servers: Vec<Server>,
    /// Namespaces that are left out.
    pub excluded: Vec<Glob>,
    /// Workloads that are left out.
    pub ignored: Ignored,
    /// Commands name the context, because there may be several.
    pub names_context: bool,
}

/// The workloads that an ignore file lists.
#[derive(Clone, Debug, Default)]
pub struct Ignored(Vec<Pattern>);

#[derive(Clone, Debug)]
struct Pattern {
    namespace: Glob,
    kind: Glob,
    name: Glob,
}

/// A line of an ignore file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {problem}")]
pub struct IgnoredError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl Ignored {
    /// Parses an ignore file. Each line is `NAMESPACE` or `NAMESPACE/KIND/NAME`, each with `*` and `?`; kinds are compared
    /// in any case. Empty lines and what follows `#` are left out.
    pub fn parse(text: &str) -> Result<Self, IgnoredError> {
        let lines = text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line.split('#').next().unwrap_or_default().trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty());
        lines
            .map(|(line, text)| pattern(line, text))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn has(&self, namespace: &str, workload: &WorkloadId) -> bool {
        let kind = workload.kind.to_lowercase();
        self.0.iter().any(|pattern| {
            pattern.namespace.matches(namespace) && pattern.kind.matches(&kind) && pattern.name.matches(&workload.name)
        })
    }
}

fn pattern(line: usize, text: &str) -> Result<Pattern, IgnoredError> {
    let parts: Vec<&str> = text.split('/').collect();
    let (namespace, kind, name) = match parts.as_slice() {
        [namespace] => (*namespace, "*", "*"),
        [namespace, kind, name] => (*namespace, *kind, *name),
        _ => {
            let problem = "write NAMESPACE or NAMESPACE/KIND/NAME".to_owned();
            return Err(IgnoredError { line, problem });
        }
    };
    let glob = |text: &str| {
        Glob::parse(&text.to_lowercase()).map_err(|error: GlobError| IgnoredError {
            line,
            problem: error.to_string(),
        })
    };
    Ok(Pattern {
        namespace: glob(namespace)?,
        kind: glob(kind)?,
        name: glob(name)?,
    })
}

impl Options {
    /// Returns whether the image is from one of the servers. A name that kubelets refuse is from none.
    pub fn covers(&self, image: &str) -> bool {
        if self.servers.is_empty() {
            return plan::image::repository(image).is_some();
        }
        self.servers
            .iter()
            .any(|server| keyring::matches(server.as_str(), image))
    }

    /// Returns the namespaces that count. One that is being deleted gets no new Pods.
    pub(super) fn namespaces<'a>(&self, world: &'a World) -> impl Iterator<Item = (&'a Text, &'a Namespace)> {
        let namespaces = world.namespaces.iter();
        namespaces.filter(|(name, seen)| !seen.terminating && !self.leaves_out(name))
    }

    /// Returns whether a namespace is left out.
    pub fn leaves_out(&self, namespace: &str) -> bool {
        self.excluded.iter().any(|glob| glob.matches(namespace))
    }

    /// Returns whether a workload is left out.
    pub fn ignores(&self, namespace: &str, workload: &WorkloadId) -> bool {
        self.ignored.has(namespace, workload)
    }
}

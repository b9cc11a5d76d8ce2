//! The registry's log: one line for each request, in the format of Apache, and errors.

use std::fmt;

/// How the user agent of containerd begins.
const NODE: &str = "containerd/";

/// A request of a node.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// What was asked for: `manifests` or `blobs`.
    pub what: String,
    /// The status of the answer.
    pub status: u16,
}

impl Request {
    /// Returns whether it was refused for want of a valid login.
    pub fn is_refused(&self) -> bool {
        self.status == 401
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.method, self.what, self.status)
    }
}

/// Returns the requests of nodes for a repository.
pub(super) fn requests(log: &str, repository: &str) -> Vec<Request> {
    log.lines().filter_map(|line| request(line, repository)).collect()
}

/// `ADDRESS - - [TIME] "METHOD PATH VERSION" STATUS SIZE "REFERRER" "AGENT"`
fn request(line: &str, repository: &str) -> Option<Request> {
    let mut quoted = line.split('"');
    let (_, asked, answered) = (quoted.next()?, quoted.next()?, quoted.next()?);
    let agent = quoted.nth(2)?;
    if !agent.starts_with(NODE) {
        return None;
    }
    let mut words = asked.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let rest = path.strip_prefix("/v2/")?.strip_prefix(repository)?.strip_prefix('/')?;
    let (what, _) = rest.split_once('/')?;
    Some(Request {
        method: method.to_owned(),
        what: what.to_owned(),
        status: answered.split_whitespace().next()?.parse().ok()?,
    })
}

/// Returns how often the registry refused the password in a request for a repository whose name contains `part`. It logs
/// the name as a field. A request without a login has another message.
pub(super) fn failed_checks(log: &str, part: &str) -> usize {
    let failed = |line: &&str| {
        let name = line
            .split_once(" vars.name=")
            .and_then(|(_, rest)| rest.split(' ').next());
        line.contains(": authentication failure\"") && name.is_some_and(|name| name.contains(part))
    };
    log.lines().filter(failed).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_of_nodes_are_counted() {
        let log = "\
127.0.0.1 - - [30/Nov/2026:11:16:01 +0000] \"HEAD /v2/team/app/manifests/1?ns=docker.io HTTP/1.1\" 401 157 \"\" \"containerd/v2.4.2\"
127.0.0.1 - - [30/Nov/2026:11:16:01 +0000] \"GET /v2/team/app/blobs/sha256:00 HTTP/1.1\" 200 9 \"\" \"containerd/v2.4.2\"
127.0.0.1 - - [30/Nov/2026:11:16:01 +0000] \"PUT /v2/team/app/manifests/1 HTTP/1.1\" 201 0 \"\" \"\"
127.0.0.1 - - [30/Nov/2026:11:16:01 +0000] \"GET /v2/team/application/blobs/sha256:00 HTTP/1.1\" 200 9 \"\" \"containerd/v2.4.2\"
time=\"2026-11-30T12:20:33Z\" level=warning msg=\"challenge for realm \\\"e2e\\\": authentication failure\" vars.name=team/app vars.reference=1
time=\"2026-11-30T12:20:33Z\" level=warning msg=\"challenge for realm \\\"e2e\\\": invalid authorization credential\" vars.name=team/app vars.reference=1
";
        let seen = format!("{:?}", requests(log, "team/app"));
        assert_eq!(seen, "[HEAD manifests 401, GET blobs 200]");
        assert_eq!(failed_checks(log, "team/"), 1);
        assert_eq!(failed_checks(log, "other"), 0);
    }
}

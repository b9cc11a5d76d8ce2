//! Names of requests, the same in each run.

use http::Method;

/// The subject of a request. The verb is that of HTTP for writes. For reads it is `get` (one object), `list`, `stream`
/// (a watch that begins with a list) or `open` (a watch without one).
pub(super) struct About {
    pub(super) verb: String,
    /// Includes the subresource: `clusterpullsecrets/status`.
    pub(super) resource: String,
    pub(super) namespace: String,
    pub(super) name: String,
    /// Whether it is a list or watch of one object, by name.
    pub(super) of_one: bool,
}

impl About {
    pub(super) fn of(method: &Method, path: &str, query: &str) -> Self {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        // `api/v1` or `apis/GROUP/VERSION`.
        let skip = if segments.next() == Some("apis") { 2 } else { 1 };
        let rest: Vec<&str> = segments.skip(skip).collect();
        let (namespace, rest) = match rest.as_slice() {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            rest => ("", rest),
        };
        let part = |index: usize| rest.get(index).copied().unwrap_or_default();
        let slash = if part(2).is_empty() { "" } else { "/" };
        let asks = |what: &str| query.split('&').any(|part| part == what);
        let verb = match *method {
            Method::GET if asks("watch=true") || asks("watch=1") => {
                if asks("sendInitialEvents=true") {
                    "stream"
                } else {
                    "open"
                }
            }
            Method::GET if part(1).is_empty() => "list",
            _ => &method.as_str().to_lowercase(),
        };
        Self {
            verb: verb.to_owned(),
            resource: format!("{}{slash}{}", part(0), part(2)),
            namespace: namespace.to_owned(),
            name: part(1).to_owned(),
            of_one: query.contains("fieldSelector=metadata.name"),
        }
    }

    /// Returns whether the request begins a watch, with or without a list.
    pub(super) fn is_watch(&self) -> bool {
        matches!(self.verb.as_str(), "stream" | "open")
    }

    /// Returns the path of the object, without a subresource.
    pub(super) fn path(&self) -> String {
        let Self {
            resource,
            namespace,
            name,
            ..
        } = self;
        let resource = resource.split('/').next().unwrap_or_default();
        match resource {
            "clusterpullsecrets" => format!("/apis/pullsecrets.dev/v1alpha1/{resource}/{name}"),
            _ => format!("/api/v1/namespaces/{namespace}/{resource}/{name}"),
        }
    }

    pub(super) fn is_read(&self) -> bool {
        self.is_watch() || matches!(self.verb.as_str(), "get" | "list" | "head")
    }
}

impl std::fmt::Display for About {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            verb,
            resource,
            namespace,
            name,
            of_one: _,
        } = self;
        write!(formatter, "{verb} {resource} {namespace}/{name}")
    }
}

/// Prefix of the namespaces that a run creates.
const NEW: &str = "fault-new-";

/// Prefix of the names of state Secrets.
const STATE: &str = "pullsecrets-state-";

/// Returns the text with fixed names. Each run names its namespaces differently, because the last ones may still be
/// terminating, and a state Secret has a uid in its name. Plans must not depend on either.
pub(crate) fn plain(what: &str) -> String {
    for (before, letters) in [(NEW, "0123456789"), (STATE, "0123456789abcdef-")] {
        if let Some((start, rest)) = what.split_once(before) {
            let end = rest.trim_start_matches(|character: char| letters.contains(character));
            return format!("{start}{}{end}", before.trim_end_matches('-'));
        }
    }
    what.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request is named by what it is about.
    #[test]
    fn request_is_named_by_its_subject() {
        let named = |method: Method, path: &str, query: &str| About::of(&method, path, query).to_string();
        let copy = named(Method::PATCH, "/api/v1/namespaces/a/secrets/company", "");
        assert_eq!(copy, "patch secrets a/company");
        let status = named(
            Method::PATCH,
            "/apis/pullsecrets.dev/v1alpha1/clusterpullsecrets/company/status",
            "fieldManager=x",
        );
        assert_eq!(status, "patch clusterpullsecrets/status /company");
        let read = |query: &str| named(Method::GET, "/api/v1/namespaces", query);
        assert_eq!(read("limit=500"), "list namespaces /");
        assert_eq!(read("watch=true&resourceVersion=7"), "open namespaces /");
        assert_eq!(read("watch=true&sendInitialEvents=true"), "stream namespaces /");
        let one = named(Method::GET, "/api/v1/namespaces/a/secrets/company", "");
        assert_eq!(one, "get secrets a/company");
    }
}

//! The shape of `server`: what the kubelet can match with an image name, and nothing else.
//!
//! The kubelet takes a leading `http://` or `https://` away, then a leading `/v1/` or `/v2/` of the path; compares ports
//! as strings, each label of the host as a glob, and the path as a plain prefix. Image names are in lower case, and
//! carry neither tag nor digest by then. A server that no image can match is refused here: it would look configured
//! and never be used.

use schemars::{Schema, SchemaGenerator, json_schema};

const MAX_SERVER: u32 = 253;

/// `localhost`, or a host with a dot or a port: an image named after any other host is one of Docker Hub. An IPv6
/// address needs its port: without one the kubelet takes the brackets for a glob.
const ACCEPTED: &str = concat!(
    r"self.matches(r'^(https?://)?",
    r"((LABEL(\.LABEL)+|localhost)(:PORT)?|LABEL:PORT|\[[0-9a-f:]+\]:PORT)",
    // Parts of an image name; the last may break off at a separator, because a path is a prefix.
    r"((/PART)+(\.|__?|-+|/)?|/)?$')",
    // These two are part of the image name to the kubelet, as the last part without a slash and behind each other.
    r" && !self.matches('^(https?://)?[^/]+/v[12](/v[12](/.*)?)?$')",
);

/// A label of the host, in which `*` is wild.
const LABEL: &str = "[a-z0-9*]([a-z0-9*-]*[a-z0-9*])?";

/// One part of the path of an image name.
const PART: &str = r"[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*";

/// 1 to 65535 without leading zeros, which the kubelet would compare as they are.
const PORT: &str = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";

/// What is said when none of [`DIAGNOSES`] holds.
const GENERAL: &str = "must be host[:port][/path], for example registry.example.com:5000/team";

/// Conditions and what is said when one holds, the first that does. They are only asked of a refused server. Where an
/// optional scheme stands before an expression, the expression cannot match the scheme itself: no `/` follows its `:/`.
const DIAGNOSES: [(&str, &str); 12] = [
    (
        r"self.matches(r'[^\x00-\x7F]')",
        "must hold no other characters than ASCII, and one of these only looks as if it were: type it anew; an international name is written as xn--...",
    ),
    (r"self.matches(r'\s')", "must not contain white space"),
    (
        "self.contains('://') && !self.startsWith('https://') && !self.startsWith('http://')",
        "must not start with a scheme other than http:// and https://; leave the scheme out",
    ),
    (
        "self.contains('@')",
        "must not contain @: leave out the digest, and put the user name into the source of the credentials",
    ),
    ("self.matches('[A-Z]')", "must be in lower case, as image names are"),
    (
        "self.matches('^(https?://)?[^/]+/[^/][^:]*:')",
        "must not end in an image tag: leave out the part after the last colon",
    ),
    (
        r"self.matches(r'^(https?://)?([^/:]+:[^/]*[*?]|[^/]+/([*?]|[^/].*[*?]))')",
        "must not have a * or ? in port or path: the kubelet takes them literally; a * may stand in the host",
    ),
    (
        r"self.matches(r'^(https?://)?(\[[^\]]*\](/|$)|[0-9a-f]*:[0-9a-f]*:)')",
        "must have an IPv6 address in brackets and with its port, as in [fd00::1]:5000: the kubelet matches no other",
    ),
    (
        r"self.matches(r'^(https?://)?([^/:\[]+|\[[^\]]*\]):([^/].*)?$') && !self.matches(r'^(https?://)?([^/:\[]+|\[[^\]]*\]):PORT(/|$)')",
        "must have a port from 1 to 65535, without leading zeros",
    ),
    (
        "self.matches('^(https?://)?[^/]+/v[12](/v[12](/.*)?)?$')",
        "must end in /v1/ or /v2/ with the slash, or leave it out: without the slash the kubelet takes it as part of the image name",
    ),
    (
        "self.matches('^(https?://)?[a-z0-9*-]+(/|$)') && !self.matches('^(https?://)?localhost(/|$)')",
        "must have a host with a dot or a port: without both the name belongs to Docker Hub, as in docker.io/<name>",
    ),
    (
        r"self.matches(r'^(https?://)?[^/]+(/[a-z0-9._-]+)+/?$')",
        "must be host[:port][/path] with a path as image names have it: letters and digits, joined by one dot, one or two underscores, or dashes",
    ),
];

/// A registry server, with one message for one mistake.
pub(crate) fn server(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_SERVER,
        "x-kubernetes-validations": [{
            "rule": filled(ACCEPTED),
            "message": GENERAL,
            "messageExpression": diagnosis(),
        }],
    })
}

/// A chain of conditional expressions that ends in the general message.
fn diagnosis() -> String {
    DIAGNOSES
        .iter()
        .rev()
        .fold(format!("'{GENERAL}'"), |rest, (condition, message)| {
            format!("{} ? '{message}'\n: {rest}", filled(condition))
        })
}

fn filled(expression: &str) -> String {
    expression
        .replace("LABEL", LABEL)
        .replace("PART", PART)
        .replace("PORT", PORT)
}

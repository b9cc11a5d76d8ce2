//! Schema of `server`: accepts only what the kubelet can match with an image name.
//!
//! The kubelet removes a leading `http://` or `https://`, then a leading `/v1/` or `/v2/` of the path. It compares
//! ports as strings, each label of the host as a glob, and the path as a plain prefix. Image names are in lower case by
//! then, without tag and digest. The rule refuses a server that no image can match, because it would look configured
//! and never be used.

use schemars::{Schema, SchemaGenerator, json_schema};

const MAX_SERVER: u32 = 253;

/// Accepts `localhost`, or a host with a dot or a port: an image with any other host is one of Docker Hub. An IPv6
/// address needs its port, because without one the kubelet reads the brackets as a glob.
const ACCEPTED: &str = concat!(
    r"self.matches(r'^(https?://)?",
    r"((LABEL(\.LABEL)+|localhost)(:PORT)?|LABEL:PORT|\[[0-9a-f:]+\]:PORT)",
    // Parts of an image name. The last one may end in a separator, because a path is a prefix.
    r"((/PART)+(\.|__?|-+|/)?|/)?$')",
    // As the last part without a slash, or one after the other, `v1` and `v2` belong to the image name.
    r" && !self.matches('^(https?://)?[^/]+/v[12](/v[12](/.*)?)?$')",
    " && (!self.contains('[') || ADDRESS)",
);

/// Whether the text in the brackets is an address.
const ADDRESS: &str = "isIP(self.substring(self.indexOf('[') + 1, self.indexOf(']')))";

/// Label of the host, in which `*` is a wildcard.
const LABEL: &str = "[a-z0-9*]([a-z0-9*-]*[a-z0-9*])?";

/// One part of the path of an image name.
const PART: &str = r"[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*";

/// 1 to 65535 without leading zeros: the kubelet compares ports as strings.
const PORT: &str = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";

/// The message when none of [`DIAGNOSES`] holds.
const GENERAL: &str = "must be host[:port][/path], for example registry.example.com:5000/team";

/// Conditions with their messages; the first that holds gives the message. The API server evaluates them only for a
/// refused server. An expression behind an optional scheme cannot match the scheme itself, because no `/` follows its
/// `:/`.
const DIAGNOSES: [(&str, &str); 13] = [
    (
        r"self.matches(r'[^\x00-\x7F]')",
        "must have ASCII characters only, and at least one here is not: retype the name, or write an international name as xn--...",
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
        r"self.matches(r'^(https?://)?\[[0-9a-f:]+\]') && !ADDRESS",
        "must have an IPv6 address in the brackets, as in [fd00::1]:5000",
    ),
    (
        r"self.matches(r'^(https?://)?([^/:\[]+|\[[^\]]*\]):([^/].*)?$') && !self.matches(r'^(https?://)?([^/:\[]+|\[[^\]]*\]):PORT(/|$)')",
        "must have a port from 1 to 65535, without leading zeros",
    ),
    (
        "self.matches('^(https?://)?[^/]+/v[12](/v[12](/.*)?)?$')",
        "must end in /v1/ or /v2/ with the slash, or end before it: the kubelet takes /v1 without the slash as part of the image name",
    ),
    (
        "self.matches('^(https?://)?[a-z0-9*-]+(/|$)') && !self.matches('^(https?://)?localhost(/|$)')",
        "must have a host with a dot or a port: the kubelet reads any other name as a repository of Docker Hub, docker.io/<name>",
    ),
    (
        r"self.matches(r'^(https?://)?[^/]+(/[a-z0-9._-]+)+/?$')",
        "must be host[:port][/path] with a path as image names have it: letters and digits, joined by one dot, one or two underscores, or dashes",
    ),
];

/// Schema of a registry server, with one message for each mistake.
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

/// Builds a chain of conditional expressions that ends in the general message.
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
        .replace("ADDRESS", ADDRESS)
}

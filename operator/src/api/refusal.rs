//! Who refused a write: parses the messages of API servers 1.33 to 1.36 that name a webhook, policy or quota.
//!
//! It takes only names, and only from the place where the server itself writes them. A webhook chooses the rest of its
//! message, which may quote the object or imitate another refusal. The policies on the operator name a key, and no value.

use crd::FailureReason;
use kube::core::Status;
use plan::decision::Failure;

/// What the server writes before the name of a validating policy.
const VALIDATING: &str = "ValidatingAdmissionPolicy '";

/// Ends of the names of the policies of `config/admission/operator` that compare a write with the object before it. The
/// name of the installation comes before them.
const ON_THE_OPERATOR: [&str; 3] = ["-operator-secrets", "-operator-serviceaccounts", "-operator-objects"];

/// What these policies write behind the key of a label or annotation that they refuse.
const ALLOWS_KEYS: &str = ": if a mutating webhook or policy of this cluster writes it, add it to allowedKeys";

/// Parses a reply in which the server names who refused. It ignores the code: a webhook chooses its own, and an
/// unreachable webhook yields 500.
pub(super) fn named(status: &Status) -> Option<Failure> {
    let words = admission(&status.message).unwrap_or(&status.message);
    by_webhook(words, status.code)
        .or_else(|| by_policy(words, status.code))
        .or_else(|| by_quota(words))
}

/// Describes a reply with the code of a refusal, even if the server does not name who refused.
pub(super) fn of(status: &Status) -> Failure {
    let code = status.code;
    if let Some(failure) = named(status) {
        return failure;
    }
    let admission = admission(&status.message).filter(|words| !words.starts_with("User \""));
    match code {
        // Admission plugins also answer 403. A missing right reads `User "…" cannot …`.
        403 if admission.is_some() => Failure::new(
            FailureReason::AdmissionDenied,
            "refused by an admission plugin of the API server (403)",
        ),
        401 | 403 => Failure::new(
            FailureReason::Forbidden,
            format!("the API server forbids the request ({code}): compare the operator's rights with config/rbac"),
        ),
        _ => too_long(status).unwrap_or_else(|| {
            Failure::new(
                FailureReason::AdmissionDenied,
                format!("refused by the API server ({code} {})", status.reason),
            )
        }),
    }
}

/// What others added leaves no room for what the operator writes. Its own share is checked before it is written.
fn too_long(status: &Status) -> Option<Failure> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let fields = causes.filter(|cause| cause.reason == "FieldValueTooLong");
    let message = fields.into_iter().find_map(|cause| match cause.field.as_str() {
        "data" => Some("the secret would exceed 1 MiB with the data that others added to it: remove that data"),
        "metadata.annotations" => {
            Some("the annotations would exceed 256 KiB with those that others added: remove some of them")
        }
        _ => None,
    });
    Some(Failure::new(FailureReason::TooLarge, message?))
}

/// Returns the name of the validating policy that refused the request, in the words of the server.
pub(super) fn policy_of(status: &Status) -> Option<&str> {
    validating_policy(admission(&status.message)?)
}

/// Returns the name of the validating policy in the text of a refusal.
pub(super) fn validating_policy(words: &str) -> Option<&str> {
    denying(quoted(words, VALIDATING, '\'')?).map(|(name, _)| name)
}

/// The text of an admission plugin, without the server's prefix.
fn admission(message: &str) -> Option<&str> {
    if let Some(words) = message.strip_prefix("Internal error occurred: ") {
        return Some(words);
    }
    let (object, words) = message.split_once(" is forbidden: ")?;
    // The prefix is `secrets "company"`, or the resource alone. A longer one belongs to another message.
    (object.split(' ').count() <= 2).then_some(words)
}

fn by_webhook(words: &str, code: u16) -> Option<Failure> {
    if let Some((name, _)) = quoted(words, "admission webhook \"", '"') {
        return Some(denied(format!("refused by admission webhook {name:?} ({code})")));
    }
    let down = quoted(words, "failed calling webhook \"", '"');
    let (name, _) = down.or_else(|| {
        quoted(words, "ValidatingAdmissionWebhook/", ' ').filter(|(_, rest)| rest.starts_with("has panicked"))
    })?;
    Some(denied(format!(
        "admission webhook {name:?} cannot be called ({code}): repair it, or exempt the operator from it"
    )))
}

/// The server writes `policy` alone for a mutating policy, and for any policy that it cannot set up.
fn by_policy(words: &str, code: u16) -> Option<Failure> {
    let named = quoted(words, VALIDATING, '\'')
        .or_else(|| quoted(words, "policy '", '\''))
        .or_else(|| quoted(words, "policy \"", '"'))?;
    let (name, binding) = denying(named)?;
    let (_, rest) = named;
    let by = match binding {
        Some(binding) => format!("policy {name:?}, binding {binding:?}"),
        None => format!("policy {name:?}"),
    };
    // The policy sees the write after mutation, and the operator does not send what it refuses.
    let is_on_the_operator = code == 422 && ON_THE_OPERATOR.iter().any(|end| name.ends_with(end));
    let cause = match foreign_key(rest).filter(|_| is_on_the_operator) {
        Some(key) => format!(
            ", which limits the operator: a mutating webhook or policy may have added the key {key:?} to the write; allow \
             it by allowedKeys (config/README.md), or exempt the operator from it"
        ),
        None if is_on_the_operator => {
            ", which limits the operator: a mutating webhook or policy may have added a label, annotation or field to the \
             write; allow its keys by allowedKeys (config/README.md), or exempt the operator from it"
                .to_owned()
        }
        None => String::new(),
    };
    Some(denied(format!("refused by {by} ({code}){cause}")))
}

/// Returns the policy and its binding, if the text behind the name of the policy says that it denied the request.
fn denying<'a>((name, rest): (&'a str, &'a str)) -> Option<(&'a str, Option<&'a str>)> {
    let binding = quoted(rest, " with binding '", '\'');
    let rest = binding.map_or(rest, |(_, rest)| rest);
    rest.starts_with(" denied")
        .then_some((name, binding.map(|(binding, _)| binding)))
}

/// Returns the key of a label or annotation that a policy on the operator names in its refusal.
fn foreign_key(words: &str) -> Option<&str> {
    let (words, _) = words.split_once(ALLOWS_KEYS)?;
    let (before, key) = words.rsplit_once(' ')?;
    let is_named = before.ends_with(" such as") || before.ends_with(" not");
    (is_named && is_key(key)).then_some(key)
}

fn by_quota(words: &str) -> Option<Failure> {
    let exceeded = |message: String| Some(Failure::new(FailureReason::QuotaExceeded, message));
    if let Some((name, _)) = quoted(words, "exceeded quota: ", ',') {
        return exceeded(format!("quota {name:?} is used up"));
    }
    if let Some((name, _)) = quoted(words, "status unknown for quota: ", ',') {
        return exceeded(format!("the usage of quota {name:?} is not known yet"));
    }
    let failed = quoted(words, "failed quota: ", ':').or_else(|| quoted(words, "error matching scopes of quota ", ','));
    if let Some((name, _)) = failed {
        return exceeded(format!("quota {name:?} does not admit the secret"));
    }
    // The server limits what no quota allows, and gives no name then.
    words.starts_with("insufficient quota to ").then(|| {
        Failure::new(
            FailureReason::QuotaExceeded,
            "the API server requires a quota for this, and no quota of the namespace allows it",
        )
    })
}

fn denied(message: String) -> Failure {
    Failure::new(FailureReason::AdmissionDenied, message)
}

/// Splits off the name between `start` and `end` at the beginning of the text. Returns it with the remaining text, if
/// it can be the name of an object.
fn quoted<'a>(text: &'a str, start: &str, end: char) -> Option<(&'a str, &'a str)> {
    let (name, rest) = text.strip_prefix(start)?.split_once(end)?;
    is_object_name(name).then_some((name, rest))
}

/// Whether the text can be the key of a label or annotation.
fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 317
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
}

/// Whether the text can be the name of an object. Besides keys, no other text is ever taken from a server's message.
fn is_object_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
}

#[cfg(test)]
mod tests;

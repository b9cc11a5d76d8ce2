//! What a server says of a write that it does not make.

use http::StatusCode;
use serde::Deserialize;

use super::failure::Failure;

#[derive(Default, Deserialize)]
struct Answer {
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Details,
}

#[derive(Default, Deserialize)]
struct Details {
    #[serde(default)]
    causes: Vec<Cause>,
}

#[derive(Default, Deserialize)]
struct Cause {
    #[serde(default)]
    message: String,
    #[serde(default)]
    field: String,
}

/// Most names in an error.
const NAMED: usize = 5;

/// Why a server refused a write. Only names of managers, fields and policies are taken from its answer.
pub(super) fn refusal(status: StatusCode, body: &[u8], verb: &'static str) -> Failure {
    let answer: Answer = serde_json::from_slice(body).unwrap_or_default();
    let causes = answer.details.causes.iter();
    let mut fields: Vec<String> = causes.clone().filter_map(|cause| field_in(&cause.field)).collect();
    fields.sort();
    fields.dedup();
    fields.truncate(NAMED);
    let policy = quoted(&answer.message, "ValidatingAdmissionPolicy '", '\'');
    match status {
        StatusCode::CONFLICT => {
            let mut managers: Vec<String> = causes
                .filter_map(|cause| quoted(&cause.message, "conflict with \"", '"'))
                .collect();
            managers.sort();
            managers.dedup();
            managers.truncate(NAMED);
            if managers.is_empty() {
                return Failure::Changed;
            }
            Failure::Claimed {
                managers: managers.join(", "),
                fields: match fields.as_slice() {
                    [] => "fields".to_owned(),
                    fields => fields.join(", "),
                },
            }
        }
        StatusCode::FORBIDDEN if policy.is_none() && answer.message.contains("\" cannot ") => {
            Failure::Forbidden { verb }
        }
        StatusCode::FORBIDDEN | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => Failure::Denied {
            policy: policy.map(|policy| format!(" by policy {policy}")).unwrap_or_default(),
            fields: match fields.as_slice() {
                [] => String::new(),
                fields => format!(": {}", fields.join(", ")),
            },
        },
        status => Failure::of_status(status, verb),
    }
}

/// The name between `before` and `after`, if it can be one.
fn quoted(text: &str, before: &str, after: char) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    name_in(rest.split(after).next()?)
}

/// The text, if it has the form of a name or of a field manager.
fn name_in(text: &str) -> Option<String> {
    plain(text, "-._/:")
}

/// The text, if it has the form of a path of a field: `spec.containers[name="a"].image`.
fn field_in(text: &str) -> Option<String> {
    plain(text.trim_start_matches('.'), "-._/[]=\"")
}

fn plain(text: &str, others: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
    let fits = !text.is_empty() && text.len() <= 128 && text.chars().all(is_plain);
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn refusals_name_managers_fields_and_policies() {
        let refused = |status: u16, body: Value| {
            refusal(
                StatusCode::from_u16(status).unwrap(),
                body.to_string().as_bytes(),
                "patch",
            )
        };
        let cause =
            |message: &str, field: &str| json!({"reason": "FieldManagerConflict", "message": message, "field": field});
        let conflict = refused(
            409,
            json!({"details": {"causes": [
                cause("conflict with \"helm\" using v1", ".data.password"),
                cause("conflict with \"helm\" using v1", ".data.username"),
                cause("conflict with \"CANARY odd\" using v1", ".metadata.labels.CANARY odd"),
            ]}}),
        );
        assert_eq!(
            conflict.to_string(),
            "helm set data.password, data.username before: --force-conflicts takes over what others set"
        );
        assert_eq!(refused(409, json!({"message": "CANARY"})), Failure::Changed);
        let invalid = refused(
            422,
            json!({"message": "CANARY", "details": {"causes": [cause("CANARY", "spec.registries[0].server")]}}),
        );
        assert_eq!(
            invalid.to_string(),
            "the API server refuses it: spec.registries[0].server"
        );
        let message = "x is forbidden: ValidatingAdmissionPolicy 'pullsecrets-authors' with binding 'b' denied: CANARY";
        assert_eq!(
            refused(403, json!({"message": message})).to_string(),
            "the API server refuses it by policy pullsecrets-authors"
        );
        let message = "secrets \"a\" is forbidden: User \"CANARY\" cannot patch resource";
        assert_eq!(
            refused(403, json!({"message": message})),
            Failure::Forbidden { verb: "patch" }
        );
        assert_eq!(refused(500, json!("CANARY")), Failure::Status(500));
    }
}

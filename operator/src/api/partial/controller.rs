//! Controllers of Pods, of which only the template's account and list are read.

use plan::observed::{JobFacts, Template};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The account of a template that names none.
const DEFAULT_ACCOUNT: &str = "default";
/// `spec.managedBy` of a Job that Kubernetes itself manages.
const JOB_CONTROLLER: &str = "kubernetes.io/job-controller";
/// Conditions of a Job that starts no Pod any more.
const ENDED: [&str; 5] = ["Complete", "Failed", "Suspended", "SuccessCriteriaMet", "FailureTarget"];

/// A controller of any kind that has a Pod template, reduced while it is decoded.
#[derive(Deserialize)]
pub struct PartialController {
    metadata: WireControllerMeta,
    #[serde(default)]
    spec: WireControllerSpec,
    #[serde(default)]
    status: WireControllerStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireControllerMeta {
    #[serde(default)]
    uid: String,
    deletion_timestamp: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireControllerSpec {
    template: Option<WireTemplate>,
    backoff_limit: Option<i64>,
    backoff_limit_per_index: Option<IgnoredAny>,
    managed_by: Option<String>,
    #[serde(default)]
    suspend: bool,
}

#[derive(Deserialize)]
struct WireTemplate {
    spec: Option<WireTemplateSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTemplateSpec {
    service_account_name: Option<String>,
    #[serde(default)]
    image_pull_secrets: Vec<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireControllerStatus {
    #[serde(default)]
    failed: i64,
    #[serde(default)]
    terminating: i64,
    #[serde(default)]
    uncounted_terminated_pods: WireUncounted,
    #[serde(default)]
    conditions: Vec<WireCondition>,
}

#[derive(Default, Deserialize)]
struct WireUncounted {
    #[serde(default)]
    failed: Vec<IgnoredAny>,
    #[serde(default)]
    succeeded: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct WireCondition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
}

impl PartialController {
    /// Turns the controller into facts for the plan.
    pub fn facts(self) -> Template {
        let Self { metadata, spec, status } = self;
        let ended = |condition: &WireCondition| condition.status == "True" && ENDED.contains(&condition.type_.as_str());
        let uncounted = &status.uncounted_terminated_pods;
        let managed_elsewhere = spec.managed_by.as_deref().is_some_and(|by| by != JOB_CONTROLLER);
        let template = spec.template.and_then(|template| template.spec);
        let job = JobFacts {
            is_managed_elsewhere: managed_elsewhere,
            fails_per_index: spec.backoff_limit_per_index.is_some(),
            is_idle: spec.suspend || status.conditions.iter().any(ended),
            is_unsettled: status.terminating > 0 || !uncounted.failed.is_empty() || !uncounted.succeeded.is_empty(),
            limit: spec.backoff_limit.unwrap_or_default(),
            failed: status.failed,
        };
        let account = template.as_ref().map(|template| {
            let account = template.service_account_name.as_deref();
            account
                .filter(|name| !name.is_empty())
                .unwrap_or(DEFAULT_ACCOUNT)
                .into()
        });
        Template {
            uid: metadata.uid.as_str().into(),
            deleting: metadata.deletion_timestamp.is_some(),
            account,
            names_secrets: template.is_some_and(|template| !template.image_pull_secrets.is_empty()),
            job,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn facts(spec: &Value, status: &Value) -> Template {
        let controller = json!({"metadata": {"uid": "u", "name": "c"}, "spec": spec, "status": status});
        let controller: PartialController = serde_json::from_value(controller).expect("a controller");
        controller.facts()
    }

    #[test]
    fn a_template_shows_account_and_list() {
        let template = |spec: &Value| facts(&json!({"replicas": 2, "template": {"spec": spec}}), &json!({}));
        let plain = template(&json!({"containers": []}));
        assert_eq!(
            (plain.account.as_deref(), plain.names_secrets),
            (Some("default"), false)
        );
        let own = template(&json!({"serviceAccountName": "build", "imagePullSecrets": [{}]}));
        assert_eq!((own.account.as_deref(), own.names_secrets), (Some("build"), true));
        assert_eq!(facts(&json!({}), &json!({})).account, None);
    }

    #[test]
    fn a_job_shows_what_it_can_afford() {
        let spec = json!({"backoffLimit": 6, "backoffLimitPerIndex": 1, "managedBy": "example.com/other"});
        let status = json!({"failed": 2, "uncountedTerminatedPods": {"failed": ["x"]},
            "conditions": [{"type": "Failed", "status": "False"}]});
        let job = facts(&spec, &status).job;
        assert_eq!((job.limit, job.failed), (6, 2));
        assert!(job.fails_per_index && job.is_managed_elsewhere && job.is_unsettled && !job.is_idle);
        let idle = facts(&json!({"suspend": true}), &json!({"terminating": 1})).job;
        assert!(idle.is_idle && idle.is_unsettled && !idle.fails_per_index);
    }
}

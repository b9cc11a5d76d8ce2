//! Policies of Kyverno, and when they leave a copy alone.

use serde_json::Value;

use super::leftovers::{Custom, Leftovers, Meta};
use super::report::Step;
use super::tool::Tool;

const GROUP: &str = "kyverno.io";
const NEW_GROUP: &str = "policies.kyverno.io";

/// Returns what must come before the marks of a copy are taken off.
pub(super) fn first(seen: &Leftovers, tool: Tool, meta: &Meta) -> Option<Step> {
    let policy = policy(seen, tool, meta)?;
    if tool == Tool::KyvernoGeneratingPolicy {
        let synchronize = &policy.spec["evaluation"]["synchronize"]["enabled"];
        return (synchronize.as_bool() == Some(true)).then(|| detach_generating(policy));
    }
    let rule = meta.labels.get("generate.kyverno.io/rule-name")?;
    let rules = policy.spec["rules"].as_array()?;
    let named = |found: &Value| found["name"].as_str() == Some(rule);
    let at = rules.iter().position(named)?;
    if rules[at]["generate"]["synchronize"].as_bool() == Some(true) {
        return Some(detach_rule(policy, rule, at));
    }
    let pending = seen.customs(GROUP, "UpdateRequest").any(|request| {
        let of = request.spec["policy"].as_str().unwrap_or_default();
        let is_of = of == policy.meta.name || of == policy.meta.place();
        is_of && !matches!(request.status["state"].as_str(), Some("Completed" | "Skip"))
    });
    pending.then(|| Step {
        why: format!(
            "an UpdateRequest of {} is pending: wait until it is gone",
            policy.shown()
        ),
        command: Some("kubectl get updaterequests.kyverno.io -A".to_owned()),
    })
}

/// Returns the policy that made the copy, if it still exists.
pub(super) fn policy<'a>(seen: &'a Leftovers, tool: Tool, meta: &Meta) -> Option<&'a Custom> {
    let label = |key: &str| meta.labels.get(key).map_or("", String::as_str);
    let name = label("generate.kyverno.io/policy-name");
    let namespace = label("generate.kyverno.io/policy-namespace");
    let (group, kind) = match (tool, namespace.is_empty()) {
        (Tool::KyvernoGenerate, true) => (GROUP, "ClusterPolicy"),
        (Tool::KyvernoGenerate, false) => (GROUP, "Policy"),
        (_, true) => (NEW_GROUP, "GeneratingPolicy"),
        (_, false) => (NEW_GROUP, "NamespacedGeneratingPolicy"),
    };
    let mut policies = seen.customs(group, kind);
    policies.find(|policy| policy.meta.name == name && policy.meta.namespace == namespace)
}

/// One edit does both. After it, a deletion of the rule deletes no copy.
fn detach_rule(policy: &Custom, rule: &str, at: usize) -> Step {
    let rule_path = format!("/spec/rules/{at}/generate");
    let patch = format!(
        r#"[{{"op":"test","path":"/spec/rules/{at}/name","value":"{rule}"}},{{"op":"add","path":"{rule_path}/synchronize","value":false}},{{"op":"add","path":"{rule_path}/orphanDownstreamOnPolicyDelete","value":true}}]"#
    );
    Step {
        why: format!(
            "rule {rule} of {} synchronizes its copies, so Kyverno would put its marks back. A policy from Git must change there",
            policy.shown()
        ),
        command: Some(format!("kubectl patch {} --type=json -p '{patch}'", argument(policy))),
    }
}

/// The edit has no other part: Kyverno answers any other edit by deleting and creating all copies.
fn detach_generating(policy: &Custom) -> Step {
    Step {
        why: format!(
            "{} synchronizes its copies, so Kyverno would put its marks back. Make this edit alone: with any other part in it, \
             Kyverno deletes all copies and makes them anew",
            policy.shown()
        ),
        command: Some(format!(
            "kubectl patch {} --type=merge -p '{{\"spec\":{{\"evaluation\":{{\"synchronize\":{{\"enabled\":false}}}}}}}}'",
            argument(policy)
        )),
    }
}

/// The policy as an argument of kubectl.
pub(super) fn argument(policy: &Custom) -> String {
    let plural = match policy.kind.as_str() {
        "ClusterPolicy" => "clusterpolicies",
        "Policy" => "policies",
        "GeneratingPolicy" => "generatingpolicies",
        _ => "namespacedgeneratingpolicies",
    };
    let namespace = Some(&policy.meta.namespace).filter(|namespace| !namespace.is_empty());
    let namespace = namespace.map(|namespace| format!(" -n {namespace}"));
    format!(
        "{plural}.{} {}{}",
        policy.group,
        policy.meta.name,
        namespace.unwrap_or_default()
    )
}

/// Returns the policies that write `imagePullSecrets` into other objects.
pub(super) fn mutating(seen: &Leftovers) -> Vec<String> {
    let writes = |policy: &&Custom| {
        let kinds = ["ClusterPolicy", "Policy", "MutatingPolicy"];
        kinds.contains(&policy.kind.as_str()) && mutates_references(policy)
    };
    seen.customs.iter().filter(writes).map(Custom::shown).collect()
}

fn mutates_references(policy: &Custom) -> bool {
    if policy.kind == "MutatingPolicy" {
        return policy.spec.to_string().contains("imagePullSecrets");
    }
    let rules = policy.spec["rules"].as_array();
    let mut mutations = rules.into_iter().flatten().map(|rule| &rule["mutate"]);
    mutations.any(|mutation| mutation.to_string().contains("imagePullSecrets"))
}

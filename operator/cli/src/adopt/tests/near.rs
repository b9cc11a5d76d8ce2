//! What looks like a leftover and is left alone.

use serde_json::{Value, json};

use super::{Asked, OPERATOR, account, deployment, login, namespaces, only, plan, secret, seen, verdict};
use crate::adopt::report::{Reason, Verdict};
use crate::adopt::tool::Tool;

fn pair(name: &str, metadata: &Value) -> Vec<Value> {
    let config = login("r.example.com", "robot");
    let mut all = namespaces(&["a", "b", "other", OPERATOR]);
    all.extend(["a", "b"].map(|namespace| secret(namespace, name, metadata, &config)));
    all
}

#[test]
fn platforms_and_deployers_keep_their_secrets() {
    for (metadata, word) in [
        (
            json!({"annotations": {"openshift.io/internal-registry-auth-token.service-account": "default"}}),
            "platform",
        ),
        (
            json!({"annotations": {"openshift.io/token-secret.name": "t"}}),
            "platform",
        ),
        (
            json!({"managedFields": [{"manager": "openshift.io/image-registry-pull-secrets_image-pull-secret-controller"}]}),
            "platform",
        ),
        (
            json!({"labels": {"management.cattle.io/project-scoped-secret": "p-1"}}),
            "Rancher",
        ),
        (
            json!({"labels": {"management.cattle.io/rancher-managed-pull-secret": "true"}}),
            "Rancher",
        ),
        (json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}}), "Helm"),
        (json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}), "Flux"),
        (json!({"labels": {"kapp.k14s.io/app": "1"}}), "kapp"),
        // The package that made a placeholder puts the annotation back.
        (
            json!({"labels": {"kapp.k14s.io/app": "1"}, "annotations": {"secretgen.carvel.dev/image-pull-secret": ""}}),
            "kapp",
        ),
    ] {
        let (found, group) = verdict(&pair("regcred", &metadata));
        assert_eq!(found, Verdict::NothingToAdopt, "{group:#?}");
        assert!(group.left_alone.iter().all(|left| left.reason == Reason::WrittenAgain));
        assert!(group.left_alone[0].why.contains(word), "{group:#?}");
    }
}

/// A clone carries the marks of what it was copied from.
#[test]
fn marks_of_a_deployer_on_clones_do_not_count() {
    let labels = json!({"labels": {"generate.kyverno.io/policy-name": "p", "generate.kyverno.io/rule-name": "r",
        "kustomize.toolkit.fluxcd.io/name": "apps"}, "annotations": {"argocd.argoproj.io/tracking-id": "x:/Secret:default/regcred"}});
    assert_eq!(verdict(&pair("regcred", &labels)).0, Verdict::Adopt);
    let own = json!({"annotations": {"argocd.argoproj.io/tracking-id": "x:/Secret:a/regcred"}});
    let (found, group) = verdict(&pair("regcred", &own));
    assert_eq!(
        found,
        Verdict::NothingToAdopt,
        "one of two is tracked, and the other is alone: {group:#?}"
    );
}

#[test]
fn secrets_that_the_operator_refuses_are_left_alone() {
    let controlled = json!({"ownerReferences": [{"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "name": "s",
        "uid": "u", "controller": true}]});
    let mut immutable = pair("regcred", &json!({}));
    immutable
        .iter_mut()
        .filter(|object| object["kind"] == "Secret")
        .for_each(|secret| secret["immutable"] = true.into());
    let mut legacy = pair("gcr-secret", &json!({"managedFields": [{"manager": "registry-creds"}]}));
    for secret in legacy.iter_mut().filter(|object| object["kind"] == "Secret") {
        let data = secret["data"][".dockerconfigjson"].take();
        // A `.dockercfg` has no `auths` around its entries, so this one has an entry of that name alone.
        secret["data"] = json!({".dockercfg": data});
        secret["type"] = "kubernetes.io/dockercfg".into();
    }
    for (objects, word) in [
        (pair("regcred", &controlled), "has a controller"),
        (immutable, "is immutable"),
        (pair("pullsecrets-state-x", &json!({})), "is reserved for the operator"),
    ] {
        let (found, group) = verdict(&objects);
        assert_eq!(found, Verdict::NothingToAdopt, "{group:#?}");
        assert_eq!(group.left_alone[0].reason, Reason::NotAccepted);
        assert!(group.left_alone[0].why.contains(word), "{group:#?}");
    }
    let (found, group) = verdict(&legacy);
    assert_eq!(found, Verdict::NothingToAdopt, "{group:#?}");
}

/// Names of field managers and images that many have are no evidence.
#[test]
fn common_names_prove_nothing() {
    for manager in ["manager", "controller", "cmd", "operator"] {
        let metadata =
            json!({"managedFields": [{"manager": manager}], "labels": {"app.kubernetes.io/managed-by": "other"}});
        let (_, group) = verdict(&pair("regcred", &metadata));
        assert_eq!(group.left_by[0].tool, Tool::Script, "{manager}");
    }
    let mut objects = pair("awsecr-cred", &json!({}));
    assert_eq!(verdict(&objects).1.left_by[0].tool, Tool::Script, "the name alone");
    objects.push(deployment(
        "x",
        "creds",
        &json!({}),
        "example.com/alexellis/registry-creds:1",
        1,
    ));
    assert_eq!(
        verdict(&objects).1.left_by[0].tool,
        Tool::Script,
        "that is the other tool of the name"
    );
    objects.push(deployment(
        "x",
        "creds",
        &json!({}),
        "upmcenterprises/registry-creds:1",
        1,
    ));
    assert_eq!(verdict(&objects).1.left_by[0].tool, Tool::UpmcRegistryCreds);
}

#[test]
fn our_own_secrets_are_no_leftovers() {
    let ours = json!({"labels": {"pullsecrets.dev/cluster-pull-secret": "company", "app.kubernetes.io/managed-by": "pullsecrets"}});
    let mut objects = pair("company", &ours);
    objects.push(secret(
        OPERATOR,
        "company-source",
        &json!({}),
        &login("r.example.com", "robot"),
    ));
    objects.push(secret(
        "a",
        "company-source",
        &json!({}),
        &login("r.example.com", "robot"),
    ));
    let object = crd::ClusterPullSecret::new(
        "company",
        serde_json::from_value(json!({
        "registries": [{"credentials": {"dockerConfig": {"secretRef": {"name": "company-source"}}}}],
        "namespaces": {"names": ["a", "b"]}}))
        .expect("a spec"),
    );
    objects.push(serde_json::to_value(object).expect("JSON"));
    let plan = plan(&seen(&objects), &Asked::default());
    assert_eq!(
        (plan.groups.len(), plan.alone),
        (0, 1),
        "the source and the copies are ours: {:#?}",
        plan.groups
    );
}

/// A pull secret in one namespace is that of a team.
#[test]
fn a_secret_alone_is_counted_and_not_proposed() {
    let config = login("r.example.com", "robot");
    let mut objects = namespaces(&["a", OPERATOR]);
    objects.push(account("a", "default", &["mine"]));
    objects.push(secret("a", "mine", &json!({}), &config));
    let found = plan(&seen(&objects), &Asked::default());
    assert_eq!((found.groups.len(), found.alone), (0, 1));
    // A tool may have served one namespace.
    objects.push(secret(
        "a",
        "patched",
        &json!({"annotations": {"app.kubernetes.io/managed-by": "imagepullsecret-patcher"}}),
        &config,
    ));
    let (group, _) = only(plan(&seen(&objects), &Asked::default()));
    assert_eq!((group.verdict, group.copies.len()), (Verdict::Adopt, 1));
}

#[test]
fn patchers_may_be_stopped_in_one_namespace() {
    let metadata = json!({"annotations": {"app.kubernetes.io/managed-by": "imagepullsecret-patcher"}});
    let mut objects = pair("image-pull-secret", &metadata);
    objects.push(deployment(
        "x",
        "p",
        &json!({}),
        "titansoft/imagepullsecret-patcher:1",
        1,
    ));
    let key = "k8s.titansoft.com/imagepullsecret-patcher-exclude";
    let excluded = |time: &str| {
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "annotations": {key: "true"},
            "managedFields": [{"manager": "kubectl-annotate", "time": time,
                "fieldsV1": {"f:metadata": {"f:annotations": {format!("f:{key}"): {}}}}}]}})
    };
    for (time, expected) in [
        ("2026-03-02T09:59:55Z", Verdict::StepsFirst),
        ("2026-03-02T09:58:00Z", Verdict::Adopt),
    ] {
        let objects = [&objects[..], &[excluded(time)]].concat();
        let (group, _) = only(plan(
            &seen(&objects),
            &Asked {
                only: Some("a"),
                ..Asked::default()
            },
        ));
        assert_eq!(group.verdict, expected, "{group:#?}");
    }
}

/// The replicator would take our entry away with the next change of another account.
#[test]
fn lists_that_a_replicator_replaces_come_first() {
    let mut objects = pair("regcred", &json!({}));
    let mut copied = account("a", "default", &["regcred"]);
    copied["metadata"]["annotations"] = json!({"replicator.v1.mittwald.de/replicate-from": "other/default"});
    objects.push(copied);
    let (found, group) = verdict(&objects);
    assert_eq!(found, Verdict::StepsFirst, "{group:#?}");
    let command = "kubectl annotate serviceaccount default -n a replicator.v1.mittwald.de/replicate-from-";
    assert_eq!(super::commands(&group.first), command);
}

/// A rotator that also makes other Secrets stays.
#[test]
fn a_rotator_of_generic_secrets_stays() {
    let owner = json!({"ownerReferences": [{"apiVersion": "apps.jfrog.com/v1alpha1", "kind": "SecretRotator", "name": "rotator",
        "uid": "r", "controller": true}]});
    let mut objects = pair("token", &owner);
    objects.push(secret(
        OPERATOR,
        "lasting",
        &json!({}),
        &login("r.example.com", "lasting"),
    ));
    objects.push(json!({"apiVersion": "apps.jfrog.com/v1alpha1", "kind": "SecretRotator",
        "metadata": {"name": "rotator", "uid": "r"},
        "spec": {"generatedSecrets": [{"secretName": "token", "secretType": "docker"}, {"secretName": "x", "secretType": "generic"}]}}));
    let asked = Asked {
        from: vec!["jfrog".to_owned()],
        source: Some("lasting"),
        ..Asked::default()
    };
    let (group, _) = only(plan(&seen(&objects), &asked));
    assert_eq!(group.verdict, Verdict::Adopt, "{group:#?}");
    assert!(!super::commands(&group.after).contains("delete"), "{group:#?}");
}

//! Tools whose logins last for hours.

use serde_json::{Value, json};

use super::{Row, custom, lease, owner, row, stopped};
use crate::adopt::Tool;
use crate::adopt::tests::NOW_TEXT;

pub(super) fn rows() -> Vec<Row> {
    [operators(), clouds()].into_iter().flatten().collect()
}

/// A row with these objects, whether the tool runs or not.
fn with(objects: &[Value], mut base: Row) -> Row {
    base.running.extend_from_slice(objects);
    base.stopped.extend_from_slice(objects);
    base.short_lived = true;
    base
}

fn operators() -> Vec<Row> {
    let jfrog = |_: &str| json!({"ownerReferences": owner("apps.jfrog.com/v1alpha1", "SecretRotator", "rotator", "cr-5", true)});
    let rotator = custom(
        "apps.jfrog.com/v1alpha1",
        "SecretRotator",
        &json!({"name": "rotator", "uid": "cr-5"}),
        &json!({}),
    );
    let pfnet = |namespace: &str| {
        json!({"labels": {"imagepullsecrets.preferred.jp/service-account": "default"},
            "annotations": {"imagepullsecrets.preferred.jp/principal": "p", "imagepullsecrets.preferred.jp/expires-at": NOW_TEXT},
            "ownerReferences": owner("v1", "ServiceAccount", "default", &format!("sa-{namespace}-default"), true)})
    };
    let mut provisioner = stopped(
        with(&[], row(Tool::Pfnet, "imagepullsecret-default", pfnet)),
        &json!({"control-plane": "controller-manager"}),
        "ghcr.io/pfnet/image-pull-secrets-provisioner:v1",
    );
    provisioner.running.push(lease("b1b11bb0.preferred.jp"));
    vec![
        Row {
            after: "kubectl patch secretrotators.apps.jfrog.com rotator",
            ..stopped(
                with(&[rotator], row(Tool::Jfrog, "token-imagepull-secret", jfrog)),
                &json!({"app": "jfrog-operator"}),
                "releases-docker.jfrog.io/jfrog/jfrog-registry-operator:2.0",
            )
        },
        provisioner,
    ]
}

fn clouds() -> Vec<Row> {
    let azure = |namespace: &str| {
        json!({"labels": {"acr.microsoft.com/binding": "acr"},
            "annotations": {"acr.microsoft.com/token.expiry": NOW_TEXT, "acr.microsoft.com/token.refresh": NOW_TEXT},
            "ownerReferences": owner("acrpull.microsoft.com/v1beta2", "AcrPullBinding", "acr", &format!("bind-{namespace}"), true)})
    };
    let bindings = ["a", "b", "c"].map(|namespace| {
        let metadata = json!({"namespace": namespace, "name": "acr", "uid": format!("bind-{namespace}")});
        custom("acrpull.microsoft.com/v1beta2", "AcrPullBinding", &metadata, &json!({}))
    });
    let cron = |suspend: bool| {
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"namespace": "tool", "name": "renew"},
            "spec": {"suspend": suspend, "jobTemplate": {"spec": {"template": {"spec": {"containers": [
                {"image": "nabsul/k8s-ecr-login-renew:v1.7"}]}}}}}})
    };
    vec![
        Row {
            after: "kubectl delete acrpullbindings.acrpull.microsoft.com acr -n a --cascade=orphan",
            ..stopped(
                with(&bindings, row(Tool::AcrPull, "acr-pull-acr", azure)),
                &json!({"app.kubernetes.io/name": "acrpull"}),
                "mcr.microsoft.com/aks/msi-acrpull:v0.1",
            )
        },
        Row {
            email: Some("awsregrenew@demo.test"),
            running: vec![cron(false)],
            first: r#"kubectl patch cronjob renew -n tool --type=merge -p '{"spec":{"suspend":true}}'"#,
            stopped: vec![cron(true)],
            after: "kubectl delete cronjob renew -n tool",
            short_lived: true,
            ..row(Tool::EcrLoginRenew, "k8s-ecr-login-renew-docker-secret", |_| json!({}))
        },
    ]
}

use serde_json::json;

use super::*;
use crate::rollout::{Given, of_login};

const NAMESPACE: &str = "pullsecrets-system";

const SECRET: &str = "
apiVersion: v1
kind: Secret
metadata:
  name: robot
  namespace: pullsecrets-system
  uid: 0-0
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: CANARY
    team: a
type: kubernetes.io/basic-auth
data: {username: Q0FOQVJZ}
stringData: {password: CANARY}
";

const OBJECT: &str = "
apiVersion: pullsecrets.dev/v1alpha1
kind: ClusterPullSecret
metadata: {name: company, finalizers: [pullsecrets.dev/cleanup], generation: 7}
spec:
  registries:
  - server: harbor.example.com
    credentials: {basicAuth: {secretRef: {name: robot}}}
  namespaces: {selectors: [{matchLabels: {pulls: company}}], excluded: [test-*]}
status: {}
";

fn read(texts: &[&str]) -> Result<Wanted, Vec<String>> {
    let text = texts.join("\n---\n");
    of_files(&[("f.yaml".to_owned(), text)], NAMESPACE)
}

/// The only error.
fn wrong(texts: &[&str]) -> String {
    let wrong = read(texts).err().unwrap_or_default();
    assert!(!wrong.join("").to_lowercase().contains("canary"), "{wrong:?}");
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    wrong.join("")
}

/// Nothing of the server, no annotation that repeats the login, and data in the form that server-side apply owns.
#[test]
fn only_what_a_person_declares_is_applied() {
    let wanted = read(&[SECRET, "---\n# nothing\n", OBJECT]).ok().unwrap();
    assert_eq!(
        wanted.sources[0].manifest,
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
            "metadata": {"name": "robot", "namespace": NAMESPACE, "annotations": {"team": "a"}},
            "data": {"username": "Q0FOQVJZ", "password": "Q0FOQVJZ"},
        })
    );
    assert_eq!(wanted.objects[0].manifest["metadata"], json!({"name": "company"}));
    assert!(wanted.objects[0].manifest.get("status").is_none());
    assert!(wanted.sources_elsewhere().is_empty());
    assert_eq!(
        wanted.lines(),
        [
            "Secret pullsecrets-system/robot, kubernetes.io/basic-auth",
            "ClusterPullSecret company: harbor.example.com, for namespaces with pulls=company, without test-*"
        ]
    );
}

#[test]
fn lists_and_json_are_read_too() {
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&[SECRET, OBJECT].join("\n---\n")).unwrap();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": documents}).to_string();
    let wanted = read(&[&list]).ok().unwrap();
    assert_eq!((wanted.objects.len(), wanted.sources.len()), (1, 1));
}

/// A source may be in each cluster already, brought there by another tool.
#[test]
fn sources_that_are_not_given_are_known() {
    let wanted = read(&[OBJECT]).ok().unwrap();
    let elsewhere = wanted.sources_elsewhere().into_iter().collect::<Vec<_>>();
    assert_eq!(elsewhere, [(NAMESPACE.to_owned(), "robot".to_owned())]);
}

#[test]
fn what_does_not_belong_is_refused_by_name() {
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\ndata: {a: CANARY}";
    assert_eq!(
        wrong(&[OBJECT, other]),
        "f.yaml, document 2 (ConfigMap extra): rollout applies ClusterPullSecrets and their source Secrets alone: use \
         kubectl apply"
    );
    let stray = SECRET.replace("name: robot", "name: stray");
    assert_eq!(
        wrong(&[&stray, OBJECT]),
        "Secret pullsecrets-system/stray is no source of a ClusterPullSecret that is given with it"
    );
    assert_eq!(wrong(&[OBJECT, OBJECT]), "ClusterPullSecret company is there twice");
    assert_eq!(wrong(&[""]), "there is no ClusterPullSecret");
    assert_eq!(wrong(&["a: [CANARY"]), "f.yaml is not YAML: error at line 1");
}

#[test]
fn bad_sources_are_refused_without_their_values() {
    let changed = |from: &str, to: &str| {
        assert!(SECRET.contains(from), "{from}");
        wrong(&[&SECRET.replace(from, to), OBJECT])
    };
    for (from, to, part) in [
        ("Q0FOQVJZ", "CANARY!", "a value of data is not base64"),
        (
            "{password: CANARY}",
            "{password: [CANARY]}",
            "a value of stringData is no text",
        ),
        ("{password: CANARY}", "{password: ''}", "password"),
        (
            "{username: Q0FOQVJZ}",
            "{username: Q0FOQVJZOkE=}",
            "username contains a `:`",
        ),
        ("kubernetes.io/basic-auth", "kubernetes.io/tls", "cannot be a source"),
        (
            "team: a",
            "team: a\n  labels: {pullsecrets.dev/cluster-pull-secret: x}",
            "so it is a copy",
        ),
        ("name: robot", "name: CANARY_NAME", "must be names of objects"),
    ] {
        let error = changed(from, to);
        assert!(error.contains(part), "{from} -> {to}: {error}");
    }
}

#[test]
fn bad_objects_are_refused_by_field() {
    let changed = |from: &str, to: &str| {
        assert!(OBJECT.contains(from), "{from}");
        wrong(&[SECRET, &OBJECT.replace(from, to)])
    };
    for (from, to, part) in [
        (
            "excluded: [test-*]",
            "exclude: [CANARY]",
            "has no spec.namespaces.exclude",
        ),
        (
            "server: harbor.example.com",
            "server: https://user:canary@h.example.com",
            "spec.registries[0].server: the server has an `@`",
        ),
        ("registries:", "registry:", "has not the form of a ClusterPullSecret"),
        ("v1alpha1", "v9", "apiVersion is not pullsecrets.dev/v1alpha1"),
        (
            "name: company",
            "name: CANARY_NAME",
            "metadata.name must have 1 to 63 characters",
        ),
    ] {
        let error = changed(from, to);
        assert!(error.contains(part), "{from} -> {to}: {error}");
    }
}

fn login<'a>(server: &'a str, username: &'a str, password: &'a str) -> Given<'a> {
    Given {
        server,
        login: Some((username, password)),
        excluded: &[],
        name: None,
        operator_namespace: NAMESPACE,
    }
}

/// As scripts do it today: one login for all namespaces but some.
#[test]
fn flags_make_one_object_with_its_source() {
    let excluded = ["kube-*".to_owned(), "test".to_owned()];
    let given = Given {
        excluded: &excluded,
        ..login("https://harbor.example.com/", "CANARY", "CANARY\n")
    };
    let wanted = of_login(given).ok().unwrap();
    assert_eq!(
        wanted.lines(),
        [
            "Secret pullsecrets-system/harbor-example-com, kubernetes.io/basic-auth",
            "ClusterPullSecret harbor-example-com: harbor.example.com, for all namespaces, without kube-*, test"
        ]
    );
    // The line break of `echo` is no part of the password.
    assert_eq!(wanted.sources[0].manifest["data"]["password"], "Q0FOQVJZ");
    let hub = of_login(login("docker.io", "a", "b")).ok().unwrap();
    assert_eq!(hub.objects[0].manifest["spec"]["registries"][0]["server"], "docker.io");
}

#[test]
fn bad_flags_are_refused_without_their_values() {
    for (server, username, password, part) in [
        (
            "https://user:canary@h.example.com",
            "a",
            "b",
            "--server: the server has an `@`",
        ),
        ("h.example.com", "CANARY:a", "b", "the username contains a `:`"),
        ("h.example.com", "a", "\n", "the password is empty"),
    ] {
        let wrong = of_login(login(server, username, password)).err().unwrap_or_default();
        assert!(wrong.len() == 1 && wrong[0].contains(part), "{server}: {wrong:?}");
        assert!(!wrong[0].to_lowercase().contains("canary"), "{wrong:?}");
    }
}

//! The author of an object must be able to read its sources.

use e2e::SYSTEM_NAMESPACE;
use e2e::cluster::Cluster;
use e2e::wait::eventually;
use serde_json::{Value, json};

use crate::admission::bare::{self, SOON};

/// An author, the sources of the object as `name` or `namespace/name`, and the first one that the refusal names.
type Row = (&'static str, &'static [&'static str], Option<&'static str>);

/// `reader` may get all Secrets of the operator's namespace. `one` may get `a` there. `none` may get no Secret.
const ROWS: [Row; 11] = [
    ("reader", &["a"], None),
    ("reader", &["a", "b"], None),
    ("reader", &["elsewhere/a"], Some("elsewhere/a")),
    ("one", &["a"], None),
    ("one", &["pullsecrets-system/a"], None),
    ("one", &["b"], Some("pullsecrets-system/b")),
    ("one", &["a", "b"], Some("pullsecrets-system/b")),
    ("one", &["elsewhere/a"], Some("elsewhere/a")),
    ("none", &["a"], Some("pullsecrets-system/a")),
    ("elsewhere", &["elsewhere/a"], None),
    ("elsewhere", &["elsewhere/a", "a"], Some("pullsecrets-system/a")),
];

/// An object is accepted from authors who may get every Secret that it names.
#[tokio::test]
async fn author_must_read_every_named_secret() {
    let cluster = bare::shared().await;
    people(cluster).await;
    in_force(cluster).await;
    bare::apply(cluster, &[object("authors-there", &["c"])]).await;
    for (author, sources, obstacle) in ROWS {
        let created = dry_run(cluster, author, "create", &object("authors-new", sources)).await;
        check(&created, obstacle, &format!("{author} creates {sources:?}"));
        let changed = dry_run(cluster, author, "replace", &object("authors-there", sources)).await;
        check(&changed, obstacle, &format!("{author} changes to {sources:?}"));
    }
}

#[tokio::test]
async fn each_of_sixteen_registries_is_asked_for() {
    let cluster = bare::shared().await;
    people(cluster).await;
    in_force(cluster).await;
    for forbidden in 0..=16 {
        let sources: Vec<&str> = (0..16).map(|at| if at == forbidden { "b" } else { "a" }).collect();
        let created = dry_run(cluster, "one", "create", &object("authors-many", &sources)).await;
        let obstacle = (forbidden < 16).then_some("pullsecrets-system/b");
        check(&created, obstacle, &format!("registry {forbidden} of 16"));
    }
}

/// Every author who may change the object may change its other fields.
#[tokio::test]
async fn other_fields_need_no_right_to_sources() {
    let cluster = bare::shared().await;
    people(cluster).await;
    in_force(cluster).await;
    bare::apply(cluster, &[object("authors-kept", &["c"])]).await;
    let metadata = r#"{"metadata":{"labels":{"a":"b"},"finalizers":["example.com/held"],"annotations":{"c":"d"}}}"#;
    let status = r#"{"status":{"observedGeneration":1}}"#;
    for (says, patch, subresource, obstacle) in [
        ("metadata", metadata, None, None),
        ("the status", status, Some("--subresource=status"), None),
        ("the spec as it is", r#"{"spec":{"suspend":false}}"#, None, None),
        (
            "the spec",
            r#"{"spec":{"suspend":true}}"#,
            None,
            Some("pullsecrets-system/c"),
        ),
    ] {
        let mut arguments = vec![
            "patch",
            "cps",
            "authors-kept",
            "--as=none",
            "--dry-run=server",
            "--type=merge",
            "-p",
            patch,
        ];
        arguments.extend(subresource);
        let output = cluster.kubectl().output(&arguments, "").await.unwrap();
        check(
            &(output.status.success(), String::from_utf8(output.stderr).unwrap()),
            obstacle,
            says,
        );
    }
}

/// Sources without a namespace are those of the installation that an object is handed over to, or that acts for it.
#[tokio::test]
async fn handing_over_needs_the_right_to_read_sources() {
    let cluster = bare::shared().await;
    people(cluster).await;
    in_force(cluster).await;
    let (here, there) = (Some("pullsecrets-system/a"), Some("elsewhere/a"));
    let handed = |name: &str, to: &str| {
        let mut object = object(name, &["a"]);
        object["metadata"]["annotations"] = json!({ "pullsecrets.dev/installation": to });
        object
    };
    let long = format!("{}/pullsecrets", "a".repeat(64));
    for (author, to, obstacle) in [
        ("elsewhere", "elsewhere/pullsecrets", None),
        ("reader", "elsewhere/pullsecrets", there),
        ("reader", "pullsecrets-system/pullsecrets", None),
        ("elsewhere", "elsewhere", here),
        ("elsewhere", "elsewhere/another", here),
        ("elsewhere", " elsewhere/pullsecrets", here),
        ("elsewhere", &long, here),
    ] {
        let created = dry_run(cluster, author, "create", &handed("authors-new", to)).await;
        check(&created, obstacle, &format!("{author} creates for {to}"));
    }

    moved_object_belongs_to_its_new_installation(cluster, there).await;
}

/// `there` is what the refusal names when the author may not read the sources of the acting installation.
async fn moved_object_belongs_to_its_new_installation(cluster: &Cluster, there: Option<&str>) {
    bare::apply(cluster, &[object("authors-moved", &["a"])]).await;
    let patch = async |author: &str, patch: &str| {
        let (author, run) = (format!("--as={author}"), "--dry-run=server");
        let arguments = [
            "patch",
            "cps",
            "authors-moved",
            &author,
            run,
            "--type=merge",
            "-p",
            patch,
        ];
        let output = cluster.kubectl().output(&arguments, "").await.unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let hand_over = r#"{"metadata":{"annotations":{"pullsecrets.dev/installation":"elsewhere/pullsecrets"}}}"#;
    check(&patch("reader", hand_over).await, there, "reader hands over");
    check(&patch("elsewhere", hand_over).await, None, "elsewhere hands over");
    let status = r#"{"status":{"installation":"elsewhere/pullsecrets"}}"#;
    let record = [
        "patch",
        "cps",
        "authors-moved",
        "--subresource=status",
        "--type=merge",
        "-p",
        status,
    ];
    cluster.kubectl().run(&record, "").await.unwrap();
    let change = r#"{"spec":{"suspend":true}}"#;
    check(
        &patch("reader", change).await,
        there,
        "reader changes what is elsewhere",
    );
    check(
        &patch("elsewhere", change).await,
        None,
        "elsewhere changes what is elsewhere",
    );
}

/// Lets every author write objects.
async fn people(cluster: &Cluster) {
    let role = |name: &str, rule: Value| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name}, "rules": [rule]})
    };
    let binding = |name: &str, role: &str, user: &str, namespace: Option<&str>| {
        let kind = if namespace.is_some() {
            "RoleBinding"
        } else {
            "ClusterRoleBinding"
        };
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]})
    };
    let objects = json!({"apiGroups": ["pullsecrets.dev"], "resources": ["clusterpullsecrets", "clusterpullsecrets/status"],
        "verbs": ["*"]});
    let all = json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]});
    let one = json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"], "verbs": ["get"]});
    let mut made = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "elsewhere"}}),
        role("authors", objects),
        role("all-secrets", all),
        role("one-secret", one),
        binding("reader", "all-secrets", "reader", Some(SYSTEM_NAMESPACE)),
        binding("one", "one-secret", "one", Some(SYSTEM_NAMESPACE)),
        binding("elsewhere", "all-secrets", "elsewhere", Some("elsewhere")),
    ];
    made.extend(
        ["reader", "one", "none", "elsewhere"].map(|user| binding(&format!("author-{user}"), "authors", user, None)),
    );
    bare::apply(cluster, &made).await;
}

/// Waits until policies and rights are in force. Policies take a second, rights less.
async fn in_force(cluster: &Cluster) {
    eventually("the policy and the rights are in force", SOON, async || {
        let (refused, told) = dry_run(cluster, "none", "create", &object("authors-probe", &["a"])).await;
        let (accepted, also_told) = dry_run(
            cluster,
            "elsewhere",
            "create",
            &object("authors-probe", &["elsewhere/a"]),
        )
        .await;
        (!refused && told.contains("may not get") && accepted)
            .then_some(())
            .ok_or_else(|| format!("{told} {also_told}"))
    })
    .await;
}

fn object(name: &str, sources: &[&str]) -> Value {
    let registries: Vec<Value> = sources
        .iter()
        .enumerate()
        .map(|(at, source)| {
            let reference = match source.split_once('/') {
                Some((namespace, name)) => json!({"namespace": namespace, "name": name}),
                None => json!({"name": source}),
            };
            let kind = if at % 2 == 0 { "basicAuth" } else { "dockerConfig" };
            json!({"server": format!("r{at}.example.com"), "credentials": {kind: {"secretRef": reference}}})
        })
        .collect();
    bare::object(
        name,
        &json!({"registries": registries, "namespaces": {"names": ["nowhere"]}}),
    )
}

/// Returns whether the request was accepted, and the message.
async fn dry_run(cluster: &Cluster, author: &str, verb: &str, object: &Value) -> (bool, String) {
    let arguments = [verb, &format!("--as={author}"), "--dry-run=server", "-f", "-"];
    let output = cluster.kubectl().output(&arguments, &object.to_string()).await.unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

fn check((accepted, told): &(bool, String), obstacle: Option<&str>, says: &str) {
    assert_eq!(*accepted, obstacle.is_none(), "{says}: {told}");
    if let Some(secret) = obstacle {
        let expected = format!("may not get the Secret {secret}:");
        assert!(told.contains(&expected), "{says}: {told}");
    }
}

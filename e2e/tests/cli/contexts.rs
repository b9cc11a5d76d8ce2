//! Several contexts, of which one cannot be reached and one lacks rights; and what the tool asks the API server.

use std::path::PathBuf;

use e2e::audit::Record;
use e2e::scenario::Scenario;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::batch::v1::CronJob;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::cli::tool::Tool;
use crate::cli::verdicts::{SERVER, account, create_reader, forget_reader, prepared, template};

/// A kubeconfig beside that of the administrator, with the contexts `far` and `poor`.
async fn others(scenario: &Scenario, namespace: &str) -> PathBuf {
    let binding = ["create", "rolebinding", "poor", "-n", namespace, "--clusterrole=poor"];
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "poor"},
        "rules": [{"apiGroups": [""], "resources": ["pods", "serviceaccounts"], "verbs": ["list"]}],
    });
    scenario.apply(&role).await;
    account(scenario, namespace, "poor", &[]).await;
    let subject = format!("--serviceaccount={namespace}:poor");
    scenario.kubectl(&[&binding[..], &[&subject]].concat()).await;
    let path = scenario
        .cluster()
        .service_account_kubeconfig(namespace, "poor")
        .await
        .unwrap();
    let mut kubeconfig: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for part in ["clusters", "users", "contexts"] {
        kubeconfig[part][0]["name"] = json!("poor");
    }
    kubeconfig["contexts"][0]["context"] = json!({"cluster": "poor", "user": "poor"});
    let far = json!({"name": "far", "cluster": {"server": "https://127.0.0.1:1"}});
    kubeconfig["clusters"].as_array_mut().unwrap().push(far);
    let far = json!({"name": "far", "context": {"cluster": "far", "user": "poor"}});
    kubeconfig["contexts"].as_array_mut().unwrap().push(far);
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    path
}

/// Each context that fails is a row, the others are answered, and the exit code says that something is missing.
#[tokio::test]
async fn far_and_poor_contexts_become_rows() {
    let (scenario, namespace) = prepared("contexts").await;
    let others = others(&scenario, &namespace).await;
    let admin = scenario.cluster().kubeconfig_path().display().to_string();
    let tool = Tool::new(scenario.cluster().kubeconfig_path()).await;
    let both = tool.with_kubeconfig(format!("{admin}:/no/such/file:{}", others.display()));

    let audit = ["audit", SERVER, "-n", &namespace, "--all-contexts"];
    let (code, report) = both.json(&audit).await;
    assert_eq!((code, &report["complete"]), (Some(2), &json!(false)), "{report:#}");
    let contexts = report["contexts"].as_array().unwrap();
    let names: Vec<&str> = contexts
        .iter()
        .map(|context| context["context"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["e2e", "far", "poor"]);
    assert_eq!(contexts[0]["summary"]["ready"], 1, "{report:#}");
    assert_eq!(contexts[1]["error"], "127.0.0.1:1 cannot be reached");
    let unseen = contexts[2]["unseen"].as_array().unwrap();
    let kinds: Vec<&str> = unseen.iter().map(|unseen| unseen["kind"].as_str().unwrap()).collect();
    for kind in ["Namespace", "Deployment", "CronJob", "ClusterPullSecret"] {
        assert!(kinds.contains(&kind), "{kind}: {report:#}");
    }
    assert!(
        !kinds.contains(&"Pod") && !kinds.contains(&"ServiceAccount"),
        "{report:#}"
    );

    let table = both.run(&audit).await;
    assert_eq!(table.code, Some(2));
    let has = |context: &str, part: &str| {
        table
            .out
            .lines()
            .any(|line| line.starts_with(context) && line.contains("NotSeen") && line.contains(part))
    };
    assert!(has("far", "127.0.0.1:1 cannot be reached"), "{}", table.out);
    assert!(
        has("poor", "deployments in") && has("poor", "you may not list them (403)"),
        "{}",
        table.out
    );
    assert_eq!(table.err, "", "no note without a terminal");

    let one = both.run(&["audit", SERVER, "-n", &namespace, "--context", "e2*"]).await;
    assert_eq!(one.code, Some(0), "{one:#?}");
    let none = both.run(&["audit", "--context", "x*"]).await;
    assert_eq!(none.code, Some(2));
    assert!(
        none.err.contains("no context matches \"x*\"; there are e2e, far, poor"),
        "{none:#?}"
    );
    // A person may impersonate another, who then lacks rights.
    let other = both
        .run(&["audit", "-n", &namespace, "--context", "e2e", "--as", "nobody"])
        .await;
    assert_eq!(other.code, Some(2), "{other:#?}");
    assert!(other.out.contains("you may not list them (403)"), "{other:#?}");
}

/// The requests of this user, sorted; each list is asked for in pages. Requests for a later page are apart.
fn asked_by(user: &str, records: &[Record]) -> (Vec<String>, Vec<String>) {
    let mut asked: Vec<&Record> = records.iter().filter(|record| record.user == user).collect();
    let is_paged = |record: &&Record| record.verb != "list" || record.request_uri.contains("limit=500");
    assert!(asked.iter().all(is_paged), "{asked:#?}");
    asked.sort_by_key(|record| (&record.verb, &record.resource, &record.name));
    let (later, first): (Vec<_>, Vec<_>) = asked
        .into_iter()
        .partition(|record| record.request_uri.contains("continue="));
    let shown = |record: &Record| format!("{} {} {}", record.verb, record.resource, record.name);
    [first, later]
        .map(|records| records.into_iter().map(shown).collect())
        .into()
}

/// Creates as many suspended `CronJobs`, whose image is pulled with the login of the namespace.
async fn cron_jobs(scenario: &Scenario, namespace: &str, count: usize) {
    let api: Api<CronJob> = Api::namespaced(scenario.client().clone(), namespace);
    let mut template = template("ready", &format!("{SERVER}/app"));
    template["spec"]["restartPolicy"] = json!("Never");
    let made = stream::iter(0..count).map(|number| {
        let (api, template) = (api.clone(), &template);
        async move {
            let job: CronJob = serde_json::from_value(json!({
                "metadata": {"name": format!("job-{number}")},
                "spec": {"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": {"template": template}}},
            }))
            .unwrap();
            api.create(&PostParams::default(), &job).await
        }
    });
    let made: Result<Vec<_>, _> = made.buffer_unordered(16).try_collect().await;
    assert_eq!(made.unwrap().len(), count);
}

/// The tool reads each list once, page by page, asks for no Secret twice, and never watches.
#[tokio::test]
async fn audit_asks_once_for_each_list() {
    let (scenario, namespace) = prepared("requests").await;
    cron_jobs(&scenario, &namespace, 501).await;
    account(&scenario, &namespace, "other", &["company", "gone", "opaque"]).await;
    scenario
        .kubectl(&["create", "secret", "generic", "opaque", "-n", &namespace])
        .await;
    create_reader(&scenario, &namespace).await;
    let kubeconfig = scenario
        .cluster()
        .service_account_kubeconfig(&namespace, "reader")
        .await
        .unwrap();
    let tool = Tool::new(&kubeconfig).await;
    let audit = scenario.cluster().audit();
    let mark = audit.mark().unwrap();
    let glob = format!("{namespace}*");
    let (code, report) = tool.json(&["audit", SERVER, "-n", &glob]).await;
    let summary = &report["contexts"][0]["summary"];
    assert_eq!((code, &summary["workloads"]), (Some(0), &json!(502)), "{report:#}");
    audit.settle(scenario.client()).await.unwrap();
    let user = format!("system:serviceaccount:{namespace}:reader");
    let (asked, later) = asked_by(&user, &audit.since(mark).unwrap());
    let lists = [
        "clusterpullsecrets",
        "cronjobs",
        "daemonsets",
        "deployments",
        "jobs",
        "namespaces",
        "pods",
        "replicasets",
        "secrets",
        "secrets",
        "serviceaccounts",
        "statefulsets",
    ];
    let mut expected: Vec<String> = lists.iter().map(|list| format!("list {list} ")).collect();
    expected.extend(["get secrets gone", "get secrets opaque"].map(str::to_owned));
    expected.sort();
    assert_eq!(asked, expected);
    assert!(later.contains(&"list cronjobs ".to_owned()), "{later:?}");
    forget_reader(&scenario, &namespace).await;
}

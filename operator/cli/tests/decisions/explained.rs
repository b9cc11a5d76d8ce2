//! Explanations, step by step.

use cli::explain::{Explanation, Target, explain};
use cli::output::{Terminal, explanation_text};
use cli::verdict::LoginOutcome;
use cli::world::WorkloadId;

use crate::cluster::{Cluster, IMAGE, running, waiting};

fn of(cluster: &Cluster, target: &Target) -> Explanation {
    explain(&cluster.world, &cluster.evidence, None, "ns", target).expect("it is in the cluster")
}

fn shown(explanation: &Explanation, unicode: bool) -> String {
    explanation_text(explanation, Terminal { width: None, unicode })
}

#[test]
fn a_pod_that_came_too_early_is_explained() {
    let cluster = Cluster::listing(&["company"])
        .login("company", &["r.example.com"])
        .deployment(&[])
        .pod("api-1", &[], "IfNotPresent", &running());
    let lines = shown(&of(&cluster, &Target::Pod("api-1".into())), true);
    let expected = "\
Pod ns/api-1, account default, node node-3
r.example.com/team/app:1   container c0, IfNotPresent
  × references   none: the Pod was admitted without, and account default has \"company\" now
  - secrets      none to read
  - keys         none match
  ? node         a login of the node may answer; the API does not show it
  √ present      it started, so the image is on node-3
It runs on. A restart of its container may pull again and fail. A new Pod gets the login.
do: kubectl rollout restart deployment/api -n ns
";
    assert_eq!(lines, expected);
}

#[test]
fn a_workload_is_explained_by_its_template() {
    let mut cluster = Cluster::listing(&["company"])
        .login("company", &["r.example.com"])
        .deployment(&[]);
    let target = Target::Workload(WorkloadId::new("deployments", "api"));
    let lines = shown(&of(&cluster, &target), false);
    let expected = "\
Deployment/api in ns, account default
r.example.com/team/app:1   container c0, IfNotPresent
  + references   \"company\" of account default
  + secrets      company has r.example.com
  + keys         r.example.com of company
  ? login        not tried; --login tries one
A new Pod can pull every image.
";
    assert_eq!(lines, expected);
    let login = cluster.world.namespaces["ns"].secrets["company"].entries()[0].login;
    cluster.evidence.login(login, IMAGE, LoginOutcome::Refused);
    let explanation = of(&cluster, &target);
    assert_eq!(
        explanation.outcome,
        "A new Pod could not pull: the registry refuses the login of secret company."
    );
    assert!(explanation.fix.is_some());
}

#[test]
fn an_unreadable_secret_ends_the_steps() {
    let cluster = Cluster::listing(&["mirror"])
        .config("mirror", r#"{"auths":[]}"#)
        .deployment(&[]);
    let explanation = of(&cluster, &Target::Workload(WorkloadId::new("Deployment", "api")));
    let steps: Vec<&str> = explanation.parts[0].steps.iter().map(|step| step.step).collect();
    assert_eq!(steps, ["references", "secrets", "keys"]);
    assert!(explanation.parts[0].steps[1].text.contains("`auths` is not an object"));
}

#[test]
fn an_account_shows_its_secrets_and_users() {
    let cluster = Cluster::listing(&["company", "gone"])
        .login("company", &["r.example.com", "not a server", "*.example.com"])
        .deployment(&["old"]);
    let explanation = of(&cluster, &Target::Account("default".into()));
    let texts: Vec<&str> = explanation
        .parts
        .iter()
        .map(|part| part.steps[0].text.as_str())
        .collect();
    assert_eq!(
        texts,
        [
            "company has *.example.com, r.example.com and 1 more",
            "gone does not exist"
        ]
    );
    assert!(
        explanation
            .outcome
            .starts_with("1 workloads use it. Deployment/api could not pull: its template lists")
    );
}

#[test]
fn an_image_is_explained_for_an_account() {
    let cluster = Cluster::listing(&["company"]).login("company", &["r.example.com:443"]);
    let target = |image: &str, account: &str| Target::Image {
        image: image.into(),
        account: account.into(),
    };
    let explanation = of(&cluster, &target(IMAGE, "default"));
    assert!(
        explanation.outcome.contains("ports must be equal"),
        "{}",
        explanation.outcome
    );
    let refused = of(&cluster, &target("not an image", "default"));
    assert_eq!(refused.outcome, "Kubelets refuse this name of an image.");
    let gone = explain(&cluster.world, &cluster.evidence, None, "ns", &target(IMAGE, "gone"));
    assert_eq!(
        gone.expect_err("no such account").to_string(),
        "account gone was not found in namespace ns"
    );
}

#[test]
fn a_waiting_pod_names_the_command_with_its_context() {
    let cluster = Cluster::listing(&[])
        .deployment(&[])
        .pod("api-1", &[], "Always", &waiting("ErrImagePull"));
    let target = Target::Pod("api-1".into());
    let explanation = explain(&cluster.world, &cluster.evidence, Some("prod eu"), "ns", &target).expect("a Pod");
    assert!(
        explanation
            .outcome
            .starts_with("It waits for the image. A new Pod could not pull either")
    );
    assert!(
        explanation
            .fix
            .expect("a fix")
            .starts_with("kubectl --context 'prod eu' create secret")
    );
}

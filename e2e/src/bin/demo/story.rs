//! Steps of the demo, in order.

use anyhow::{Context, ensure};
use e2e::OPERATOR_USER;
use e2e::audit::{Mark, Record};
use e2e::oracle;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;

use crate::env::{Env, OBJECT, USER};
use crate::terminal::Terminal;

const NAMESPACES: [&str; 3] = ["payments", "search", "checkout"];

/// The namespace that the demo creates later.
const LATER: &str = "brand-new";

/// Passwords of the demo's own registry.
const PASSWORDS: [&str; 2] = ["first-password", "second-password"];

/// Runs all steps.
///
/// # Errors
///
/// The first broken promise.
pub(crate) async fn run(env: &mut Env, terminal: &Terminal) -> anyhow::Result<()> {
    three_namespaces(env, terminal)
        .await
        .context("three namespaces and a registry")?;
    one_object(env, terminal).await.context("one object")?;
    a_new_namespace(env, terminal).await.context("a new namespace")?;
    rotation(env, terminal).await.context("a new password")?;
    the_end(env, terminal).await.context("the end")
}

async fn three_namespaces(env: &mut Env, terminal: &Terminal) -> anyhow::Result<()> {
    terminal.step("1. Three namespaces, and a registry that asks for a password");
    for namespace in NAMESPACES {
        env.kubectl(terminal, &format!("create namespace {namespace}")).await?;
        env.kubectl(terminal, &format!("label namespace {namespace} pulls=company"))
            .await?;
    }
    // A foreign pull secret, to show later that the operator leaves it alone.
    let patch = r#"'{"imagePullSecrets":[{"name":"theirs"}]}'"#;
    let command = format!("patch serviceaccount default -n {} -p {patch}", NAMESPACES[0]);
    env.kubectl(terminal, &command).await?;

    env.registry.set_password(USER, PASSWORDS[0])?;
    let code = env.registry.status_with(None).await?;
    ensure!(code == 401, "the registry answers {code} without a login");
    terminal.holds(&format!(
        "the registry {} answers 401 without a login",
        env.registry.address()
    ));
    Ok(())
}

async fn one_object(env: &Env, terminal: &Terminal) -> anyhow::Result<()> {
    terminal.step("2. The login once, and one object that says who may use it");
    env.write_source(terminal, PASSWORDS[0]).await?;
    env.apply(terminal, &manifest(env.registry.address())).await?;
    let expected = env.expected(&NAMESPACES, PASSWORDS[0]);
    env.holds("each namespace has its copy and its reference", &expected)
        .await?;
    env.ready(NAMESPACES.len()).await?;
    env.kubectl(terminal, "get cps").await?;
    env.check_answers(terminal, &NAMESPACES, 200).await?;
    env.run_pods(terminal, &NAMESPACES, "app", 0).await?;
    check_theirs(env, terminal).await
}

async fn a_new_namespace(env: &Env, terminal: &Terminal) -> anyhow::Result<()> {
    terminal.step("3. A new namespace, without any further step");
    let mark = env.cluster.audit().mark()?;
    let manifest =
        format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {LATER}\n  labels: {{pulls: company}}\n");
    env.apply(terminal, &manifest).await?;
    env.holds("it is served", &env.expected(&all(), PASSWORDS[0])).await?;
    env.cluster.audit().settle(&env.client).await?;
    let (total, ours) = milliseconds(env, mark)?;
    terminal.holds(&format!(
        "copy and reference were there after {total:.1} ms, {ours:.1} ms after Kubernetes had made its ServiceAccount"
    ));
    env.check_answers(terminal, &[LATER], 200).await?;
    env.run_pods(terminal, &[LATER], "app", 0).await
}

async fn rotation(env: &mut Env, terminal: &Terminal) -> anyhow::Result<()> {
    terminal.step("4. A new password: the registry has it first, then the one Secret");
    let before = oracle::uids(&env.client, OBJECT).await.map_err(anyhow::Error::msg)?;
    env.registry.set_password(USER, PASSWORDS[1])?;
    env.check_answers(terminal, &all(), 401).await?;
    env.write_source(terminal, PASSWORDS[1]).await?;
    env.holds("each copy has the new login", &env.expected(&all(), PASSWORDS[1]))
        .await?;
    env.check_answers(terminal, &all(), 200).await?;
    let after = oracle::uids(&env.client, OBJECT).await.map_err(anyhow::Error::msg)?;
    ensure!(before == after, "a copy was recreated rather than updated");
    terminal.holds("every copy is the same object as before, updated in place");
    env.run_pods(terminal, &[LATER], "new-password", 1).await?;
    check_theirs(env, terminal).await
}

async fn the_end(env: &Env, terminal: &Terminal) -> anyhow::Result<()> {
    terminal.step("5. The object goes");
    env.kubectl(terminal, &format!("delete cps {OBJECT}")).await?;
    env.gone(&PASSWORDS).await?;
    let label = format!("get secrets -A -l {}={OBJECT}", oracle::LABEL);
    env.kubectl(terminal, &label).await?;
    terminal.holds("no copy and no reference is left");
    check_theirs(env, terminal).await?;
    // What runs goes on; only new Pods would be refused.
    env.show_pods(terminal).await
}

fn all() -> [&'static str; 4] {
    let [a, b, c] = NAMESPACES;
    [a, b, c, LATER]
}

fn manifest(server: &str) -> String {
    format!(
        "apiVersion: pullsecrets.dev/v1alpha1
kind: ClusterPullSecret
metadata:
  name: {OBJECT}
spec:
  registries:
    - server: {server}
      credentials:
        basicAuth:
          secretRef: {{name: {}}}
  namespaces:
    selectors:
      - matchLabels: {{pulls: company}}
",
        crate::env::SOURCE
    )
}

async fn check_theirs(env: &Env, terminal: &Terminal) -> anyhow::Result<()> {
    let accounts: Api<ServiceAccount> = Api::namespaced(env.client.clone(), NAMESPACES[0]);
    let account = accounts.get("default").await?;
    let entries: Vec<String> = account
        .image_pull_secrets
        .into_iter()
        .flatten()
        .map(|entry| entry.name)
        .collect();
    let first = entries.first().map(String::as_str);
    ensure!(
        first == Some("theirs"),
        "the foreign entry is not where it was: {entries:?}"
    );
    terminal.holds(&format!("{}/default refers to {}", NAMESPACES[0], entries.join(", ")));
    Ok(())
}

/// Returns two times in milliseconds, from the API server's log. The first is from the creation of the namespace to the
/// response to the operator's last write there. The second starts when its `default` account exists.
fn milliseconds(env: &Env, mark: Mark) -> anyhow::Result<(f64, f64)> {
    let records = env.cluster.audit().since(mark)?;
    let created = |record: &&Record| record.resource == "namespaces" && record.is_write() && record.name == LATER;
    let account =
        |record: &&Record| record.resource == "serviceaccounts" && record.verb == "create" && record.namespace == LATER;
    let begin = records
        .iter()
        .find(created)
        .context("the namespace is not in the audit log")?;
    let account = records
        .iter()
        .find(account)
        .context("its account is not in the audit log")?;
    let end = records
        .iter()
        .filter(|record| record.user == OPERATOR_USER && record.is_write() && record.namespace == LATER)
        .map(|record| record.answered)
        .max()
        .context("the operator did not write to the new namespace")?;
    let since = |start: jiff::Timestamp| end.duration_since(start).as_secs_f64() * 1e3;
    Ok((since(begin.timestamp), since(account.answered)))
}

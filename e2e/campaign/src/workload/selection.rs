//! Actions on the selection: other namespaces, other accounts, and exclusions.

use serde_json::json;

use super::end;
use crate::end::{End, logins};
use crate::env::{EXCLUDE, Env, OBJECT, name, new_part};

/// Selects other namespaces, by their names.
pub(super) async fn select_others(env: &Env) -> anyhow::Result<End> {
    let [first, ..] = logins(env);
    let mut object = env.object(OBJECT);
    object["spec"]["namespaces"] = json!({"names": [name("c"), name("d"), name("e")]});
    env.apply(&object).await?;
    Ok(end(env, &["c", "d", "e"], &first))
}

/// Creates a namespace with the label.
pub(super) async fn new_namespace(env: &Env) -> anyhow::Result<End> {
    let [first, ..] = logins(env);
    let new = new_part();
    let metadata = json!({"name": name(&new), "labels": {"pull": "yes"}});
    env.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
        .await?;
    Ok(end(env, &["a", "b", "c", &new], &first))
}

/// Excludes a namespace by its label, another by its name, and an account by its label.
pub(super) async fn exclude(env: &Env) -> anyhow::Result<End> {
    let [first, ..] = logins(env);
    let excluded = (EXCLUDE, Some("true"));
    env.mark("Namespace", "", &name("b"), excluded).await?;
    env.mark("ServiceAccount", &name("a"), "builder", excluded).await?;
    let mut object = env.object(OBJECT);
    object["spec"]["namespaces"]["excluded"] = json!(["*-c"]);
    env.apply(&object).await?;
    let mut expected = env.expected(OBJECT, &["a"], &first);
    expected.holders.values_mut().for_each(|names| {
        names.remove("builder");
    });
    Ok(End::served(expected))
}

/// Deselects all accounts.
pub(super) async fn narrow(env: &Env) -> anyhow::Result<End> {
    let [first, ..] = logins(env);
    let mut object = env.object(OBJECT);
    object["spec"]["serviceAccounts"] = json!({"mode": "None"});
    object["spec"]["secret"] = json!({"labels": {"pull-secret.example.com/team": "x"}});
    env.apply(&object).await?;
    let mut expected = env.expected(OBJECT, &["a", "b", "c"], &first);
    expected
        .holders
        .values_mut()
        .for_each(std::collections::BTreeSet::clear);
    Ok(End::served(expected))
}

//! `ServiceAccount`s that enter and leave the selection.

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::events::env::Entries;
use crate::events::row::rows;

const EXCLUDE: &str = "pullsecrets.dev/exclude";

rows! {
    /// A new account of a selected name gets the reference.
    new_selected_account_gets_the_reference {
        given |it| { it.served_as(&["a"], json!({"serviceAccounts": {"names": ["default", "build-*"]}})).await; }
        when |it| {
            it.add_account("a", "build-1", json!({})).await;
            it.add_account("a", "other", json!({})).await;
        }
        then |it| { it.comes_true(&it.expected_on(&["a"], &["default", "build-1"])).await; }
        writes (0, 1, 0)
    }

    /// An account labelled into the selection gets the reference.
    selected_account_gets_the_reference {
        given |it| {
            let builders = json!({"serviceAccounts": {"selectors": [{"matchLabels": {"role": "build"}}]}});
            it.declared(&["a"], builders).await;
            it.add_account("a", "one", json!({"role": "build"})).await;
            it.add_account("a", "two", json!({})).await;
            it.comes_true(&it.expected_on(&["a"], &["one"])).await;
        }
        when others |it| { it.label_account("a", "two", "role", json!("build")).await; }
        then |it| { it.comes_true(&it.expected_on(&["a"], &["one", "two"])).await; }
        writes (0, 1, 0)
    }

    /// An account labelled out of the selection loses the reference.
    deselected_account_loses_the_reference {
        given |it| {
            let builders = json!({"serviceAccounts": {"selectors": [{"matchLabels": {"role": "build"}}]}});
            it.declared(&["a"], builders).await;
            it.add_account("a", "one", json!({"role": "build"})).await;
            it.add_account("a", "two", json!({"role": "build"})).await;
            it.comes_true(&it.expected_on(&["a"], &["one", "two"])).await;
        }
        when others |it| { it.label_account("a", "two", "role", Value::Null).await; }
        then |it| {
            it.comes_true(&it.expected_on(&["a"], &["one"])).await;
            it.same_copies(&["a"]).await;
        }
        writes (0, 1, 0)
    }

    /// An account labelled as excluded loses the reference, and the copy stays.
    excluded_account_loses_only_the_reference {
        given |it| { it.served(&["a"]).await; }
        when others |it| { it.label_account("a", "default", EXCLUDE, json!("true")).await; }
        then |it| {
            it.comes_true(&it.expected_on(&["a"], &[])).await;
            it.same_copies(&["a"]).await;
        }
        writes (0, 1, 0)
    }

    /// An account that is no longer labelled as excluded gets the reference.
    account_no_longer_excluded_gets_the_reference {
        given |it| {
            it.scenario().unselected_namespaces(&["a"]).await;
            it.label_account("a", "default", EXCLUDE, json!("true")).await;
            it.labels_in("a").await;
            it.declared(&[], json!({})).await;
            it.comes_true(&it.expected_on(&["a"], &[])).await;
        }
        when others |it| { it.label_account("a", "default", EXCLUDE, Value::Null).await; }
        then |it| { it.holds(&["a"]).await; }
        writes (0, 1, 0)
    }

    /// A recreated account gets the reference again.
    account_made_again_gets_the_reference {
        given |it| { it.served(&["a"]).await; }
        when others |it| {
            it.delete(&it.accounts("a"), "default").await;
            it.scenario().wait_for_accounts(&[it.namespace("a")]).await;
        }
        then |it| {
            it.holds(&["a"]).await;
            it.same_copies(&["a"]).await;
        }
        writes (0, 1, 0)
    }

    /// An account that may use listed Secrets only is served, and its Pods may use the copy.
    account_with_enforced_secrets_is_served {
        given |it| {
            it.scenario().unselected_namespaces(&["b"]).await;
            let strict = json!({"metadata": {"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}});
            it.patch_account("b", "default", strict).await;
            it.served(&["a"]).await;
        }
        when |it| { it.labels_in("b").await; }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.create::<Pod>(json!({
                "metadata": {"name": "pulls", "namespace": it.namespace("b")},
                "spec": {
                    "imagePullSecrets": [{"name": it.name()}],
                    "containers": [{"name": "any", "image": "registry.example.com/any"}],
                },
            }))
            .await;
        }
        writes (1, 1, 0)
    }

    fewer_accounts_in_the_spec_lose_the_reference {
        given |it| {
            it.declared(&["a"], json!({"serviceAccounts": {"names": ["*"], "excluded": ["theirs"]}})).await;
            it.add_account("a", "build", json!({})).await;
            it.comes_true(&it.expected_on(&["a"], &["default", "build"])).await;
        }
        when |it| { it.declares(json!({"serviceAccounts": {"names": ["default"]}})).await; }
        then |it| {
            it.holds(&["a"]).await;
            it.same_copies(&["a"]).await;
        }
        writes (0, 1, 0)
    }

    /// Mode `None` removes the references and keeps the copies.
    mode_none_removes_references_keeps_copies {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.declares(json!({"serviceAccounts": {"mode": "None"}})).await; }
        then |it| {
            it.comes_true(&it.expected_on(&["a", "b"], &[])).await;
            it.scenario().says("ServiceAccountsSynced", "True", "NotRequested").await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (0, 2, 0)
    }

    mode_attach_after_none_puts_the_references_back {
        given |it| {
            it.declared(&["a", "b"], json!({"serviceAccounts": {"mode": "None"}})).await;
            it.comes_true(&it.expected_on(&["a", "b"], &[])).await;
        }
        when |it| { it.declares(json!({"serviceAccounts": {"mode": "Attach"}})).await; }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.scenario().says("ServiceAccountsSynced", "True", "Synced").await;
            it.account_becomes("a", "default", |seen: &Entries| seen.are(&["theirs", it.name()])).await;
        }
        writes (0, 2, 0)
    }
}

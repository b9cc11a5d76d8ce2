//! Sources that change, break and disappear. Every good copy stays.

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::Login;
use e2e::scenario::SERVER;
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use crate::events::env::Env;
use crate::events::row::rows;

/// Returns a login as a docker config, in the form that this key has.
fn config(key: &str, Login { username, password }: &Login) -> String {
    let servers = json!({SERVER: {"username": username, "password": password}});
    match key {
        ".dockercfg" => servers.to_string(),
        _ => json!({"auths": servers}).to_string(),
    }
}

/// Serves two namespaces from a Secret of this type, with the first login under `key`. The object names the key `named`.
async fn serves_config(it: &Env, type_: &str, key: &str, named: Option<&str>) {
    it.create::<Secret>(json!({
        "metadata": {"name": it.name(), "namespace": SYSTEM_NAMESPACE},
        "type": type_, "stringData": {key: config(key, &it.first())},
    }))
    .await;
    it.scenario().namespaces(&["a", "b"]).await;
    let mut source = json!({"secretRef": {"name": it.name()}});
    if let Some(named) = named {
        source["key"] = json!(named);
    }
    it.add_object(json!({"registries": [{"server": SERVER, "credentials": {"dockerConfig": source}}]}))
        .await;
    it.holds(&["a", "b"]).await;
    it.scenario().says("Ready", "True", "Synced").await;
}

rows! {
    /// A new password is one update of each copy and no write to an account.
    new_password_updates_each_copy_once {
        given |it| { it.served(&["a", "b", "c"]).await; }
        when |it| { it.rotates(&it.second()).await; }
        then |it| {
            it.holds_with(&["a", "b", "c"], &it.second()).await;
            it.same_copies(&["a", "b", "c"]).await;
        }
        writes (3, 0, 0)
    }

    a_source_that_is_deleted_leaves_the_copies {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.delete(&it.sources(), it.name()).await; }
        then |it| {
            let told = it.scenario().says("CredentialsReady", "False", "SourceNotFound").await;
            assert!(told.contains(it.name()), "{told}");
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (0, 0, 0)
    }

    a_source_without_a_password_leaves_the_copies {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.patch_source(json!({"data": {"password": ""}})).await; }
        then |it| {
            let told = it.scenario().says("CredentialsReady", "False", "SourceInvalid").await;
            assert!(told.contains("password") && it.scenario().canary().found_in(&told).is_none(), "{told}");
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (0, 0, 0)
    }

    /// A source that is recreated with another type leaves the copies.
    source_of_another_type_leaves_the_copies {
        given |it| {
            let config = it.docker_config();
            it.create::<Secret>(json!({
                "metadata": {"name": it.name(), "namespace": SYSTEM_NAMESPACE},
                "type": "kubernetes.io/dockerconfigjson",
                "stringData": {".dockerconfigjson": config.to_string()},
            }))
            .await;
            it.scenario().namespaces(&["a", "b"]).await;
            let credentials = json!({"dockerConfig": {"secretRef": {"name": it.name()}}});
            it.add_object(json!({"registries": [{"server": SERVER, "credentials": credentials}]})).await;
            it.holds(&["a", "b"]).await;
        }
        when |it| {
            it.delete(&it.sources(), it.name()).await;
            it.create::<Secret>(json!({
                "metadata": {"name": it.name(), "namespace": SYSTEM_NAMESPACE},
                "type": "Opaque",
                "stringData": {".dockerconfigjson": r#"{"auths":{}}"#},
            }))
            .await;
        }
        then |it| {
            let told = it.scenario().says("CredentialsReady", "False", "SourceInvalid").await;
            assert!(told.contains(it.name()), "{told}");
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (0, 0, 0)
    }

    /// A rotation of the older form, in a Secret of its own type.
    older_docker_config_updates_each_copy_once {
        given |it| { serves_config(it, "kubernetes.io/dockercfg", ".dockercfg", None).await; }
        when |it| { it.patch_source(json!({"stringData": {".dockercfg": config(".dockercfg", &it.second())}})).await; }
        then |it| {
            it.holds_with(&["a", "b"], &it.second()).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (2, 0, 0)
    }

    named_key_updates_each_copy_once {
        given |it| { serves_config(it, "Opaque", "config.json", Some("config.json")).await; }
        when |it| { it.patch_source(json!({"stringData": {"config.json": config("config.json", &it.second())}})).await; }
        then |it| {
            it.holds_with(&["a", "b"], &it.second()).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (2, 0, 0)
    }

    /// Also if the other key has a docker config under its usual name.
    another_key_of_a_source_changes_nothing {
        given |it| { serves_config(it, "Opaque", "config.json", Some("config.json")).await; }
        when |it| {
            let other = config("config.json", &it.second());
            it.patch_source(json!({"stringData": {".dockerconfigjson": other, "other": other}})).await;
        }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.scenario().says("Ready", "True", "Synced").await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (0, 0, 0)
    }

    /// A named key that disappears leaves the copies, and the status names the keys that are there.
    named_key_that_goes_leaves_the_copies {
        given |it| { serves_config(it, "Opaque", "config.json", Some("config.json")).await; }
        when |it| { it.patch_source(json!({"data": {"config.json": null}, "stringData": {"other": "any"}})).await; }
        then |it| {
            let told = it.scenario().says("CredentialsReady", "False", "SourceInvalid").await;
            assert!(told.contains(r#"key "config.json" is missing; the secret has "other""#), "{told}");
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (0, 0, 0)
    }

    /// A namespace created while the source is broken gets the last good login.
    new_namespace_gets_the_last_good_login {
        given |it| {
            it.served(&["a"]).await;
            it.delete(&it.sources(), it.name()).await;
            it.scenario().says("CredentialsReady", "False", "SourceNotFound").await;
        }
        when |it| { it.scenario().namespaces(&["b"]).await; }
        then |it| { it.holds(&["a", "b"]).await; }
        writes (1, 1, 0)
    }

    a_source_that_is_mended_is_taken {
        given |it| {
            it.served(&["a", "b"]).await;
            it.delete(&it.sources(), it.name()).await;
            it.scenario().says("CredentialsReady", "False", "SourceNotFound").await;
        }
        when |it| { it.add_source(&it.second()).await; }
        then |it| {
            it.holds_with(&["a", "b"], &it.second()).await;
            it.scenario().says("Ready", "True", "Synced").await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (2, 0, 0)
    }

    /// The operator takes a source that is created after its object.
    late_source_is_taken_when_it_comes {
        given |it| {
            it.scenario().namespaces(&["a", "b"]).await;
            it.add_object(json!({})).await;
            it.scenario().says("CredentialsReady", "False", "SourceNotFound").await;
        }
        when |it| { it.add_source(&it.first()).await; }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.scenario().says("Ready", "True", "Synced").await;
        }
        // The operator may have added the references early.
        writes (2, 2, 0)
    }

    another_source_in_the_spec_is_taken {
        given |it| {
            it.served(&["a", "b"]).await;
            it.scenario().source_named(&it.second_name(), &it.second()).await;
        }
        when |it| {
            let credentials = json!({"basicAuth": {"secretRef": {"name": it.second_name()}}});
            it.declares(json!({"registries": [{"server": SERVER, "credentials": credentials}]})).await;
        }
        then |it| {
            it.holds_with(&["a", "b"], &it.second()).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (2, 0, 0)
    }
}

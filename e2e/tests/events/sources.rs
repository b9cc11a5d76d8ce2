//! Sources that change, break and disappear. Every good copy stays.

use e2e::SYSTEM_NAMESPACE;
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use crate::events::row::rows;

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
            it.add_object(json!({"registries": [{"server": e2e::scenario::SERVER, "credentials": credentials}]})).await;
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
            it.declares(json!({"registries": [{"server": e2e::scenario::SERVER, "credentials": credentials}]})).await;
        }
        then |it| {
            it.holds_with(&["a", "b"], &it.second()).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (2, 0, 0)
    }
}

//! Two objects for the same namespaces: under two Secrets' names, and under one.

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::Expected;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PropagationPolicy};
use serde_json::json;

use crate::row::rows;
use crate::stage::Stage;

rows! {
    a_second_object_for_the_same_accounts_is_carried_out_beside_the_first {
        given |it| {
            it.served(&["a", "b"]).await;
            second_source(it).await;
        }
        when |it| { it.add_object_named(&it.second_name(), younger(it, &it.second_name())).await; }
        then |it| {
            it.comes_true(&of_younger(it, &it.second_name())).await;
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (2, 2, 1)
    }

    one_of_two_objects_goes_without_the_other {
        given |it| {
            it.served(&["a", "b"]).await;
            second_source(it).await;
            it.add_object_named(&it.second_name(), younger(it, &it.second_name())).await;
            it.comes_true(&of_younger(it, &it.second_name())).await;
        }
        when |it| { it.deletes_object(PropagationPolicy::Background).await; }
        then |it| {
            it.gone().await;
            it.comes_true(&of_younger(it, &it.second_name())).await;
        }
        writes (2, 2, 1)
    }

    a_younger_object_for_the_same_secrets_name_is_told_of_the_older_and_waits {
        given |it| {
            it.served(&["a"]).await;
            second_source(it).await;
        }
        when |it| { it.add_object_named(&it.second_name(), younger(it, it.name())).await; }
        then |it| {
            it.conflict_of(&it.second_name(), "a", it.name()).await;
            it.copies_hold(&it.expected(&["a"], &it.first()), &[it.name(), &it.second_name()]).await;
            it.scene().says("Ready", "True", "Synced").await;
            it.same_copies(&["a"]).await;
        }
        // It becomes an owner, so that the copy outlives the older one.
        writes (1, 0, 1)
    }

    the_younger_object_takes_the_copies_over_when_the_older_goes {
        given |it| { both(it).await; }
        when |it| { it.deletes_object(PropagationPolicy::Background).await; }
        then |it| {
            it.comes_true(&of_younger(it, it.name())).await;
            it.same_copies(&["a", "b"]).await;
            it.object_is_gone().await;
        }
        writes (2, 0, 1)
    }

    the_younger_object_takes_a_copy_over_where_the_older_is_deselected {
        given |it| { both(it).await; }
        when |it| { it.declares(json!({"namespaces": {"excluded": [it.namespace("b")]}})).await; }
        then |it| {
            it.conflict_of(&it.second_name(), "a", it.name()).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (1, 0, 0)
    }

    the_older_object_keeps_the_copies_when_the_younger_goes {
        given |it| { both(it).await; }
        when |it| {
            it.objects().delete(&it.second_name(), &DeleteParams::default()).await.unwrap();
        }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (2, 0, 1)
    }
}

/// An older object and a younger one that waits.
async fn both(it: &Stage) {
    it.served(&["a", "b"]).await;
    second_source(it).await;
    it.add_object_named(&it.second_name(), younger(it, it.name())).await;
    it.copies_hold(&it.expected(&["a", "b"], &it.first()), &[it.name(), &it.second_name()])
        .await;
}

async fn second_source(it: &Stage) {
    let login = it.second();
    it.create::<Secret>(json!({
        "metadata": {"name": it.second_name(), "namespace": SYSTEM_NAMESPACE}, "type": "kubernetes.io/basic-auth",
        "stringData": {"username": login.username, "password": login.password},
    }))
    .await;
}

fn younger(it: &Stage, secret: &str) -> serde_json::Value {
    let credentials = json!({"basicAuth": {"secretRef": {"name": it.second_name()}}});
    json!({
        "registries": [{"server": e2e::scene::SERVER, "credentials": credentials}],
        "secret": {"name": secret},
    })
}

fn of_younger(it: &Stage, secret: &str) -> Expected {
    Expected {
        object: it.second_name(),
        secret: secret.to_owned(),
        ..it.expected(&["a", "b"], &it.second())
    }
}

//! Namespaces that terminate for a long time, because a finalizer blocks an object in them.

use kube::api::{DeleteParams, PropagationPolicy};
use serde_json::json;

use crate::events::row::rows;

rows! {
    /// A slowly terminating namespace gets no write and fails no object.
    slowly_terminating_namespace_is_left_alone {
        given |it| {
            it.served(&["a", "b"]).await;
            it.holds_up("b").await;
        }
        when others |it| { it.begins_to_go("b").await; }
        then |it| {
            it.holds(&["a"]).await;
            it.scenario().counts(1).await;
            it.scenario().says("Ready", "True", "Synced").await;
        }
        // The operator may see its contents go before the namespace itself. Then one attempt each is refused.
        writes (1, 1, 0)
    }

    /// A namespace that is labelled into the selection while it goes gets no copy.
    terminating_namespace_labelled_in_gets_nothing {
        given |it| {
            it.scenario().unselected_namespaces(&["b"]).await;
            it.served(&["a"]).await;
            it.holds_up("b").await;
            it.begins_to_go("b").await;
        }
        when |it| { it.labels_in("b").await; }
        then |it| {
            it.holds(&["a"]).await;
            it.scenario().counts(1).await;
        }
        writes (0, 0, 0)
    }

    /// A new password skips a namespace that is terminating.
    new_password_skips_terminating_namespace {
        given |it| {
            it.served(&["a", "b"]).await;
            it.holds_up("b").await;
            it.begins_to_go("b").await;
        }
        when |it| { it.rotates(&it.second()).await; }
        then |it| {
            it.holds_with(&["a"], &it.second()).await;
            it.scenario().says("Ready", "True", "Synced").await;
        }
        writes (1, 0, 0)
    }

    /// An object is deleted without delay while a namespace of it is terminating.
    object_goes_while_namespace_is_terminating {
        given |it| {
            it.served(&["a", "b"]).await;
            it.holds_up("b").await;
            it.begins_to_go("b").await;
        }
        when |it| { it.deletes_object(PropagationPolicy::Background).await; }
        then |it| { it.gone().await; }
        writes (1, 1, 1)
    }

    /// An object is deleted although finalizers hold its copy and account.
    object_goes_while_copy_is_held {
        given |it| {
            it.served(&["a", "b"]).await;
            let finalizers = json!({"metadata": {"finalizers": ["example.com/slow"]}});
            it.patch_secret("b", finalizers.clone()).await;
            it.patch_account("b", "default", finalizers).await;
        }
        when others |it| {
            it.all_namespaces().delete(&it.namespace("b"), &DeleteParams::default()).await.unwrap();
            it.is_going("b").await;
            it.deletes_object(PropagationPolicy::Background).await;
        }
        then |it| { it.object_is_gone().await; }
        writes (2, 2, 1)
    }
}

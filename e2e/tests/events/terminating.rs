//! Namespaces that are on their way out for a long time, since something in them is held up.

use kube::api::{DeleteParams, PropagationPolicy};
use serde_json::json;

use crate::events::row::rows;

rows! {
    a_namespace_that_takes_long_to_go_gets_nothing_and_fails_nothing {
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
        // Its contents may be seen to go before it is seen to go itself: then one attempt each is refused.
        writes (1, 1, 0)
    }

    a_namespace_labelled_into_the_selection_while_it_goes_gets_nothing {
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

    a_new_password_passes_a_namespace_by_that_is_going {
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

    an_object_deleted_while_a_namespace_of_it_is_going_is_not_held_up {
        given |it| {
            it.served(&["a", "b"]).await;
            it.holds_up("b").await;
            it.begins_to_go("b").await;
        }
        when |it| { it.deletes_object(PropagationPolicy::Background).await; }
        then |it| { it.gone().await; }
        writes (1, 1, 1)
    }

    an_object_deleted_while_its_copy_and_account_are_held_up_goes_all_the_same {
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

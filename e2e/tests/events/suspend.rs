//! `suspend`: nothing is written, and the status goes on telling what is seen.

use kube::api::PropagationPolicy;
use serde_json::json;

use crate::events::row::rows;
use crate::events::stage::Stage;

rows! {
    an_object_that_is_suspended_stays_as_it_is {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.declares(json!({"suspend": true})).await; }
        then |it| {
            it.scenario().says("Ready", "True", "Synced").await;
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (0, 0, 0)
    }

    namespaces_that_come_and_go_while_suspended_are_counted_and_not_written_to {
        given |it| { suspended(it).await; }
        when |it| {
            it.scenario().namespaces(&["c", "d"]).await;
            it.labels_out("b").await;
        }
        then |it| {
            it.tells(3, 1).await;
            it.holds(&["a", "b"]).await;
        }
        writes (0, 0, 0)
    }

    a_source_that_changes_while_suspended_is_counted_and_not_copied {
        given |it| { suspended(it).await; }
        when |it| { it.rotates(&it.second()).await; }
        then |it| {
            it.tells(2, 0).await;
            it.holds(&["a", "b"]).await;
        }
        writes (0, 0, 0)
    }

    what_others_do_while_suspended_is_counted_and_not_undone {
        given |it| { suspended(it).await; }
        when |it| {
            it.delete(&it.secrets("b"), it.name()).await;
            it.patch_account("a", "default", json!({"imagePullSecrets": [{"name": "theirs"}]})).await;
        }
        then |it| {
            it.tells(2, 1).await;
            it.tells_accounts(2, 1).await;
        }
        writes (0, 0, 0)
    }

    an_object_no_longer_suspended_catches_up {
        given |it| {
            suspended(it).await;
            it.scenario().namespaces(&["c"]).await;
            it.labels_out("b").await;
            it.rotates(&it.second()).await;
            it.tells(2, 0).await;
        }
        when |it| { it.declares(json!({"suspend": false})).await; }
        then |it| {
            it.holds_with(&["a", "c"], &it.second()).await;
            it.scenario().says("Ready", "True", "Synced").await;
            it.same_copies(&["a"]).await;
        }
        // One rotated, one taken away, one made.
        writes (3, 2, 0)
    }

    an_object_deleted_while_suspended_leaves_nothing {
        given |it| { suspended(it).await; }
        when |it| { it.deletes_object(PropagationPolicy::Background).await; }
        then |it| { it.gone().await; }
        writes (2, 2, 1)
    }

    an_object_made_suspended_writes_nothing_but_its_finalizer {
        given |it| {
            it.scenario().namespaces(&["a"]).await;
            it.add_source(&it.first()).await;
        }
        when |it| { it.add_object(json!({"suspend": true})).await; }
        then |it| {
            it.tells(1, 0).await;
            it.comes_true(&it.expected(&[], &it.first())).await;
        }
        writes (0, 0, 1)
    }
}

async fn suspended(it: &Stage) {
    it.served(&["a", "b"]).await;
    it.declares(json!({"suspend": true})).await;
    it.scenario().says("Ready", "True", "Synced").await;
}

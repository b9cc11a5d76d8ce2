//! `suspend`: the operator makes no write, but its status still reports every change.

use kube::api::PropagationPolicy;
use serde_json::json;

use crate::events::env::Env;
use crate::events::row::rows;

rows! {
    /// A suspension leaves copies and references as they are.
    suspension_leaves_everything_as_it_is {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.declares(json!({"suspend": true})).await; }
        then |it| {
            it.scenario().says("Ready", "True", "Synced").await;
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (0, 0, 0)
    }

    /// Namespaces selected and deselected during a suspension are counted and not written.
    suspended_object_counts_namespaces_and_writes_nothing {
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

    /// A suspended object is not ready while a deselected namespace has its copy.
    suspended_object_reports_what_it_leaves {
        given |it| { suspended(it).await; }
        when |it| { it.labels_out("b").await; }
        then |it| {
            it.scenario().says("SecretsSynced", "False", "Progressing").await;
            it.scenario().says("Ready", "False", "Progressing").await;
            it.holds(&["a", "b"]).await;
        }
        writes (0, 0, 0)
    }

    /// A source that changes while the object is suspended is counted and not copied.
    suspended_object_counts_source_changes {
        given |it| { suspended(it).await; }
        when |it| { it.rotates(&it.second()).await; }
        then |it| {
            it.tells(2, 0).await;
            it.holds(&["a", "b"]).await;
        }
        writes (0, 0, 0)
    }

    /// Foreign changes during a suspension are counted and not undone.
    suspended_object_undoes_no_foreign_change {
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
        // One rotated, one removed, one created.
        writes (3, 2, 0)
    }

    an_object_deleted_while_suspended_leaves_nothing {
        given |it| { suspended(it).await; }
        when |it| { it.deletes_object(PropagationPolicy::Background).await; }
        then |it| { it.gone().await; }
        writes (2, 2, 1)
    }

    /// An object that is created suspended gets its finalizer and no other write.
    object_created_suspended_writes_only_its_finalizer {
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

async fn suspended(it: &Env) {
    it.served(&["a", "b"]).await;
    it.declares(json!({"suspend": true})).await;
    it.scenario().says("Ready", "True", "Synced").await;
}

//! `deletionPolicy: Retain`: copies and references outlive their object, and are taken back.

use e2e::oracle::Expected;
use kube::api::PropagationPolicy;
use serde_json::json;

use crate::events::env::Env;
use crate::events::row::rows;

rows! {
    /// A policy changed to Retain takes the owners off the copies.
    change_to_retain_removes_the_owners {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.declares(json!({"deletionPolicy": "Retain"})).await; }
        then |it| {
            it.retained(&["a", "b"], &[]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (2, 0, 0)
    }

    /// A policy changed to Delete puts the owners back.
    change_to_delete_restores_the_owners {
        given |it| { retaining(it, &["a", "b"]).await; }
        when |it| { it.declares(json!({"deletionPolicy": "Delete"})).await; }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (2, 0, 0)
    }

    /// A retaining object, deleted in the background, leaves copies and references.
    retain_deleted_in_background_leaves_both {
        given |it| { retaining(it, &["a", "b"]).await; }
        when |it| { it.deletes_object(PropagationPolicy::Background).await; }
        then |it| { left(it).await; }
        writes (2, 0, 1)
    }

    /// A retaining object, deleted in the foreground, leaves copies and references.
    retain_deleted_in_foreground_leaves_both {
        given |it| { retaining(it, &["a", "b"]).await; }
        when |it| { it.deletes_object(PropagationPolicy::Foreground).await; }
        then |it| { left(it).await; }
        writes (2, 0, 1)
    }

    /// A retaining object, deleted with `--cascade=orphan`, leaves copies and references.
    retain_deleted_with_orphans_leaves_both {
        given |it| { retaining(it, &["a", "b"]).await; }
        when |it| { it.deletes_object(PropagationPolicy::Orphan).await; }
        then |it| { left(it).await; }
        writes (2, 0, 2)
    }

    /// Retain set and the object deleted at once leaves copies and references.
    retain_set_just_before_deletion_leaves_both {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| {
            it.declares(json!({"deletionPolicy": "Retain"})).await;
            it.deletes_object(PropagationPolicy::Background).await;
        }
        then |it| { left(it).await; }
        // The owners may go before all other marks do.
        writes (4, 0, 1)
    }

    a_namespace_labelled_out_keeps_copy_and_reference {
        given |it| { retaining(it, &["a", "b"]).await; }
        when |it| { it.labels_out("b").await; }
        then |it| {
            it.retained(&["a"], &["b"]).await;
            it.same_copies(&["a", "b"]).await;
            it.scenario().counts(1).await;
        }
        writes (1, 0, 0)
    }

    /// Under Retain, a namespace that the spec excludes keeps copy and reference.
    retain_keeps_both_in_excluded_namespace {
        given |it| { retaining(it, &["a", "b"]).await; }
        when |it| { it.declares(json!({"namespaces": {"excluded": ["*-b"]}})).await; }
        then |it| {
            it.retained(&["a"], &["b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (1, 0, 0)
    }

    a_namespace_labelled_in_again_is_taken_back {
        given |it| {
            retaining(it, &["a", "b"]).await;
            it.labels_out("b").await;
            it.retained(&["a"], &["b"]).await;
        }
        when |it| { it.labels_in("b").await; }
        then |it| {
            it.retained(&["a", "b"], &[]).await;
            it.same_copies(&["a", "b"]).await;
        }
        // First the mark, then the content.
        writes (2, 0, 0)
    }

    /// A namespace whose label flaps keeps copy and reference.
    flapping_label_keeps_copy_and_reference {
        given |it| { retaining(it, &["a", "b"]).await; }
        when |it| {
            for _ in 0..5 {
                it.labels_out("b").await;
                it.labels_in("b").await;
            }
        }
        then |it| {
            it.retained(&["a", "b"], &[]).await;
            it.same_copies(&["a", "b"]).await;
            it.scenario().counts(2).await;
        }
        // Each time, at most one release and two writes to take it back.
        writes (15, 0, 0)
    }

    /// A namespace whose label flaps and stays away keeps copy and reference.
    flapping_label_that_stays_away_keeps_both {
        given |it| { retaining(it, &["a", "b"]).await; }
        when |it| {
            for _ in 0..5 {
                it.labels_out("b").await;
                it.labels_in("b").await;
            }
            it.labels_out("b").await;
        }
        then |it| {
            it.retained(&["a"], &["b"]).await;
            it.same_copies(&["a", "b"]).await;
            it.scenario().counts(1).await;
        }
        writes (16, 0, 0)
    }

    /// An object with that Secret's name takes both back.
    object_of_that_name_reclaims_both {
        given |it| {
            retaining(it, &["a", "b"]).await;
            it.deletes_object(PropagationPolicy::Background).await;
            left(it).await;
        }
        when |it| { it.add_object_named(&it.second_name(), json!({"secret": {"name": it.name()}})).await; }
        then |it| {
            let second = Expected { object: it.second_name(), ..it.expected(&["a", "b"], &it.first()) };
            it.comes_true(&second).await;
            it.same_copies(&["a", "b"]).await;
        }
        // Found by a refused create, marked, then written.
        writes (6, 0, 1)
    }

    /// What was taken back goes with the object that took it.
    reclaimed_copies_go_with_their_object {
        given |it| {
            retaining(it, &["a", "b"]).await;
            it.deletes_object(PropagationPolicy::Background).await;
            left(it).await;
            it.add_object(json!({})).await;
            it.holds(&["a", "b"]).await;
        }
        when |it| { it.deletes_object(PropagationPolicy::Background).await; }
        then |it| { it.gone().await; }
        writes (2, 2, 1)
    }
}

async fn retaining(it: &Env, parts: &[&str]) {
    it.served_as(parts, json!({"deletionPolicy": "Retain"})).await;
}

async fn left(it: &Env) {
    it.object_is_gone().await;
    it.retained(&[], &["a", "b"]).await;
    it.same_copies_if_known(&["a", "b"]).await;
}

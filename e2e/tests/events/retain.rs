//! `deletionPolicy: Retain`: copies and references outlive their object, and are taken back.

use e2e::oracle::Expected;
use kube::api::PropagationPolicy;
use serde_json::json;

use crate::events::row::rows;
use crate::events::stage::Stage;

rows! {
    a_policy_changed_to_retain_takes_the_owners_off_the_copies {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.declares(json!({"deletionPolicy": "Retain"})).await; }
        then |it| {
            it.retained(&["a", "b"], &[]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (2, 0, 0)
    }

    a_policy_changed_to_delete_puts_the_owners_back {
        given |it| { retaining(it, &["a", "b"]).await; }
        when |it| { it.declares(json!({"deletionPolicy": "Delete"})).await; }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (2, 0, 0)
    }

    an_object_that_retains_deleted_in_the_background_leaves_copies_and_references {
        given |it| { retaining(it, &["a", "b"]).await; }
        when |it| { it.deletes_object(PropagationPolicy::Background).await; }
        then |it| { left(it).await; }
        writes (2, 0, 1)
    }

    an_object_that_retains_deleted_in_the_foreground_leaves_copies_and_references {
        given |it| { retaining(it, &["a", "b"]).await; }
        when |it| { it.deletes_object(PropagationPolicy::Foreground).await; }
        then |it| { left(it).await; }
        writes (2, 0, 1)
    }

    an_object_that_retains_deleted_with_orphans_asked_for_leaves_copies_and_references {
        given |it| { retaining(it, &["a", "b"]).await; }
        when |it| { it.deletes_object(PropagationPolicy::Orphan).await; }
        then |it| { left(it).await; }
        writes (2, 0, 2)
    }

    retain_set_and_the_object_deleted_at_once_leaves_copies_and_references {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| {
            it.declares(json!({"deletionPolicy": "Retain"})).await;
            it.deletes_object(PropagationPolicy::Background).await;
        }
        then |it| { left(it).await; }
        // The owners may go before everything else of ours does.
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

    a_namespace_excluded_by_the_spec_keeps_copy_and_reference {
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
        // First the mark, then what it holds.
        writes (2, 0, 0)
    }

    a_namespace_whose_label_flaps_keeps_copy_and_reference {
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
        // At most one release and two to take it back, each time.
        writes (15, 0, 0)
    }

    a_namespace_whose_label_flaps_and_stays_away_keeps_copy_and_reference {
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

    an_object_with_that_secrets_name_takes_both_back {
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
        // Found by trying, marked, then written.
        writes (6, 0, 1)
    }

    what_was_taken_back_goes_with_the_object_that_took_it {
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

async fn retaining(it: &Stage, parts: &[&str]) {
    it.served_as(parts, json!({"deletionPolicy": "Retain"})).await;
}

async fn left(it: &Stage) {
    it.object_is_gone().await;
    it.retained(&[], &["a", "b"]).await;
    it.same_copies_if_known(&["a", "b"]).await;
}

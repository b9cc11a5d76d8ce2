//! Objects that are created, deleted and renamed.

use e2e::oracle::Expected;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams, PropagationPolicy};
use serde_json::json;

use e2e::scenario::SOON;
use e2e::wait::eventually;

use crate::events::env::Env;
use crate::events::row::rows;

rows! {
    /// A new object is served in exactly the selected namespaces.
    new_object_serves_exactly_the_selected_namespaces {
        given |it| {
            it.scenario().unselected_namespaces(&["other"]).await;
            it.scenario().namespaces(&["a", "b"]).await;
            it.add_source(&it.first()).await;
        }
        when |it| { it.add_object(json!({})).await; }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.scenario().says("Ready", "True", "Synced").await;
            it.scenario().counts(2).await;
        }
        writes (2, 2, 1)
    }

    an_object_deleted_in_the_background_leaves_nothing {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.deletes_object(PropagationPolicy::Background).await; }
        then |it| { it.gone().await; }
        writes (2, 2, 1)
    }

    an_object_deleted_in_the_foreground_leaves_nothing {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.deletes_object(PropagationPolicy::Foreground).await; }
        then |it| { it.gone().await; }
        // The garbage collector may change or remove a copy at the same moment.
        writes (4, 2, 1)
    }

    /// An object deleted with `--cascade=orphan` leaves no copy and no reference.
    object_deleted_with_orphans_leaves_nothing {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.deletes_object(PropagationPolicy::Orphan).await; }
        then |it| { it.gone().await; }
        // The garbage collector removes the owner of a copy at the same moment.
        writes (4, 2, 2)
    }

    /// A finalizer removed from a live object is restored.
    finalizer_taken_off_comes_back {
        given |it| { it.served(&["a"]).await; }
        when |it| {
            let bare = Patch::Merge(json!({"metadata": {"finalizers": null}}));
            it.objects().patch(it.name(), &PatchParams::default(), &bare).await.unwrap();
        }
        then |it| {
            eventually("the finalizer is back", SOON, async || {
                let object = it.objects().get(it.name()).await.map_err(|error| error.to_string())?;
                let there = object.finalizers() == ["pullsecrets.dev/cleanup"];
                if there { Ok(()) } else { Err(format!("{:?}", object.finalizers())) }
            })
            .await;
            it.holds(&["a"]).await;
            it.same_copies(&["a"]).await;
        }
        writes (0, 0, 1)
    }

    an_object_deleted_without_its_finalizer_leaves_nothing {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| {
            it.deletes_object(PropagationPolicy::Background).await;
            let bare = Patch::Merge(json!({"metadata": {"finalizers": null}}));
            // The object may already be gone.
            let _ = it.objects().patch(it.name(), &PatchParams::default(), &bare).await;
        }
        then |it| { it.object_is_gone().await; }
        // The garbage collector deletes copies as well.
        writes (4, 4, 1)
    }

    /// An object that is renamed with its Secret gets copies and references under the new name.
    object_renamed_with_its_secret_moves_both {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| {
            it.add_object_named(&it.second_name(), json!({})).await;
            it.deletes_object(PropagationPolicy::Background).await;
        }
        then |it| {
            it.gone().await;
            it.comes_true(&renamed(it, &it.second_name())).await;
        }
        // Entries change in one write of an account, or in two.
        writes (4, 4, 2)
    }
}

/// Returns the expected effect of the second object in place of the first.
fn renamed(it: &Env, secret: &str) -> Expected {
    Expected {
        object: it.second_name(),
        secret: secret.to_owned(),
        ..it.expected(&["a", "b"], &it.first())
    }
}

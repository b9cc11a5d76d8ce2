//! Copies that others change or remove, and labels and annotations from the spec.

use e2e::oracle::LABEL;
use kube::ResourceExt;
use serde_json::{Value, json};

use e2e::scenario::SOON;
use e2e::wait::eventually;

use crate::events::env::Env;
use crate::events::row::rows;

/// `{"auths":{}}`
const EMPTY: &str = "eyJhdXRocyI6e319";

rows! {
    an_edited_copy_is_restored_in_place {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.patch_secret("a", json!({"data": {".dockerconfigjson": EMPTY}})).await; }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (1, 0, 0)
    }

    /// A copy stripped of the operator's label is restored in place.
    copy_without_our_label_is_restored {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.patch_secret("a", json!({"metadata": {"labels": {LABEL: null}}})).await; }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        // It looks deleted, so a create is refused first.
        writes (2, 0, 0)
    }

    /// A copy stripped of all its labels is restored in place.
    copy_without_labels_is_restored_in_place {
        given |it| { it.served(&["a"]).await; }
        when |it| { it.patch_secret("a", json!({"metadata": {"labels": null}})).await; }
        then |it| {
            it.holds(&["a"]).await;
            it.same_copies(&["a"]).await;
        }
        // It looks deleted, so a create is refused first.
        writes (2, 0, 0)
    }

    /// A copy labelled as that of another object is restored in place.
    copy_labelled_for_another_object_is_restored {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.patch_secret("a", json!({"metadata": {"labels": {LABEL: "nobody"}}})).await; }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (1, 0, 0)
    }

    /// A copy labelled as that of another tool is restored in place.
    copy_labelled_for_a_tool_is_restored {
        given |it| { it.served(&["a"]).await; }
        when |it| {
            it.patch_secret("a", json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}})).await;
        }
        then |it| {
            it.holds(&["a"]).await;
            it.same_copies(&["a"]).await;
        }
        writes (1, 0, 0)
    }

    /// A copy stripped of its owner gets it back.
    copy_without_owner_gets_it_back {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.patch_secret("a", json!({"metadata": {"ownerReferences": null}})).await; }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (1, 0, 0)
    }

    /// An owner of a copy that was made its controller is that no more.
    copy_owned_by_a_controller_is_restored {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| {
            let mut owners = json!(it.secret("a").await.owner_references());
            owners[0]["controller"] = json!(true);
            owners[0]["blockOwnerDeletion"] = json!(true);
            it.patch_secret("a", json!({"metadata": {"ownerReferences": owners}})).await;
        }
        then |it| {
            eventually("its owner is as the operator writes it", SOON, async || {
                let owners = it.secret("a").await.owner_references().to_vec();
                let plain = owners.iter().all(|owner| (owner.controller, owner.block_owner_deletion) == (None, None));
                plain.then_some(()).ok_or_else(|| format!("{owners:?}"))
            })
            .await;
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (1, 0, 0)
    }

    a_deleted_copy_is_created_again {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.delete(&it.secrets("a"), it.name()).await; }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.another_copy("a").await;
            it.same_copies(&["b"]).await;
        }
        writes (1, 0, 0)
    }

    /// An immutable copy is replaced at once.
    immutable_copy_is_replaced_at_once {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.patch_secret("a", json!({"immutable": true})).await; }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.another_copy("a").await;
            it.same_copies(&["b"]).await;
        }
        writes (2, 0, 0)
    }

    /// A copy recreated with the operator's label and another type is replaced at once.
    copy_of_another_type_is_replaced {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| {
            let labels = json!({LABEL: it.name(), "app.kubernetes.io/managed-by": "pullsecrets"});
            it.replaces_copy("a", json!({"metadata": {"labels": labels}, "type": "Opaque"})).await;
        }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.another_copy("a").await;
            it.same_copies(&["b"]).await;
        }
        // While the operator runs, both race for the name until it backs off. It wins at most three times at once.
        writes (8, 0, 0)
    }

    /// Foreign additions to a copy stay.
    foreign_additions_to_a_copy_stay {
        given |it| { it.served(&["a"]).await; }
        when |it| { it.patch_secret("a", additions()).await; }
        then |it| {
            it.holds(&["a"]).await;
            assert_eq!(marks(it).await, ["", "", "kept", "kept", "kept"]);
        }
        writes (0, 0, 0)
    }

    /// New labels and annotations of the spec reach the copies.
    marks_of_the_spec_reach_the_copies {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.declares(json!({"secret": {"labels": {LABEL_OF_SPEC: "x"}, "annotations": {NOTE_OF_SPEC: "y"}}})).await; }
        then |it| {
            marks_become(it, ["x", "y", "", "", ""]).await;
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (2, 0, 0)
    }

    /// Labels and annotations that leave the spec leave the copies, and foreign ones stay.
    marks_leave_copies_with_the_spec {
        given |it| {
            it.served_as(&["a"], json!({"secret": {"labels": {LABEL_OF_SPEC: "x"}, "annotations": {NOTE_OF_SPEC: "y"}}})).await;
            it.patch_secret("a", additions()).await;
        }
        when |it| { it.declares(json!({"secret": {"labels": null, "annotations": {NOTE_OF_SPEC: "z"}}})).await; }
        then |it| {
            marks_become(it, ["", "z", "kept", "kept", "kept"]).await;
            it.holds(&["a"]).await;
            it.same_copies(&["a"]).await;
        }
        writes (1, 0, 0)
    }

    /// A label or annotation of the spec that is removed from a copy is restored.
    removed_mark_of_spec_is_restored {
        given |it| { it.served_as(&["a"], json!({"secret": {"labels": {LABEL_OF_SPEC: "x"}}})).await; }
        when |it| { it.patch_secret("a", json!({"metadata": {"labels": {LABEL_OF_SPEC: null}}})).await; }
        then |it| {
            marks_become(it, ["x", "", "", "", ""]).await;
            it.same_copies(&["a"]).await;
        }
        writes (1, 0, 0)
    }
}

const LABEL_OF_SPEC: &str = "pull-secret.example.com/team";
const NOTE_OF_SPEC: &str = "pull-secret.example.com/note";

fn additions() -> Value {
    let theirs = json!({"theirs": "kept"});
    json!({"metadata": {"labels": theirs, "annotations": theirs}, "stringData": theirs})
}

/// Returns label and annotation of the spec, then label, annotation and key of other writers. A missing one is empty.
async fn marks(it: &Env) -> [String; 5] {
    let copy = it.secret("a").await;
    let key = copy.data.as_ref().and_then(|data| data.get("theirs"));
    let key = key.map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned());
    let label = |name| copy.labels().get(name).cloned();
    let annotation = |name| copy.annotations().get(name).cloned();
    [
        label(LABEL_OF_SPEC),
        annotation(NOTE_OF_SPEC),
        label("theirs"),
        annotation("theirs"),
        key,
    ]
    .map(Option::unwrap_or_default)
}

async fn marks_become(it: &Env, wanted: [&str; 5]) {
    eventually("the copy is marked as declared", SOON, async || {
        let seen = marks(it).await;
        if seen == wanted {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        }
    })
    .await;
}

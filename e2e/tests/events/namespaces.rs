//! Namespaces that come into the selection, and go out of it.

use e2e::audit::Record;
use e2e::scenario::LABEL;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::events::row::rows;
use crate::events::stage::Stage;

const EXCLUDE: &str = "pullsecrets.dev/exclude";

rows! {
    a_new_namespace_gets_reference_and_copy {
        given |it| { it.served(&["a"]).await; }
        when |it| { it.scenario().namespaces(&["b"]).await; }
        then |it| { it.holds(&["a", "b"]).await; }
        writes (1, 1, 0)
    }

    a_namespace_labelled_into_the_selection_gets_reference_and_copy {
        given |it| {
            it.scenario().unselected_namespaces(&["b"]).await;
            it.served(&["a"]).await;
        }
        when |it| { it.labels_in("b").await; }
        then |it| { it.holds(&["a", "b"]).await; }
        writes (1, 1, 0)
    }

    a_namespace_labelled_out_of_the_selection_loses_reference_then_copy {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.labels_out("b").await; }
        then |it| {
            it.holds(&["a"]).await;
            reference_went_first(it, "b").await;
        }
        writes (1, 1, 0)
    }

    a_namespace_labelled_for_another_team_loses_both {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.label("b", LABEL, json!("another")).await; }
        then |it| { it.holds(&["a"]).await; }
        writes (1, 1, 0)
    }

    a_namespace_labelled_as_excluded_loses_reference_then_copy {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.label("b", EXCLUDE, json!("true")).await; }
        then |it| {
            it.holds(&["a"]).await;
            reference_went_first(it, "b").await;
        }
        writes (1, 1, 0)
    }

    a_namespace_no_longer_labelled_as_excluded_gets_both {
        given |it| {
            it.scenario().unselected_namespaces(&["b"]).await;
            it.label("b", EXCLUDE, json!("true")).await;
            it.labels_in("b").await;
            it.served(&["a"]).await;
        }
        when |it| { it.label("b", EXCLUDE, Value::Null).await; }
        then |it| { it.holds(&["a", "b"]).await; }
        writes (1, 1, 0)
    }

    a_namespace_excluded_by_the_spec_loses_reference_then_copy {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.declares(json!({"namespaces": {"excluded": ["*-b"]}})).await; }
        then |it| {
            it.holds(&["a"]).await;
            reference_went_first(it, "b").await;
            it.scenario().says("Ready", "True", "Synced").await;
        }
        writes (1, 1, 0)
    }

    a_namespace_named_by_the_spec_gets_both {
        given |it| {
            it.scenario().unselected_namespaces(&["ci-1", "other"]).await;
            it.served(&["a"]).await;
        }
        when |it| { it.declares(json!({"namespaces": {"names": [it.namespace("ci-*")]}})).await; }
        then |it| {
            it.holds(&["a", "ci-1"]).await;
            it.scenario().says("Ready", "True", "Synced").await;
        }
        writes (1, 1, 0)
    }

    a_spec_that_selects_others_is_carried_out_in_both_directions {
        given |it| {
            it.scenario().unselected_namespaces(&["b"]).await;
            it.served(&["a"]).await;
        }
        when |it| { it.declares(json!({"namespaces": {"selectors": null, "names": [it.namespace("b")]}})).await; }
        then |it| { it.holds(&["b"]).await; }
        writes (2, 2, 0)
    }

    a_namespace_that_is_deleted_is_counted_no_more_and_nothing_fails {
        given |it| { it.served(&["a", "b"]).await; }
        when others |it| { it.deletes_namespace("b").await; }
        then |it| {
            it.holds(&["a"]).await;
            it.scenario().counts(1).await;
            it.scenario().says("Ready", "True", "Synced").await;
        }
        // Its contents may be seen to go before it is seen to go itself: then one attempt each is refused.
        writes (1, 1, 0)
    }

    a_namespace_deleted_and_made_again_gets_both_anew {
        given |it| { it.served(&["a", "b"]).await; }
        when others |it| {
            it.deletes_namespace("b").await;
            it.scenario().namespaces(&["b"]).await;
        }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a"]).await;
            it.another_copy("b").await;
        }
        // As above, and one each for the new one.
        writes (2, 2, 0)
    }

    a_selected_namespace_deleted_in_the_moment_it_comes_fails_nothing {
        given |it| { it.served(&["a"]).await; }
        when |it| {
            it.scenario().namespaces(&["b"]).await;
            it.all_namespaces().delete(&it.namespace("b"), &DeleteParams::default()).await.unwrap();
        }
        then |it| {
            it.holds(&["a"]).await;
            it.scenario().counts(1).await;
            it.scenario().says("Ready", "True", "Synced").await;
        }
        // It may be served before it goes, and then as above.
        writes (2, 2, 0)
    }
}

/// The reference was taken away before the copy was, by the server's clock. A watch may show that it went before the reply
/// to the write comes, so the time of that reply says nothing. The campaign judges the same by versions of the store.
async fn reference_went_first(it: &Stage, part: &str) {
    let writes = it.writes_into(part).await;
    let at = |found: &dyn Fn(&Record) -> bool| writes.iter().find(|write| found(write));
    let reference = at(&|write| write.resource == "serviceaccounts").unwrap();
    let copy = at(&|write| write.resource == "secrets" && write.verb == "delete").unwrap();
    assert!(
        reference.timestamp < copy.timestamp,
        "{} then {}",
        reference.summary(),
        copy.summary()
    );
}

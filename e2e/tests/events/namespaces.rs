//! Namespaces that enter and leave the selection.

use e2e::audit::Record;
use e2e::scenario::LABEL;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::events::env::Env;
use crate::events::row::rows;

const EXCLUDE: &str = "pullsecrets.dev/exclude";

rows! {
    a_new_namespace_gets_reference_and_copy {
        given |it| { it.served(&["a"]).await; }
        when |it| { it.scenario().namespaces(&["b"]).await; }
        then |it| { it.holds(&["a", "b"]).await; }
        writes (1, 1, 0)
    }

    /// A namespace labelled into the selection gets reference and copy.
    selected_namespace_gets_reference_and_copy {
        given |it| {
            it.scenario().unselected_namespaces(&["b"]).await;
            it.served(&["a"]).await;
        }
        when |it| { it.labels_in("b").await; }
        then |it| { it.holds(&["a", "b"]).await; }
        writes (1, 1, 0)
    }

    /// A namespace labelled out of the selection loses the reference, then the copy.
    deselected_namespace_loses_reference_then_copy {
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

    /// A namespace labelled as excluded loses the reference, then the copy.
    namespace_labelled_excluded_loses_both {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| { it.label("b", EXCLUDE, json!("true")).await; }
        then |it| {
            it.holds(&["a"]).await;
            reference_went_first(it, "b").await;
        }
        writes (1, 1, 0)
    }

    /// A namespace that is no longer labelled as excluded gets reference and copy.
    namespace_no_longer_excluded_gets_both {
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

    /// A namespace that the spec excludes loses the reference, then the copy.
    excluded_namespace_loses_reference_then_copy {
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

    /// A spec that selects other namespaces adds and removes copies.
    changed_selection_adds_and_removes {
        given |it| {
            it.scenario().unselected_namespaces(&["b"]).await;
            it.served(&["a"]).await;
        }
        when |it| { it.declares(json!({"namespaces": {"selectors": null, "names": [it.namespace("b")]}})).await; }
        then |it| { it.holds(&["b"]).await; }
        writes (2, 2, 0)
    }

    /// A deleted namespace is no longer counted, and no write fails.
    deleted_namespace_is_no_longer_counted {
        given |it| { it.served(&["a", "b"]).await; }
        when others |it| { it.deletes_namespace("b").await; }
        then |it| {
            it.holds(&["a"]).await;
            it.scenario().counts(1).await;
            it.scenario().says("Ready", "True", "Synced").await;
        }
        // The operator may see its contents go before the namespace itself. Then one attempt each is refused.
        writes (1, 1, 0)
    }

    /// A recreated namespace gets reference and copy again.
    namespace_made_again_gets_both {
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

    /// A selected namespace that is deleted right after its creation fails no object.
    namespace_deleted_as_it_comes_fails_nothing {
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

/// Checks that the reference went before the copy, by the server's clock. A watch may show its removal before the
/// response to the write, so the time of that response does not count. The campaign checks the same by versions of the
/// store.
async fn reference_went_first(it: &Env, part: &str) {
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

//! Two objects for the same namespaces: under two Secrets' names, and under one.

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::Expected;
use e2e::scenario::SOON;
use e2e::wait::eventually;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, PropagationPolicy};
use serde_json::json;

use crate::events::row::rows;
use crate::events::stage::Stage;

rows! {
    a_second_object_for_the_same_accounts_is_carried_out_beside_the_first {
        given |it| {
            it.served(&["a", "b"]).await;
            second_source(it).await;
        }
        when |it| { it.add_object_named(&it.second_name(), younger(it, &it.second_name())).await; }
        then |it| {
            it.comes_true(&of_younger(it, &it.second_name())).await;
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (2, 2, 1)
    }

    one_of_two_objects_goes_without_the_other {
        given |it| {
            it.served(&["a", "b"]).await;
            second_source(it).await;
            it.add_object_named(&it.second_name(), younger(it, &it.second_name())).await;
            it.comes_true(&of_younger(it, &it.second_name())).await;
        }
        when |it| { it.deletes_object(PropagationPolicy::Background).await; }
        then |it| {
            it.gone().await;
            it.comes_true(&of_younger(it, &it.second_name())).await;
        }
        writes (2, 2, 1)
    }

    a_younger_object_for_the_same_secrets_name_is_told_of_the_older_and_waits {
        given |it| {
            it.served(&["a"]).await;
            second_source(it).await;
        }
        when |it| { it.add_object_named(&it.second_name(), younger(it, it.name())).await; }
        then |it| {
            it.conflict_of(&it.second_name(), "a", it.name()).await;
            it.copies_hold(&it.expected(&["a"], &it.first()), &[it.name(), &it.second_name()]).await;
            it.scenario().says("Ready", "True", "Synced").await;
            it.same_copies(&["a"]).await;
        }
        // It becomes an owner, so that the copy outlives the older one.
        writes (1, 0, 1)
    }

    the_younger_object_takes_the_copies_over_when_the_older_goes {
        given |it| { both(it).await; }
        when |it| { it.deletes_object(PropagationPolicy::Background).await; }
        then |it| {
            it.comes_true(&of_younger(it, it.name())).await;
            it.same_copies(&["a", "b"]).await;
            it.object_is_gone().await;
        }
        writes (2, 0, 1)
    }

    the_younger_object_takes_a_copy_over_where_the_older_is_deselected {
        given |it| { both(it).await; }
        when |it| { it.declares(json!({"namespaces": {"excluded": [it.namespace("b")]}})).await; }
        then |it| {
            it.conflict_of(&it.second_name(), "a", it.name()).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (1, 0, 0)
    }

    an_object_renamed_that_keeps_its_secrets_name_keeps_its_copies {
        given |it| {
            it.served(&["a", "b"]).await;
            second_source(it).await;
            it.leaves_garbage("a").await;
        }
        when |it| {
            it.add_object_named(&it.second_name(), younger(it, it.name())).await;
            it.deletes_object(PropagationPolicy::Background).await;
        }
        then |it| {
            it.comes_true(&of_younger(it, it.name())).await;
            it.object_is_gone().await;
            it.garbage_is_collected("a").await;
            it.same_copies(&["a", "b"]).await;
        }
        // It may become an owner before it has its credentials.
        writes (4, 0, 2)
    }

    a_copy_passes_as_it_is_to_an_object_whose_source_is_missing {
        given |it| { it.before_it_passes_on().await; }
        when |it| {
            it.add_object_named(&it.second_name(), younger(it, it.name())).await;
            it.deletes_object(PropagationPolicy::Background).await;
        }
        then |it| { it.passed_on().await; }
        writes (4, 0, 2)
    }

    a_copy_passes_as_it_is_to_an_object_that_is_suspended {
        given |it| { it.before_it_passes_on().await; }
        when |it| {
            let mut suspended = younger(it, it.name());
            suspended["suspend"] = json!(true);
            it.add_object_named(&it.second_name(), suspended).await;
            it.deletes_object(PropagationPolicy::Background).await;
        }
        then |it| { it.passed_on().await; }
        writes (4, 0, 1)
    }

    an_object_goes_although_a_suspended_one_of_its_secrets_name_selects_other_namespaces {
        given |it| {
            it.served(&["a", "b"]).await;
            let mut elsewhere = younger(it, it.name());
            elsewhere["namespaces"] = json!({"selectors": null, "names": [it.namespace("elsewhere")]});
            elsewhere["suspend"] = json!(true);
            it.add_object_named(&it.second_name(), elsewhere).await;
        }
        when |it| { it.deletes_object(PropagationPolicy::Background).await; }
        then |it| { it.gone().await; }
        writes (2, 2, 1)
    }

    the_older_object_keeps_the_copies_when_the_younger_goes {
        given |it| { both(it).await; }
        when |it| {
            it.objects().delete(&it.second_name(), &DeleteParams::default()).await.unwrap();
        }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (2, 0, 1)
    }
}

impl Stage {
    /// Something that goes by garbage collection with the object, and what the copy in `a` holds.
    async fn before_it_passes_on(&self) {
        self.served(&["a", "b"]).await;
        self.leaves_garbage("a").await;
        self.note(format!("{:?}", self.secret("a").await.data));
    }

    /// The object is gone, garbage collection has been there, and the copies are what they were. Whether they name the
    /// second object on their label depends on whether it became an owner before the first one was deleted.
    async fn passed_on(&self) {
        self.object_is_gone().await;
        self.garbage_is_collected("a").await;
        self.same_copies(&["a", "b"]).await;
        assert_eq!(format!("{:?}", self.secret("a").await.data), self.noted());
        eventually("the second object alone owns the copy", SOON, async || {
            let owners = self.secret("a").await.owner_references().to_vec();
            let names: Vec<&str> = owners.iter().map(|owner| owner.name.as_str()).collect();
            if names == [self.second_name()] {
                Ok(())
            } else {
                Err(format!("{names:?}"))
            }
        })
        .await;
    }
}

/// An older object and a younger one that waits.
async fn both(it: &Stage) {
    it.served(&["a", "b"]).await;
    second_source(it).await;
    it.add_object_named(&it.second_name(), younger(it, it.name())).await;
    it.copies_hold(&it.expected(&["a", "b"], &it.first()), &[it.name(), &it.second_name()])
        .await;
}

async fn second_source(it: &Stage) {
    let login = it.second();
    it.create::<Secret>(json!({
        "metadata": {"name": it.second_name(), "namespace": SYSTEM_NAMESPACE}, "type": "kubernetes.io/basic-auth",
        "stringData": {"username": login.username, "password": login.password},
    }))
    .await;
}

fn younger(it: &Stage, secret: &str) -> serde_json::Value {
    let credentials = json!({"basicAuth": {"secretRef": {"name": it.second_name()}}});
    json!({
        "registries": [{"server": e2e::scenario::SERVER, "credentials": credentials}],
        "secret": {"name": secret},
    })
}

fn of_younger(it: &Stage, secret: &str) -> Expected {
    Expected {
        object: it.second_name(),
        secret: secret.to_owned(),
        ..it.expected(&["a", "b"], &it.second())
    }
}

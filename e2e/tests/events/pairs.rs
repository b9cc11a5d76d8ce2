//! Two objects for the same namespaces, with two Secret names and with one.

use e2e::SYSTEM_NAMESPACE;
use e2e::oracle::Expected;
use e2e::scenario::SOON;
use e2e::wait::eventually;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, PropagationPolicy};
use serde_json::json;

use crate::events::env::Env;
use crate::events::row::rows;

rows! {
    /// A second object for the same accounts is served beside the first.
    second_object_shares_accounts_with_first {
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

    /// A younger object for the same Secret's name reports the older one and waits.
    younger_object_waits_for_the_older {
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

    /// The younger object takes the copies over when the older one goes.
    younger_object_takes_over_from_the_older {
        given |it| { both(it).await; }
        when |it| { it.deletes_object(PropagationPolicy::Background).await; }
        then |it| {
            it.comes_true(&of_younger(it, it.name())).await;
            it.same_copies(&["a", "b"]).await;
            it.object_is_gone().await;
        }
        writes (2, 0, 1)
    }

    /// The younger object takes a copy over where the older one is deselected.
    younger_object_takes_over_where_deselected {
        given |it| { both(it).await; }
        when |it| { it.declares(json!({"namespaces": {"excluded": [it.namespace("b")]}})).await; }
        then |it| {
            it.conflict_of(&it.second_name(), "a", it.name()).await;
            it.same_copies(&["a", "b"]).await;
        }
        writes (1, 0, 0)
    }

    /// An object that is renamed and keeps its Secret's name keeps its copies.
    renamed_object_keeps_copies_of_same_name {
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

    /// A copy passes unchanged to an object whose source is missing.
    copy_passes_to_object_without_source {
        given |it| { it.before_it_passes_on().await; }
        when |it| {
            it.add_object_named(&it.second_name(), younger(it, it.name())).await;
            it.deletes_object(PropagationPolicy::Background).await;
        }
        then |it| { it.passed_on().await; }
        writes (4, 0, 2)
    }

    /// A copy passes unchanged to a suspended object.
    copy_passes_to_suspended_object {
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

    /// An object goes although a suspended one of its Secret's name selects other namespaces.
    object_goes_beside_a_suspended_namesake {
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

    /// The older object keeps the copies when the younger one goes.
    older_object_keeps_copies_after_younger {
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

impl Env {
    /// Creates a dependent for the garbage collector, and notes the content of the copy in `a`.
    async fn before_it_passes_on(&self) {
        self.served(&["a", "b"]).await;
        self.leaves_garbage("a").await;
        self.note(format!("{:?}", self.secret("a").await.data));
    }

    /// Checks that the object is gone, the garbage collector has run, and the copies are unchanged. Their label names
    /// the second object only if it became an owner before the first one was deleted.
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

/// Creates an older object and a younger one that waits.
async fn both(it: &Env) {
    it.served(&["a", "b"]).await;
    second_source(it).await;
    it.add_object_named(&it.second_name(), younger(it, it.name())).await;
    it.copies_hold(&it.expected(&["a", "b"], &it.first()), &[it.name(), &it.second_name()])
        .await;
}

async fn second_source(it: &Env) {
    let login = it.second();
    it.create::<Secret>(json!({
        "metadata": {"name": it.second_name(), "namespace": SYSTEM_NAMESPACE}, "type": "kubernetes.io/basic-auth",
        "stringData": {"username": login.username, "password": login.password},
    }))
    .await;
}

fn younger(it: &Env, secret: &str) -> serde_json::Value {
    let credentials = json!({"basicAuth": {"secretRef": {"name": it.second_name()}}});
    json!({
        "registries": [{"server": e2e::scenario::SERVER, "credentials": credentials}],
        "secret": {"name": secret},
    })
}

fn of_younger(it: &Env, secret: &str) -> Expected {
    Expected {
        object: it.second_name(),
        secret: secret.to_owned(),
        ..it.expected(&["a", "b"], &it.second())
    }
}

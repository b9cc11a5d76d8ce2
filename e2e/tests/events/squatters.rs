//! Foreign Secrets under the copies' name.

use e2e::oracle::{self, Login};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{PostParams, PropagationPolicy};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use e2e::scenario::SOON;
use e2e::wait::eventually;

use crate::events::env::{Env, SOURCES};
use crate::events::row::rows;

rows! {
    /// A squatter that was there before the object stays, and no account refers to it.
    earlier_squatter_stays_without_reference {
        given |it| {
            it.scenario().unselected_namespaces(&["b"]).await;
            it.squats("b").await;
            it.served(&["a"]).await;
        }
        when |it| { it.labels_in("b").await; }
        then |it| {
            it.conflict_in("b", it.name()).await;
            it.holds(&["a"]).await;
            it.scenario().says("Ready", "False", "NamespacesFailed").await;
        }
        // One create finds it. The reference does not wait for that, and is removed again.
        writes (1, 2, 0)
        restart (1, 0)
    }

    /// A squatter with the very bytes of a copy is not taken over.
    squatter_with_equal_bytes_is_not_adopted {
        given |it| {
            it.scenario().unselected_namespaces(&["b"]).await;
            it.served(&["a"]).await;
            let bytes = it.secret("a").await.data.unwrap()[oracle::DATA_KEY].0.clone();
            it.squats_with("b", &bytes).await;
        }
        when |it| { it.labels_in("b").await; }
        then |it| {
            it.conflict_in("b", it.name()).await;
            it.holds(&["a"]).await;
        }
        writes (1, 2, 0)
        restart (1, 0)
    }

    /// A squatter that is deleted makes room for reference and copy.
    departed_squatter_makes_room_for_both {
        given |it| {
            squatted(it).await;
        }
        when others |it| { it.delete(&it.secrets("b"), it.name()).await; }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.scenario().says("Ready", "True", "Synced").await;
        }
        writes (1, 1, 0)
    }

    /// A squatter in a deselected namespace is no longer reported.
    squatter_in_deselected_namespace_is_not_reported {
        given |it| { squatted(it).await; }
        when |it| { it.labels_out("b").await; }
        then |it| {
            it.scenario().says("Ready", "True", "Synced").await;
            it.holds(&["a"]).await;
        }
        writes (0, 0, 0)
    }

    /// A squatter is adopted in place once the spec allows it.
    squatter_is_adopted_when_spec_allows {
        given |it| {
            it.scenario().unselected_namespaces(&["b"]).await;
            it.squats_with("b", br#"{"auths":{"old.example.com":{"auth":"YTpi"}}}"#).await;
            it.labels_in("b").await;
            it.declared(&["a"], json!({})).await;
            it.conflict_in("b", it.name()).await;
            it.holds(&["a"]).await;
            it.note(it.secret("b").await.uid().unwrap());
            it.yields("b").await;
        }
        when |it| { it.declares(json!({"secret": {"conflictPolicy": "Adopt"}})).await; }
        then |it| {
            it.holds(&["a", "b"]).await;
            assert_eq!(it.secret("b").await.uid().unwrap(), it.noted(), "in place");
            it.scenario().says("Ready", "True", "Synced").await;
        }
        // Another start finds it by a refused create.
        writes (2, 1, 0)
    }

    a_squatter_of_another_type_is_not_adopted {
        given |it| { squatted(it).await; }
        when |it| { it.declares(json!({"secret": {"conflictPolicy": "Adopt"}})).await; }
        then |it| {
            it.conflict_in("b", "another type").await;
            it.holds(&["a"]).await;
        }
        // Another start finds it by a refused create.
        writes (1, 2, 0)
        restart (1, 0)
    }

    /// A source that has the name of the copies is never adopted.
    source_named_like_copies_is_never_adopted {
        given |it| {
            sources_namespace(it).await;
            it.note(source_of_that_name(it, &it.first(), json!({})).await.resource_version().unwrap());
            it.scenario().namespaces(&["a"]).await;
            it.add_object(reading_its_own_name(json!({"secret": {"conflictPolicy": "Adopt"}}), it)).await;
            it.holds(&["a"]).await;
        }
        when |it| { it.declares(json!({"namespaces": {"names": [SOURCES]}})).await; }
        then |it| {
            source_name_is_told(it).await;
            it.holds(&["a"]).await;
            assert_eq!(source(it).await.resource_version().unwrap(), it.noted(), "the source was written");
        }
        writes (0, 0, 0)
    }

    a_source_is_renewed_in_a_selected_namespace {
        given |it| {
            sources_namespace(it).await;
            source_of_that_name(it, &it.first(), json!({})).await;
            it.scenario().namespaces(&["a"]).await;
            it.add_object(reading_its_own_name(json!({"namespaces": {"names": [SOURCES]}}), it)).await;
            it.holds(&["a"]).await;
        }
        when |it| {
            it.delete(&sources(it), it.name()).await;
            it.scenario().says("CredentialsReady", "False", "SourceNotFound").await;
            it.note(source_of_that_name(it, &it.second(), json!({})).await.resource_version().unwrap());
        }
        then |it| {
            it.holds_with(&["a"], &it.second()).await;
            source_name_is_told(it).await;
            assert_eq!(source(it).await.resource_version().unwrap(), it.noted(), "the source was written");
        }
        writes (1, 0, 0)
        only up "the status says in between that the source is away"
    }

    a_once_retained_source_outlives_the_object {
        given |it| {
            sources_namespace(it).await;
            let marks = json!({"pullsecrets.dev/retained": it.name()});
            it.note(source_of_that_name(it, &it.first(), marks).await.resource_version().unwrap());
            it.scenario().namespaces(&["a"]).await;
            it.add_object(reading_its_own_name(json!({"namespaces": {"names": [SOURCES]}}), it)).await;
            it.holds(&["a"]).await;
            source_name_is_told(it).await;
        }
        when |it| { it.deletes_object(PropagationPolicy::Background).await; }
        then |it| {
            it.object_is_gone().await;
            assert_eq!(source(it).await.resource_version().unwrap(), it.noted(), "the source was written");
        }
        writes (1, 1, 1)
    }
}

async fn sources_namespace(it: &Env) {
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": SOURCES}})).unwrap();
    let namespaces: Api<Namespace> = Api::all(it.scenario().client().clone());
    // Several rows of a column need it, and one of them is first.
    match namespaces.create(&PostParams::default(), &namespace).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        created => drop(created.unwrap()),
    }
    it.scenario().wait_for_accounts(&[SOURCES.to_owned()]).await;
}

fn sources(it: &Env) -> Api<Secret> {
    Api::namespaced(it.scenario().client().clone(), SOURCES)
}

/// Returns the source with the name of the copies.
async fn source(it: &Env) -> Secret {
    sources(it).get(it.name()).await.unwrap()
}

async fn source_of_that_name(it: &Env, login: &Login, annotations: Value) -> Secret {
    let entry = json!({"username": login.username, "password": login.password});
    let config = json!({"auths": {e2e::scenario::SERVER: entry}});
    let metadata = json!({"name": it.name(), "namespace": SOURCES, "annotations": annotations});
    it.create::<Secret>(json!({
        "metadata": metadata, "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": config.to_string()},
    }))
    .await
}

/// Changes a spec so that its source has the name of its copies.
fn reading_its_own_name(mut change: Value, it: &Env) -> Value {
    let reference = json!({"name": it.name(), "namespace": SOURCES});
    let credentials = json!({"dockerConfig": {"secretRef": reference}});
    change["registries"] = json!([{"server": e2e::scenario::SERVER, "credentials": credentials}]);
    change
}

async fn source_name_is_told(it: &Env) {
    eventually("the status says that the name is a source's", SOON, async || {
        let failure = it.status(it.name()).await["failures"][0].clone();
        let told = failure["reason"] == "SourceName" && failure["namespace"] == SOURCES;
        told.then_some(()).ok_or_else(|| failure.to_string())
    })
    .await;
}

/// Creates a served namespace, and a selected one with a squatter.
async fn squatted(it: &Env) {
    it.scenario().unselected_namespaces(&["b"]).await;
    it.squats("b").await;
    it.labels_in("b").await;
    it.declared(&["a"], json!({})).await;
    it.conflict_in("b", it.name()).await;
    it.holds(&["a"]).await;
}

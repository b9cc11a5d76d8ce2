//! Secrets of the copies' name that are not ours.

use e2e::oracle;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use serde_json::json;

use e2e::scene::SOON;
use e2e::wait::eventually;

use crate::events::row::rows;
use crate::events::stage::{SOURCES, Stage};

rows! {
    a_squatter_that_was_there_before_us_stays_and_is_not_referred_to {
        given |it| {
            it.scene().unselected_namespaces(&["b"]).await;
            it.squats("b").await;
            it.served(&["a"]).await;
        }
        when |it| { it.labels_in("b").await; }
        then |it| {
            it.conflict_in("b", it.name()).await;
            it.holds(&["a"]).await;
            it.scene().says("Ready", "False", "NamespacesFailed").await;
        }
        // One attempt finds it; the reference does not wait for that, and goes again.
        writes (1, 2, 0)
        restart (1, 0)
    }

    a_squatter_with_our_very_bytes_is_not_taken_over {
        given |it| {
            it.scene().unselected_namespaces(&["b"]).await;
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

    a_squatter_that_goes_makes_room_for_reference_and_copy {
        given |it| {
            squatted(it).await;
        }
        when others |it| { it.delete(&it.secrets("b"), it.name()).await; }
        then |it| {
            it.holds(&["a", "b"]).await;
            it.scene().says("Ready", "True", "Synced").await;
        }
        writes (1, 1, 0)
    }

    a_squatter_whose_namespace_is_deselected_is_reported_no_more {
        given |it| { squatted(it).await; }
        when |it| { it.labels_out("b").await; }
        then |it| {
            it.scene().says("Ready", "True", "Synced").await;
            it.holds(&["a"]).await;
        }
        writes (0, 0, 0)
    }

    a_squatter_is_adopted_in_place_once_the_spec_says_so {
        given |it| {
            it.scene().unselected_namespaces(&["b"]).await;
            it.squats_with("b", br#"{"auths":{"old.example.com":{"auth":"YTpi"}}}"#).await;
            it.labels_in("b").await;
            it.declared(&["a"], json!({})).await;
            it.conflict_in("b", it.name()).await;
            it.note(it.secret("b").await.uid().unwrap());
            it.yields("b").await;
        }
        when |it| { it.declares(json!({"secret": {"conflictPolicy": "Adopt"}})).await; }
        then |it| {
            it.holds(&["a", "b"]).await;
            assert_eq!(it.secret("b").await.uid().unwrap(), it.noted(), "in place");
            it.scene().says("Ready", "True", "Synced").await;
        }
        // Another start finds it by trying.
        writes (2, 1, 0)
    }

    a_squatter_of_another_type_is_not_adopted {
        given |it| { squatted(it).await; }
        when |it| { it.declares(json!({"secret": {"conflictPolicy": "Adopt"}})).await; }
        then |it| {
            it.conflict_in("b", "another type").await;
            it.holds(&["a"]).await;
        }
        // Another start finds it by trying.
        writes (1, 2, 0)
        restart (1, 0)
    }

    a_source_that_has_the_name_of_the_copies_is_never_adopted {
        given |it| {
            it.scene().apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SOURCES}})).await;
            it.scene().wait_for_accounts(&[SOURCES.to_owned()]).await;
            let config = it.docker_config();
            let source = it.create::<Secret>(json!({
                "metadata": {"name": it.name(), "namespace": SOURCES}, "type": "kubernetes.io/dockerconfigjson",
                "stringData": {".dockerconfigjson": config.to_string()},
            }))
            .await;
            it.note(source.resource_version().unwrap());
            it.scene().namespaces(&["a"]).await;
            let reference = json!({"name": it.name(), "namespace": SOURCES});
            let credentials = json!({"dockerConfig": {"secretRef": reference}});
            it.add_object(json!({
                "registries": [{"server": e2e::scene::SERVER, "credentials": credentials}],
                "secret": {"conflictPolicy": "Adopt"},
            }))
            .await;
            it.holds(&["a"]).await;
        }
        when |it| { it.declares(json!({"namespaces": {"names": [SOURCES]}})).await; }
        then |it| {
            eventually("the conflict is told", SOON, async || {
                let failures = it.status(it.name()).await["failures"].clone();
                let told = failures[0]["message"].as_str().unwrap_or_default().contains("source");
                if told && failures[0]["namespace"] == SOURCES { Ok(()) } else { Err(failures.to_string()) }
            })
            .await;
            it.holds(&["a"]).await;
            let api: Api<Secret> = Api::namespaced(it.scene().client().clone(), SOURCES);
            let source = api.get(it.name()).await.unwrap();
            assert_eq!(source.resource_version().unwrap(), it.noted(), "the source was written");
        }
        writes (1, 2, 0)
        restart (1, 0)
    }
}

/// A namespace that is served, and one that is selected and has a squatter.
async fn squatted(it: &Stage) {
    it.scene().unselected_namespaces(&["b"]).await;
    it.squats("b").await;
    it.labels_in("b").await;
    it.declared(&["a"], json!({})).await;
    it.conflict_in("b", it.name()).await;
    it.holds(&["a"]).await;
}

//! The credentials of an object: lost, changed, or not listed.

use crd::RegistryState;

use super::*;

#[test]
fn an_object_with_lost_state_gets_no_payload() {
    let reported = json!({"observedGeneration": 3, "secretName": "company"});
    let mut first = Case::new(&json!({}), &reported, &sources(vec![source("a")], true));
    assert_eq!(first.step(0), "remember", "it never had a state that could be lost");
    let lost = json!({"observedGeneration": 3, "secretName": "company", "stateSecretName": "pullsecrets-state-u"});
    let lost = Case::new(&json!({}), &lost, &sources(vec![source("a")], true));
    let payload = lost.object.credentials.payload();
    assert_eq!(payload, None, "its copies may be the only place of the other login");
}

#[test]
fn credentials_are_rendered_when_they_change() {
    let mut case = Case::new(&json!({}), &json!({}), &sources(vec![source("a"), state()], true));
    case.object.declared = None;
    let payload = |case: &Case| case.object.credentials.payload();
    let first = payload(&case).unwrap();
    case.resolve(&sources(vec![source("a"), state()], true));
    assert!(Arc::ptr_eq(&first, &payload(&case).unwrap()), "it is not made again");
    let rotated = serde_json::from_value(json!({
        "metadata": {"name": "a", "resourceVersion": "7"}, "type": "kubernetes.io/basic-auth",
        "data": {"username": "cm9ib3Q=", "password": "b3RoZXI="},
    }))
    .unwrap();
    case.resolve(&sources(vec![rotated, state()], true));
    assert_ne!(first, payload(&case).unwrap());
    case.resolve(&sources(vec![state()], true));
    assert_eq!(payload(&case), None, "it is gone, and no login is saved");
}

#[test]
fn unlisted_namespaces_block_only_their_registries() {
    let mut case = Case::new(&json!({}), &json!({}), &sources(vec![source("a")], false)).summarised(Summary::default());
    assert_eq!(case.step(0), "remember");
    case.resolve(&sources(vec![source("a"), state()], false));
    assert!(case.object.credentials.payload().is_some());
    case.object.failed(StepKind::SaveState, &refusal(), case.now);
    let registries = case.status(0).registries;
    assert_eq!(registries[0].state, RegistryState::Ready);
    let message = registries[1].message.as_deref().unwrap();
    assert!(
        message.contains("logins/b") && message.contains("has not listed the secrets"),
        "{message}"
    );
}

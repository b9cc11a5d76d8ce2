//! Copies that `deletionPolicy: Retain` left in their namespaces.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use super::{Expected, LABEL, RETAINED, copies};

pub(super) async fn check(client: &Client, expected: &Expected) -> Result<(), String> {
    let data = copies::docker_config(expected);
    for namespace in expected.holders.keys() {
        let place = format!("secret {namespace}/{}", expected.secret);
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let found = secrets
            .get_opt(&expected.secret)
            .await
            .map_err(|error| error.to_string())?;
        let copy = found.ok_or_else(|| format!("{place} is gone"))?;
        released(&copy, &expected.object, &data).map_err(|what| format!("{place}: {what}"))?;
    }
    Ok(())
}

/// Checks that the garbage collector does not remove the copy, and that its login still works.
fn released(copy: &Secret, object: &str, data: &Value) -> Result<(), String> {
    if copy.labels().contains_key(LABEL) || copy.labels().contains_key("app.kubernetes.io/managed-by") {
        return Err("still carries a label of ours".to_owned());
    }
    if !copy.owner_references().is_empty() {
        return Err(format!("has {} owners", copy.owner_references().len()));
    }
    if copy.annotations().get(RETAINED).map(String::as_str) != Some(object) {
        return Err("does not say whose it was".to_owned());
    }
    if copy.metadata.deletion_timestamp.is_some() {
        return Err("is being deleted".to_owned());
    }
    if copy.type_.as_deref() != Some("kubernetes.io/dockerconfigjson") {
        return Err(format!("has the type {:?}", copy.type_));
    }
    copies::data(copy, data)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;
    use kube::api::ObjectMeta;
    use serde_json::json;

    use super::*;

    fn copy(labels: &[&str], annotations: &[(&str, &str)], config: &Value) -> Secret {
        let text = |name: &&str| ((*name).to_owned(), "x".to_owned());
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Secret {
            metadata: ObjectMeta {
                labels: Some(labels.iter().map(text).collect()),
                annotations: Some(annotations.iter().map(pair).collect()),
                ..ObjectMeta::default()
            },
            type_: Some("kubernetes.io/dockerconfigjson".to_owned()),
            data: Some(BTreeMap::from([(
                super::super::DATA_KEY.to_owned(),
                ByteString(config.to_string().into_bytes()),
            )])),
            ..Secret::default()
        }
    }

    /// A copy is left to its namespace when it works and carries only the mark of what is ours.
    #[test]
    fn retained_copy_works_and_carries_only_the_mark() {
        let config = json!({"auths": {}});
        let mark = [(RETAINED, "company")];
        assert_eq!(released(&copy(&["theirs"], &mark, &config), "company", &config), Ok(()));
        let wrong = [
            (copy(&[LABEL], &mark, &config), "label of ours"),
            (copy(&[], &[], &config), "whose it was"),
            (copy(&[], &[(RETAINED, "other")], &config), "whose it was"),
            (copy(&[], &mark, &json!({"auths": {"r": {}}})), "has logins for"),
        ];
        for (copy, word) in wrong {
            let told = released(&copy, "company", &config).unwrap_err();
            assert!(told.contains(word), "{told}");
        }
    }
}

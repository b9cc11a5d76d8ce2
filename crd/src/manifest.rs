//! `CustomResourceDefinition` as it is installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::json;

use crate::{ClusterPullSecret, ConditionStatus, ConditionType, Counts, Reason};

/// Returns the definition of `ClusterPullSecret`. The same source always gives the same bytes.
///
/// It differs from the derived definition in three ways:
///
/// - No field is nullable, so the API server drops a null instead of storing it for ever.
/// - A new object has a default status with `observedGeneration: -1`, so that tools that wait for objects see
///   outstanding work. The default has conditions and counts too, so that no column is blank.
/// - A line break inside a paragraph of a description becomes a space, so that `kubectl explain` can fill the terminal.
pub fn crd() -> CustomResourceDefinition {
    let mut crd = ClusterPullSecret::crd();
    let schemas = crd
        .spec
        .versions
        .iter_mut()
        .filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut());
    for schema in schemas {
        each_schema(schema, &mut |part| {
            part.nullable = None;
            part.description = part.description.take().map(|text| unwrapped(&text));
        });
        if let Some(status) = schema.properties.as_mut().and_then(|root| root.get_mut("status")) {
            status.default = Some(JSON(unseen()));
        }
    }
    crd
}

/// Returns the status of an object that the operator has not seen yet.
fn unseen() -> serde_json::Value {
    let condition = |type_: ConditionType, status: ConditionStatus| {
        json!({
            "type": type_.as_str(),
            "status": status.as_str(),
            "reason": Reason::Progressing.as_str(),
            "message": "the operator has not looked at this object yet: if this stays, check that the operator runs",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        })
    };
    json!({
        "observedGeneration": -1,
        "conditions": [
            condition(ConditionType::Ready, ConditionStatus::Unknown),
            condition(ConditionType::Reconciling, ConditionStatus::True),
        ],
        "namespaces": Counts::new(0, 0, 0),
        "serviceAccounts": Counts::new(0, 0, 0),
    })
}

/// Returns [`crd()`] as the YAML in `config/crd`, with a first line that names its origin.
pub fn yaml() -> Result<String, serde_saphyr::ser::Error> {
    Ok(format!(
        "# Generated from the types in crd/ by `cargo crdgen`; do not edit.\n{}",
        serde_saphyr::to_string(&crd())?
    ))
}

/// Visits a schema and every schema inside it.
fn each_schema(schema: &mut JSONSchemaProps, visit: &mut impl FnMut(&mut JSONSchemaProps)) {
    visit(schema);
    for field in schema.properties.iter_mut().flat_map(|fields| fields.values_mut()) {
        each_schema(field, visit);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        each_schema(values, visit);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => each_schema(item, visit),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(|item| each_schema(item, visit)),
        None => {}
    }
}

fn unwrapped(text: &str) -> String {
    text.split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " "))
        .collect::<Vec<_>>()
        .join("\n\n")
}

//! What the operator would write.

use cli::render::{Action, Rendered, render};
use cli::world::World;

const OBJECT: &str = "
apiVersion: pullsecrets.dev/v1alpha1
kind: ClusterPullSecret
metadata: {name: company}
spec:
  registries:
    - server: r.example.com
      credentials: {basicAuth: {secretRef: {name: source}}}
    - credentials: {dockerConfig: {secretRef: {name: whole}}}
  namespaces: {selectors: [{}]}
";

fn rendered(text: &str, prepare: impl FnOnce(&mut World)) -> Rendered {
    let mut world = World::default();
    world.add_manifests("company.yaml", text);
    assert_eq!(world.problems, []);
    prepare(&mut world);
    render(&world, "pullsecrets-system")
}

#[test]
fn a_namespace_gets_a_copy_and_a_reference() {
    let rendered = rendered(OBJECT, |world| {
        world.assume("shop", "default");
        world.assume("shop", "other");
        world.assume("kube-system", "default");
        world.assume("pullsecrets-system", "default");
    });
    let [copy] = rendered.secrets.as_slice() else {
        panic!("{rendered:#?}");
    };
    assert_eq!(
        (copy.namespace.as_str(), copy.name.as_str(), copy.action),
        ("shop", "company", Action::Create)
    );
    assert_eq!(
        copy.servers,
        ["every server of secret pullsecrets-system/whole", "r.example.com"]
    );
    assert_eq!(copy.labels["pullsecrets.dev/cluster-pull-secret"], "company");
    let [account] = rendered.accounts.as_slice() else {
        panic!("{rendered:#?}");
    };
    assert_eq!((account.namespace.as_str(), account.name.as_str()), ("shop", "default"));
    assert_eq!(account.attached, ["company".into()]);
    let manifests = rendered.manifests();
    assert_eq!(manifests[0]["data"][".dockerconfigjson"], "<redacted>");
    assert_eq!(manifests[1]["imagePullSecrets"][0]["name"], "company");
}

#[test]
fn a_foreign_secret_is_a_conflict() {
    let text = format!(
        "{OBJECT}---\n{}",
        "{apiVersion: v1, kind: Secret, metadata: {name: company, namespace: shop}, type: Opaque}"
    );
    let rendered = rendered(&text, |world| world.assume("shop", "default"));
    assert_eq!(rendered.secrets, []);
    assert_eq!(rendered.accounts, [], "no reference to a Secret of another party");
    assert!(rendered.conflicts[0].message.contains("not managed by pullsecrets"));
}

#[test]
fn servers_of_a_source_in_a_file_are_shown() {
    let source = "{apiVersion: v1, kind: Secret, metadata: {name: whole, namespace: pullsecrets-system}, \
                  type: kubernetes.io/dockerconfigjson, data: {.dockerconfigjson: \
                  eyJhdXRocyI6eyJxLmV4YW1wbGUuY29tIjp7InVzZXJuYW1lIjoiQ0FOQVJZIn0sIm5vdCBhIHNlcnZlciI6eyJ1c2VybmFtZSI6IngifX19}}";
    let rendered = rendered(&format!("{OBJECT}---\n{source}"), |world| {
        world.assume("shop", "default");
    });
    assert_eq!(
        rendered.secrets[0].servers,
        ["1 other entries", "q.example.com", "r.example.com"]
    );
    let plain = "{apiVersion: v1, kind: Secret, metadata: {name: whole, namespace: pullsecrets-system}, \
                 type: kubernetes.io/dockerconfigjson, stringData: {.dockerconfigjson: '{\"auths\":{\"p.example.com\": \
                 {\"username\":\"CANARY\"}}}'}}";
    let of_plain = self::rendered(&format!("{OBJECT}---\n{plain}"), |world| {
        world.assume("shop", "default");
    });
    assert_eq!(of_plain.secrets[0].servers, ["p.example.com", "r.example.com"]);
    assert!(!serde_json::to_string(&rendered).expect("JSON").contains("CANARY"));
}

#[test]
fn a_spec_that_cannot_be_used_is_named() {
    let text = OBJECT.replace("selectors: [{}]", "names: [UPPER]");
    let rendered = rendered(&text, |world| world.assume("shop", "default"));
    assert!(
        rendered.refused["company"].starts_with("spec.namespaces.names[0]"),
        "{:?}",
        rendered.refused
    );
    assert_eq!(rendered.secrets, []);
}

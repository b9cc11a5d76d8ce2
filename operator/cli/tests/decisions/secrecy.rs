//! No input panics, and no value of a Secret appears in any output.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cli::explain::{Target, explain};
use cli::output::{Terminal, explanation_text};
use cli::render::render;
use cli::world::{Kind, World};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cluster::{Cluster, IMAGE};

/// A word that must not appear.
const CANARY: &str = "CANARY";

/// Everything that the tool can say about a cluster.
fn everything(cluster: &Cluster) -> String {
    let report = cluster.report(&[]);
    let mut all = vec![
        serde_json::to_string(&report).expect("JSON"),
        format!("{report:?} {:?}", cluster.world),
    ];
    for (namespace, seen) in &cluster.world.namespaces {
        let pods = seen.pods.keys().map(|name| Target::Pod(name.clone()));
        let workloads = seen.workloads.keys().map(|id| Target::Workload(id.clone()));
        let accounts = seen.accounts.keys().flat_map(|name| {
            let image = Target::Image {
                image: IMAGE.into(),
                account: name.clone(),
            };
            [Target::Account(name.clone()), image]
        });
        for target in pods.chain(workloads).chain(accounts) {
            if let Ok(explanation) = explain(&cluster.world, &cluster.evidence, Some("dev"), namespace, &target) {
                all.push(serde_json::to_string(&explanation).expect("JSON"));
                all.push(explanation_text(
                    &explanation,
                    Terminal {
                        width: None,
                        unicode: false,
                    },
                ));
            }
        }
    }
    let rendered = render(&cluster.world, "pullsecrets-system");
    all.push(serde_json::to_string(&rendered).expect("JSON"));
    all.push(format!("{rendered:?} {:?}", rendered.manifests()));
    all.join("\n")
}

fn entry() -> impl Strategy<Value = String> {
    let encoded = STANDARD.encode(format!("{CANARY}:{CANARY}"));
    prop_oneof![
        Just(json!({"username": CANARY, "password": CANARY}).to_string()),
        Just(json!({"auth": encoded}).to_string()),
        Just(json!({"auth": format!("{CANARY}%")}).to_string()),
        Just(json!({"auth": STANDARD.encode(CANARY)}).to_string()),
        Just(json!({"identitytoken": CANARY}).to_string()),
        Just(json!({"username": [CANARY]}).to_string()),
        Just(json!(CANARY).to_string()),
        Just("null".to_owned()),
    ]
}

/// Keys as people paste them, with passwords in them.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("r.example.com".to_owned()),
        Just("r.example.com:443".to_owned()),
        Just(format!("{CANARY}@r.example.com")),
        Just(format!("https://user:{CANARY}@r.example.com/v2/")),
        Just(format!("r.example.com?{CANARY}")),
        Just(format!("r.example.com/{CANARY}")),
        Just(format!("oci://r.example.com/{CANARY}")),
        Just(format!("r.example.com:{CANARY}")),
        Just(CANARY.to_owned()),
    ]
}

fn config() -> impl Strategy<Value = String> {
    let auths = proptest::collection::vec((key(), entry()), 0..4).prop_map(|entries| {
        let entries = entries
            .iter()
            .map(|(key, entry)| format!("{}:{entry}", Value::from(key.as_str())));
        format!(r#"{{"auths":{{{}}}}}"#, entries.collect::<Vec<_>>().join(","))
    });
    prop_oneof![
        8 => auths,
        1 => Just(format!(r#"{{"auths":{{"{CANARY}""#)),
        1 => Just(CANARY.to_owned()),
        1 => Just(format!(r#"{{"auths":"{CANARY}"}}"#)),
        1 => Just(format!(r#"{{"HttpHeaders":{{"a":["{CANARY}"]}}}}"#)),
    ]
}

/// JSON of any shape, with field names that are read.
fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "metadata",
        "name",
        "namespace",
        "spec",
        "template",
        "containers",
        "image",
        "imagePullSecrets",
        "status",
        "items",
        "data",
        "type",
        ".dockerconfigjson",
        "labels",
        "ownerReferences",
        "state",
        "waiting",
        "volumes",
        "jobTemplate",
        "containerStatuses",
        "kind",
        "apiVersion",
        "annotations",
        "creationTimestamp",
        "controller",
        "registries",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z:/.@]{0,9}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec!["Pod", "v1", "e30=", "kubernetes.io/dockerconfigjson", "Secret"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((names.clone(), inner), 0..5).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_output_shows_a_value_of_a_secret(configs in proptest::collection::vec(config(), 1..3), own in any::<bool>()) {
        let names = ["company", "mirror"];
        let mut cluster = Cluster::listing(&names).deployment(if own { &names } else { &[] });
        for (name, config) in names.iter().zip(&configs) {
            cluster = cluster.config(name, config);
        }
        cluster = cluster.secret("opaque", "Opaque", &[("password", CANARY), (CANARY, CANARY)]);
        let all = everything(&cluster);
        let before: String = all.split(CANARY).next().unwrap_or_default().chars().rev().take(200).collect();
        prop_assert!(!all.contains(CANARY), "before it, reversed: {before}");
        let encoded = STANDARD.encode(CANARY);
        prop_assert!(!all.contains(&encoded[..6]));
    }

    #[test]
    fn no_json_makes_the_tool_panic(objects in proptest::collection::vec(any_json(), 1..6)) {
        let mut cluster = Cluster::default();
        for object in &objects {
            for kind in Kind::ALL {
                cluster.world.add(kind, &object.to_string());
            }
            cluster.world.add_dump("a.json", &object.to_string());
            cluster.world.add_manifests("a.yaml", &object.to_string());
        }
        cluster.world.end_dump();
        everything(&cluster);
    }

    #[test]
    fn no_text_makes_the_tool_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let mut world = World::default();
        world.add_dump("a.json", &text);
        world.add_manifests("a.yaml", &text);
        for kind in Kind::ALL {
            world.add(kind, &text);
            let _ = world.add_page(kind, &bytes);
        }
        let cluster = Cluster::listing(&["company"]).config("company", &text).deployment(&[&text]);
        everything(&cluster);
    }
}

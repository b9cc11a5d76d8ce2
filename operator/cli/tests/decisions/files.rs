//! Objects from lists and files.

use cli::audit::{Ignored, Options, Part};
use cli::verdict::Evidence;
use cli::world::{Kind, WorkloadId, World};

#[test]
fn a_page_of_a_list_is_added() {
    let mut world = World::default();
    let body = br#"{"metadata":{"continue":"abc"},"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]}"#;
    let page = world.add_page(Kind::Namespace, body).expect("a list");
    assert_eq!((page.items, page.next.as_deref()), (2, Some("abc")));
    assert_eq!(world.namespaces.len(), 2);
    assert!(
        world
            .add_page(Kind::Namespace, b"CANARY")
            .is_err_and(|error| !error.to_string().contains("CANARY"))
    );
}

#[test]
fn one_broken_object_hides_no_other() {
    let mut world = World::default();
    let body = br#"{"items":[
        {"metadata":{"name":"a","namespace":"x"},"type":5,"data":{".dockerconfigjson":"CANARY"}},
        {"metadata":{"name":"b","namespace":"x"},"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"!CANARY"}},
        {"metadata":{"name":"c","namespace":"x"},"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"e30="}}
    ]}"#;
    world.add_page(Kind::Secret, body).expect("a list");
    let names: Vec<&str> = world
        .problems
        .iter()
        .filter_map(|problem| problem.name.as_deref())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert!(world.namespaces["x"].secrets.contains_key("c"));
    assert!(!format!("{:?}", world.problems).contains("CANARY"));
}

#[test]
fn the_output_of_kubectl_is_read() {
    let mut world = World::default();
    world.add_dump(
        "all.json",
        r#"{"apiVersion":"v1","kind":"List","items":[
            {"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default","namespace":"x"}},
            {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"api","namespace":"x"},
             "spec":{"template":{"spec":{"containers":[{"name":"a","image":"r.example.com/a"}]}}}},
            {"apiVersion":"example.com/v1","kind":"Deployment","metadata":{"name":"other","namespace":"x"}}
        ]}
        {"apiVersion":"v1","kind":"SecretList","items":[{"metadata":{"name":"s","namespace":"x"},"type":"Opaque"}]}"#,
    );
    world.end_dump();
    assert_eq!((world.problems.as_slice(), world.unseen.as_slice()), (&[][..], &[][..]));
    let seen = &world.namespaces["x"];
    assert_eq!(
        (seen.accounts.len(), seen.workloads.len(), seen.secrets.len()),
        (1, 1, 1)
    );
    assert!(seen.workloads.contains_key(&WorkloadId::new("Deployment", "api")));
}

#[test]
fn a_dump_without_accounts_is_incomplete() {
    let mut world = World::default();
    world.add_dump(
        "pods.json",
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"x"},"spec":{}}"#,
    );
    world.end_dump();
    assert_eq!(world.unseen[0].kind, Kind::ServiceAccount);
    let mut broken = World::default();
    broken.add_dump("x.json", "{\"kind\": CANARY");
    assert_eq!(broken.problems[0].why, "x.json is not JSON: error at line 1, column 10");
    broken.add_manifests("x.yaml", "a: [CANARY");
    assert!(
        broken.problems[1].why.starts_with("x.yaml is not YAML"),
        "{}",
        broken.problems[1].why
    );
}

#[test]
fn an_ignore_file_leaves_workloads_out() {
    let ignored = Ignored::parse("# by hand\n\nlegacy\nshop/Deployment/api-*  # later\n").expect("valid");
    let options = Options {
        ignored,
        ..Options::default()
    };
    let id = |name: &str| WorkloadId::new("Deployment", name);
    assert!(options.ignores("legacy", &id("x")) && options.ignores("shop", &id("api-1")));
    assert!(!options.ignores("shop", &id("web")) && !options.ignores("other", &id("api-1")));
    assert_eq!(Ignored::parse("a/b").expect_err("two parts").line, 1);
}

#[test]
fn an_unreachable_context_is_an_error_of_its_own() {
    let options = Options::default();
    let parts = vec![
        Part::unreachable("b", "connection refused".to_owned()),
        Part::of("a", &World::default(), &Evidence::default(), &options),
    ];
    let report = cli::audit::Report::of(parts, &options, false);
    let names: Vec<&str> = report.contexts.iter().map(|context| context.context.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(report.exit_code(cli::audit::Fails::Now), 2);
}

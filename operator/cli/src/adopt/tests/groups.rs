//! Groups by name and content, and objects that exist.

use serde_json::{Value, json};

use super::{Asked, OPERATOR, account, login, namespaces, only, plan, secret, seen};
use crate::adopt::report::{GroupReport, Reason, Verdict};
use crate::adopt::write;

/// One Secret in each namespace, with a login of the user of its letter.
fn users(users: &str) -> Vec<Value> {
    let names: Vec<String> = (0..users.len()).map(|at| format!("n{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut all = namespaces(&[&names[..], &["empty", OPERATOR]].concat());
    for (name, user) in names.iter().zip(users.chars()) {
        all.push(secret(
            name,
            "regcred",
            &json!({}),
            &login("r.example.com", &user.to_string()),
        ));
    }
    all
}

fn group(objects: &[Value], asked: &Asked) -> GroupReport {
    only(plan(&seen(objects), asked)).0
}

fn deviating(group: &GroupReport) -> Vec<&str> {
    let left = group.left_alone.iter().filter(|left| left.reason == Reason::Deviates);
    left.map(|left| left.namespace.as_str()).collect()
}

#[test]
fn copies_that_deviate_are_left_alone_unless_aligned() {
    let objects = users("aabac");
    let found = group(&objects, &Asked::default());
    assert_eq!(
        (found.verdict, found.contents, found.copies.len()),
        (Verdict::Adopt, 3, 3)
    );
    assert_eq!(deviating(&found), ["n2", "n4"]);
    let object = found.object.expect("an object");
    assert_eq!(object.spec.namespaces.names, ["n0", "n1", "n3"]);
    let align = Asked {
        align: true,
        ..Asked::default()
    };
    let found = group(&objects, &align);
    assert_eq!((found.verdict, found.copies.len()), (Verdict::Adopt, 5));
    let aligned: Vec<bool> = found.copies.iter().map(|copy| copy.aligned).collect();
    assert_eq!(aligned, [false, false, true, false, true]);
    assert!(deviating(&found).is_empty());
}

#[test]
fn contents_that_differ_everywhere_are_not_adopted() {
    for contents in ["abc", "ab", "aabb"] {
        let found = group(&users(contents), &Asked::default());
        assert_eq!(found.verdict, Verdict::ContentsDiffer, "{contents}: {found:#?}");
        assert!(found.object.is_none());
    }
    let mut objects = users("abc");
    objects.push(secret(OPERATOR, "lasting", &json!({}), &login("r.example.com", "z")));
    let asked = Asked {
        align: true,
        source: Some("lasting"),
        ..Asked::default()
    };
    let found = group(&objects, &asked);
    assert_eq!((found.verdict, found.copies.len()), (Verdict::Adopt, 3), "{found:#?}");
    assert_eq!(found.copy_command, None);
}

/// Bytes may differ. What a tool copies from decides between equals.
#[test]
fn the_login_counts_and_not_its_bytes() {
    let mut objects = users("a");
    let auth = json!({"auths": {"r.example.com": {"auth": "YTpDQU5BUlk=", "email": "a@example.com"}}});
    objects.extend(namespaces(&["other"]));
    objects.push(secret("other", "regcred", &json!({}), &auth));
    let found = group(&objects, &Asked::default());
    assert_eq!((found.verdict, found.contents), (Verdict::Adopt, 1), "{found:#?}");
    assert_eq!(found.servers, ["r.example.com"]);
    let source = json!({"labels": {"generate.kyverno.io/clone-source": ""}});
    let mut tied = users("ab");
    let pushed = secret("n1", "regcred", &source, &login("r.example.com", "b"));
    tied.retain(|object| object["kind"] != "Secret" || object["metadata"]["namespace"] != "n1");
    tied.push(pushed);
    let found = group(&tied, &Asked::default());
    assert_eq!(
        (found.verdict, deviating(&found)),
        (Verdict::Adopt, vec!["n0"]),
        "{found:#?}"
    );
}

#[test]
fn secrets_without_a_login_are_named() {
    let mut objects = users("aa");
    objects.extend(namespaces(&["none"]));
    objects.push(secret("none", "regcred", &json!({}), &json!({})));
    let found = group(&objects, &Asked::default());
    assert_eq!(found.verdict, Verdict::Adopt);
    assert_eq!(found.left_alone[0].reason, Reason::NoLogin, "{found:#?}");
    assert_eq!(found.left_alone[0].why, "it holds no login");
}

#[test]
fn the_copy_command_shows_no_value() {
    let found = group(&users("aa"), &Asked::default());
    let command = found.copy_command.expect("a command");
    assert_eq!(
        command,
        "kubectl get secret regcred -n n0 -o go-template='{{index .data \".dockerconfigjson\"}}' | base64 -d | kubectl create \
         secret generic regcred-source -n pullsecrets-system --type=kubernetes.io/dockerconfigjson \
         --from-file=.dockerconfigjson=/dev/stdin"
    );
    assert_eq!(found.source.as_deref(), Some("pullsecrets-system/regcred-source"));
}

#[test]
fn an_object_or_source_in_the_way_stops_it() {
    let mut objects = users("aa");
    objects.push(secret(
        OPERATOR,
        "regcred-source",
        &json!({}),
        &login("r.example.com", "x"),
    ));
    let found = group(&objects, &Asked::default());
    assert_eq!(found.verdict, Verdict::NameTaken, "{found:#?}");
    assert!(
        found
            .why
            .is_some_and(|why| why.contains("pullsecrets-system/regcred-source exists"))
    );

    let mut objects = users("aa");
    objects.push(object(
        &json!([{"server": "r.example.com", "credentials": {"basicAuth": {"secretRef": {"name": "x"}}}}]),
        &["n0"],
    ));
    let found = group(&objects, &Asked::default());
    assert_eq!(found.verdict, Verdict::NameTaken, "{found:#?}");
}

fn object(registries: &Value, names: &[&str]) -> Value {
    json!({"apiVersion": "pullsecrets.dev/v1alpha1", "kind": "ClusterPullSecret",
        "metadata": {"name": "regcred", "uid": "o", "resourceVersion": "1", "creationTimestamp": "2026-03-01T10:00:00Z"},
        "spec": {"registries": registries, "namespaces": {"names": names}, "secret": {"conflictPolicy": "Fail"}}})
}

fn of_adoption(names: &[&str]) -> Value {
    object(
        &json!([{"credentials": {"dockerConfig": {"secretRef": {"name": "regcred-source"}}}}]),
        names,
    )
}

/// A run goes on where another one ended, and ends when no step is left.
#[test]
fn an_interrupted_adoption_goes_on() {
    let mut objects = users("aa");
    let source = secret(OPERATOR, "regcred-source", &json!({}), &login("r.example.com", "a"));
    objects.push(source);
    objects.push(of_adoption(&["n0", "n1"]));
    objects.push(account("n0", "default", &["regcred"]));
    let found = group(&objects, &Asked::default());
    assert_eq!((found.verdict, found.copy_command), (Verdict::Adopt, None));
    let adopted = |namespace: &str, user: &str| {
        let record = json!({"labels": {"pullsecrets.dev/cluster-pull-secret": "regcred"},
            "annotations": {"pullsecrets.dev/adopted": "{\"from\":\"Script\"}"}});
        secret(namespace, "regcred", &record, &login("r.example.com", user))
    };
    objects.extend([adopted("n0", "a"), adopted("n1", "a")]);
    let found = group(&objects, &Asked::default());
    assert_eq!(
        (found.verdict, found.accounts),
        (Verdict::Adopt, vec!["n0/default".to_owned()])
    );
    let mut recorded = account("n0", "default", &["regcred"]);
    recorded["metadata"]["annotations"] = json!({"pullsecrets.dev/attached": "regcred"});
    objects.push(recorded);
    let found = group(&objects, &Asked::default());
    assert_eq!(found.verdict, Verdict::Adopted, "{found:#?}");
    // A namespace that came later is not selected by the object.
    objects.extend(namespaces(&["late"]));
    objects.push(secret("late", "regcred", &json!({}), &login("r.example.com", "a")));
    let found = group(&objects, &Asked::default());
    assert_eq!(found.left_alone[0].reason, Reason::NotAccepted, "{found:#?}");
}

/// With the policy Adopt the operator takes over all that the object selects.
#[test]
fn an_object_that_selects_a_deviating_copy_is_refused() {
    let mut objects = users("aab");
    objects.push(secret(
        OPERATOR,
        "regcred-source",
        &json!({}),
        &login("r.example.com", "a"),
    ));
    objects.push(of_adoption(&["n*"]));
    let found = group(&objects, &Asked::default());
    assert_eq!(found.verdict, Verdict::NameTaken, "{found:#?}");
    assert!(found.why.is_some_and(|why| why.contains("namespace n2")));
}

#[test]
fn a_change_since_the_plan_is_noticed() {
    let seen = seen(&users("aa"));
    let proposal = only(plan(&seen, &Asked::default())).1.expect("a proposal");
    let member = &proposal.members[0];
    let now = |uid: &str, user: &str| {
        let mut now = secret("n0", "regcred", &json!({}), &login("r.example.com", user));
        now["metadata"]["uid"] = uid.into();
        let now = seen.secret_of(&now.to_string()).expect("a Secret");
        write::judged_again(&seen, member, now).map(|member| member.secret.meta.version)
    };
    assert_eq!(now("uid-n0-regcred", "a"), Ok("7".to_owned()));
    assert!(now("uid-n0-regcred", "b").is_err_and(|why| why.contains("content")));
    assert!(now("new", "a").is_err_and(|why| why.contains("created again")));
}

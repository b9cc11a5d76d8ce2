use serde_json::json;

use super::*;

const OWN: &str = "pullsecrets-system";

fn registry(credentials: &serde_json::Value) -> Registry {
    serde_json::from_value(json!({"server": "registry.example.com", "credentials": credentials})).unwrap()
}

fn secret(name: &str, type_: &str, keys: &[&str]) -> SourceSecret {
    let data: BTreeMap<&str, String> = keys.iter().map(|&key| (key, "eHh4".repeat(100_000))).collect();
    let labels: BTreeMap<String, String> = (0..1_000).map(|n| (format!("l{n}"), "v".to_owned())).collect();
    let metadata = json!({"name": name, "resourceVersion": "5", "labels": labels});
    serde_json::from_value(json!({"metadata": metadata, "type": type_, "data": data})).unwrap()
}

const STANDBY: Listing = Listing {
    edition: 9,
    as_leader: false,
};

fn listed(sources: &mut Sources, secrets: Vec<SourceSecret>) {
    listed_by(sources, secrets, STANDBY);
}

fn listed_by(sources: &mut Sources, secrets: Vec<SourceSecret>, listing: Listing) {
    sources.take(OWN, Event::Init, listing);
    for secret in secrets {
        sources.take(OWN, Event::InitApply(secret), listing);
    }
    sources.take(OWN, Event::InitDone, listing);
}

fn kept(sources: &Sources) -> BTreeMap<&str, Vec<&str>> {
    let kept = sources.namespaces[OWN].secrets.iter();
    kept.map(|(name, cached)| (name.as_str(), cached.source.data.keys().map(String::as_str).collect()))
        .collect()
}

#[test]
fn only_the_read_keys_are_kept() {
    let mut sources = Sources::new(OWN, &BTreeSet::new());
    let basic = registry(&json!({"basicAuth": {"secretRef": {"name": "a"}, "passwordKey": "token"}}));
    let docker = registry(&json!({"dockerConfig": {"secretRef": {"name": "b"}}}));
    let named = [(OWN.to_owned(), "a".to_owned()), (OWN.to_owned(), "b".to_owned())].into();
    let read = words(&named, &[basic.clone(), docker], OWN);
    sources.want(&"one".into(), &read, None, false);
    let all = [
        "username",
        "token",
        "password",
        ".dockerconfigjson",
        ".dockercfg",
        "other",
    ];
    listed(
        &mut sources,
        ["a", "b", "c"].map(|name| secret(name, "Opaque", &all)).into(),
    );
    let both: BTreeMap<&str, Vec<&str>> = [
        ("a", vec!["token", "username"]),
        ("b", vec![".dockercfg", ".dockerconfigjson"]),
    ]
    .into();
    assert_eq!(kept(&sources), both);
    let labels = |cached: &Cached| cached.source.labels.iter().count();
    assert!(
        sources.namespaces[OWN]
            .secrets
            .values()
            .all(|cached| labels(cached) == 0)
    );
    sources.take(OWN, Event::Apply(secret("a", "Opaque", &all)), STANDBY);
    assert_eq!(kept(&sources), both);
    let found = |registry: &Registry| {
        let reference = &registry.credentials.basic_auth.as_ref().unwrap().secret_ref;
        sources.find(reference, &registry.credentials, None).is_some()
    };
    assert!(found(&basic));
    let other = registry(&json!({"basicAuth": {"secretRef": {"name": "a"}}}));
    assert!(!found(&other), "that key was not kept when it was listed");
}

/// Of the other keys only names are kept, for messages.
#[test]
fn a_named_key_is_the_only_one_kept() {
    let mut sources = Sources::new(OWN, &BTreeSet::new());
    let config = |key: Option<&str>| registry(&json!({"dockerConfig": {"secretRef": {"name": "a"}, "key": key}}));
    let names = [(OWN.to_owned(), "a".to_owned())].into();
    sources.want(
        &"one".into(),
        &words(&names, &[config(Some("config.json"))], OWN),
        None,
        false,
    );
    let all = [".dockerconfigjson", ".dockercfg", "config.json", "other"];
    listed(&mut sources, vec![secret("a", "Opaque", &all)]);
    assert_eq!(kept(&sources), [("a", vec!["config.json"])].into());
    let found = |registry: &Registry| {
        let reference = &registry.credentials.docker_config.as_ref().unwrap().secret_ref;
        sources.find(reference, &registry.credentials, None)
    };
    let Some(Lookup::Found(source)) = found(&config(Some("config.json"))) else {
        unreachable!("it is listed")
    };
    assert_eq!(
        source.keys.to_string(),
        r#"the secret has ".dockercfg", ".dockerconfigjson", "config.json", "other""#
    );
    assert!(found(&config(None)).is_none(), "its default keys were not kept");
    assert!(found(&config(Some("other"))).is_none(), "that key was not kept");
}

#[test]
fn unread_sources_are_dropped() {
    let mut sources = Sources::new(OWN, &BTreeSet::new());
    let (one, two) = ("one".into(), "two".into());
    let named = [(OWN.to_owned(), "a".to_owned())].into();
    let reads = |key: &str| {
        let credentials = json!({"basicAuth": {"secretRef": {"name": "a"}, "usernameKey": key, "passwordKey": key}});
        words(&named, &[registry(&credentials)], OWN)
    };
    sources.want(&one, &reads("first"), None, false);
    sources.want(&two, &reads("second"), None, false);
    listed(&mut sources, vec![secret("a", "Opaque", &["first", "second"])]);
    assert_eq!(kept(&sources)["a"], ["first", "second"]);
    sources.want(&one, &reads("second"), None, false);
    assert_eq!(kept(&sources)["a"], ["second"]);
    sources.forget(&one);
    sources.forget(&two);
    assert!(kept(&sources).is_empty());
}

#[test]
fn state_of_no_object_is_dropped() {
    let mut sources = Sources::new(OWN, &BTreeSet::new());
    sources.want(&"one".into(), &Words::new(), Some("pullsecrets-state-u"), true);
    let states = ["pullsecrets-state-u", "pullsecrets-state-v"];
    let states = states.map(|name| secret(name, STATE_TYPE, &[last_good::KEY, "other"]));
    listed(&mut sources, states.into());
    assert_eq!(kept(&sources), [("pullsecrets-state-u", vec![last_good::KEY])].into());
}

/// What a standby saw may be older than what the leader before delivered.
#[test]
fn a_leader_counts_only_its_own_lists() {
    let registry = registry(&json!({"basicAuth": {"secretRef": {"name": "a"}}}));
    let reference = registry.credentials.references().next().unwrap();
    let mut sources = Sources::new(OWN, &BTreeSet::new());
    let named = [(OWN.to_owned(), "a".to_owned())].into();
    let words = words(&named, std::slice::from_ref(&registry), OWN);
    sources.want(&"company".into(), &words, None, false);
    let secrets = || vec![secret("a", "Opaque", &["username", "password"])];
    listed(&mut sources, secrets());
    assert!(sources.is_complete() && sources.find(reference, &registry.credentials, None).is_some());
    sources.lead();
    listed(&mut sources, secrets());
    assert!(!sources.is_complete() && !sources.is_listed(OWN));
    assert!(sources.find(reference, &registry.credentials, None).is_none());
    let listing = Listing {
        as_leader: true,
        ..STANDBY
    };
    listed_by(&mut sources, secrets(), listing);
    assert!(sources.is_complete() && sources.find(reference, &registry.credentials, None).is_some());
}

/// What this process saw before it took the object over may be older than what the other installation delivered.
#[test]
fn a_taken_over_object_reads_sources_listed_since() {
    let registry = registry(&json!({"basicAuth": {"secretRef": {"name": "a"}}}));
    let reference = registry.credentials.references().next().unwrap();
    let mut sources = Sources::new(OWN, &BTreeSet::new());
    let named = [(OWN.to_owned(), "a".to_owned())].into();
    let mut words = words(&named, std::slice::from_ref(&registry), OWN);
    sources.want(&"company".into(), &words, None, false);
    let secrets = || vec![secret("a", "Opaque", &["username", "password"])];
    let at = |edition| Listing { edition, ..STANDBY };
    listed_by(&mut sources, secrets(), at(1));
    let takeover = crate::wanted::takeover("company");
    words.get_mut(OWN).unwrap().insert(takeover.clone());
    sources.want(&"company".into(), &words, None, false);
    let find = |sources: &Sources| {
        sources
            .find(reference, &registry.credentials, Some(&takeover))
            .is_some()
    };
    assert!(!find(&sources));
    assert!(
        sources.find(reference, &registry.credentials, None).is_some(),
        "others go on"
    );
    listed_by(&mut sources, secrets(), at(2));
    assert!(find(&sources));
}

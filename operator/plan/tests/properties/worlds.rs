//! Random small clusters.

use crd::names::{LABEL_MANAGED_BY, LABEL_OBJECT};
use plan::object::{Lifecycle, Object};
use plan::observed::{Account, Entry};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use crate::common::server::Server;
use crate::common::{Stored, World, account, copy_of, created, foreign, labelled, object, retained_from};

/// Names of objects, and of Secrets: what the objects call theirs, and one that none has.
const OBJECTS: [&str; 3] = ["one", "two", "three"];
pub(super) const SECRETS: [&str; 5] = ["one", "two", "three", "shared", "theirs"];

const NAMESPACES: [&str; 3] = ["kube-system", "m", "n"];

const ACCOUNTS: [&str; 3] = ["build", "default", "excluded"];

fn an_object(name: &'static str) -> impl Strategy<Value = Object> {
    let spec = (
        select(vec![name, "shared"]),
        select(vec!["Fail", "Adopt"]),
        select(vec!["Delete", "Retain"]),
        select(vec![
            json!({"selectors": [{}]}),
            json!({"names": ["n", "kube-system"]}),
            json!({"selectors": [{"matchLabels": {"pull": "yes"}}]}),
        ]),
        select(vec![
            json!({}),
            json!({"names": ["*"]}),
            json!({"names": ["build"]}),
            json!({"mode": "None"}),
        ]),
        select(vec![
            json!({}),
            json!({"pull-secret.example.com/tier": "gold"}),
            json!({"tier": "gold"}),
        ]),
    );
    let lifecycle = prop_oneof![
        6 => Just(Lifecycle::Active),
        1 => Just(Lifecycle::Restrained),
        1 => Just(Lifecycle::Frozen),
        2 => Just(Lifecycle::Deleting),
    ];
    (spec, lifecycle, 0..3_i64, prop::bool::weighted(0.9)).prop_map(move |(spec, lifecycle, age, resolved)| {
        let (secret, conflicts, deletion, namespaces, accounts, labels) = spec;
        let spec = json!({
            "secret": {"name": secret, "conflictPolicy": conflicts, "labels": labels},
            "deletionPolicy": deletion,
            "namespaces": namespaces,
            "serviceAccounts": accounts,
        });
        let object = created(age, object(name, &spec));
        Object {
            lifecycle,
            payload: object.payload.clone().filter(|_| resolved),
            ..object
        }
    })
}

fn objects() -> impl Strategy<Value = Vec<Object>> {
    let all = (an_object(OBJECTS[0]), an_object(OBJECTS[1]), an_object(OBJECTS[2]));
    (all, subsequence(vec![0, 1, 2], 1..=3))
        .prop_flat_map(|((one, two, three), kept)| {
            let all = [one, two, three];
            Just(kept.into_iter().map(|at| all[at].clone()).collect::<Vec<_>>())
        })
        .prop_shuffle()
}

fn a_secret() -> impl Strategy<Value = Stored> {
    let whose = select(OBJECTS.to_vec());
    let owners = subsequence(OBJECTS.to_vec(), 0..=3);
    let ours = (
        whose.clone(),
        owners,
        select(vec!["one", "two", "edited"]),
        any::<bool>(),
    )
        .prop_map(|(object, owners, held, marked)| {
            let copy = copy_of(object).holding(held).owned_by(&owners).label("theirs", "x");
            if marked {
                copy.label("pull-secret.example.com/tier", "gold")
                    .declaring("pull-secret.example.com/tier")
            } else {
                copy.without_label(LABEL_MANAGED_BY)
            }
        });
    let retained = whose.prop_map(retained_from);
    let any_secret = prop_oneof![3 => Just(foreign()), 4 => ours.clone(), 2 => retained, 2 => ours.prop_map(|copy| {
        copy.without_label(LABEL_OBJECT).applied_by_us()
    })];
    let bend = select(vec![
        std::convert::identity as fn(Stored) -> Stored,
        std::convert::identity,
        std::convert::identity,
        Stored::immutable,
        Stored::of_another_type,
        Stored::controlled,
        Stored::deleting,
    ]);
    (any_secret, bend).prop_map(|(stored, bend)| bend(stored))
}

fn an_account() -> impl Strategy<Value = Account> {
    let mut names = SECRETS.to_vec();
    names.extend(["x", "y", "{}", "one"]);
    let entries = subsequence(names, 0..=4).prop_shuffle();
    let attached = subsequence(SECRETS.to_vec(), 0..=2);
    (entries, attached, prop::bool::weighted(0.1), prop::bool::weighted(0.1)).prop_map(
        |(names, attached, deleting, excluded)| {
            let entry = |name: &&str| match *name {
                "{}" => Entry::raw("", "{}"),
                name => Entry::named(name),
            };
            let seen = Account {
                entries: names.iter().map(entry).collect(),
                deleting,
                ..account(&[], &attached)
            };
            if excluded {
                labelled(crd::names::LABEL_EXCLUDE, "true", seen)
            } else {
                seen
            }
        },
    )
}

/// A namespace: its labels, whether it goes, its Secrets and accounts.
type Place = (bool, bool, Vec<(&'static str, Stored)>, Vec<(&'static str, Account)>);

fn a_place() -> impl Strategy<Value = Place> {
    let secrets = subsequence(SECRETS.to_vec(), 0..=3).prop_flat_map(|names| {
        let each: Vec<_> = names.into_iter().map(|name| (Just(name), a_secret())).collect();
        each
    });
    let accounts = subsequence(ACCOUNTS.to_vec(), 0..=3).prop_flat_map(|names| {
        let each: Vec<_> = names.into_iter().map(|name| (Just(name), an_account())).collect();
        each
    });
    (any::<bool>(), prop::bool::weighted(0.15), secrets, accounts)
}

pub(super) fn world() -> impl Strategy<Value = World> {
    let places = prop::collection::vec(a_place(), 1..=NAMESPACES.len());
    (objects(), places).prop_map(|(objects, places)| {
        let mut world = World::of(objects);
        for (name, (labelled, goes, secrets, accounts)) in NAMESPACES.into_iter().rev().zip(places) {
            let labels: &[(&str, &str)] = if labelled { &[("pull", "yes")] } else { &[] };
            world = world.namespace(name, labels);
            if goes {
                world = world.terminating(name);
            }
            for (secret, stored) in secrets {
                world = world.secret(&format!("{name}/{secret}"), stored);
            }
            for (account, seen) in accounts {
                world = world.account(&format!("{name}/{account}"), seen);
            }
        }
        world
    })
}

/// A server with such a world on it; the flag says that another tool wrote all of it.
pub(super) fn server() -> impl Strategy<Value = Server> {
    any::<bool>().prop_flat_map(|restored| world().prop_map(move |world| Server::new(world, restored)))
}

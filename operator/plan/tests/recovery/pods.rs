//! What a Pod waits for, and whether its account and the copy are ready for a successor.

use plan::object::Lifecycle;
use plan::observed::{ControllerKind, Pod};
use plan::recovery::{Cause, Verdict};
use serde_json::json;

use super::common::{World, account, bare, object, with_lifecycle};
use super::{IMAGE, controller, copy, listing, pod, serving, verdict, waiting, world};

const NONE: Option<Verdict> = None;
const REPLACE: Option<Verdict> = Some(Verdict::Replace);
const LATER: Option<Verdict> = Some(Verdict::Later);

fn check<const N: usize>(rows: [(&str, World, Pod, Option<Verdict>); N]) {
    for (sentence, world, pod, expected) in rows {
        let seen = verdict(&world, &pod).map(|(verdict, _)| verdict);
        assert_eq!(seen, expected, "{sentence}");
    }
}

#[test]
fn a_pod_is_replaced_for_an_image_of_an_object() {
    check([
        ("older than the reference", world(), pod(), REPLACE),
        (
            "of another server",
            world(),
            waiting(&["other.example.com/app"], pod()),
            NONE,
        ),
        ("one of two images", world(), waiting(&["nginx", IMAGE], pod()), REPLACE),
        ("for no image", world(), waiting(&[], pod()), NONE),
        ("of no registry", world(), waiting(&["R example"], pod()), NONE),
        (
            "with the reference: it heals by itself",
            world(),
            listing(&["company"], pod()),
            NONE,
        ),
        (
            "being deleted",
            world(),
            Pod {
                deleting: true,
                ..pod()
            },
            NONE,
        ),
        ("in a namespace that goes", world().terminating("n"), pod(), NONE),
        (
            "with an unknown account",
            world(),
            Pod {
                account: "x".into(),
                ..pod()
            },
            NONE,
        ),
    ]);
}

#[test]
fn a_pod_waits_until_reference_and_copy_are_in_place() {
    let with = |account| world().account("n/default", account);
    let of_copy = |stored| world().secret("n/company", stored);
    let servers = ["r.example.com"];
    let lifecycle = |lifecycle| world().replacing(vec![with_lifecycle(lifecycle, serving("company", &servers))]);
    check([
        ("no reference yet", with(bare()), pod(), LATER),
        (
            "no copy yet",
            World::of([serving("company", &servers)]).account("n/default", account(&["company"], &["company"])),
            pod(),
            LATER,
        ),
        (
            "an old login",
            of_copy(copy("company", &["old.example.com"])),
            pod(),
            LATER,
        ),
        (
            "a copy that goes",
            of_copy(copy("company", &servers).deleting()),
            pod(),
            LATER,
        ),
        (
            "a squatter",
            of_copy(super::common::foreign().holding("x")),
            pod(),
            LATER,
        ),
        ("suspended", lifecycle(Lifecycle::Frozen), pod(), LATER),
        ("policies lost", lifecycle(Lifecycle::Restrained), pod(), LATER),
        ("being deleted", lifecycle(Lifecycle::Deleting), pod(), NONE),
    ]);
}

#[test]
fn only_selected_accounts_count() {
    let none = world().replacing(vec![plan::object::Object {
        payload: serving("company", &["r.example.com"]).payload,
        ..object("company", &json!({"serviceAccounts": {"mode": "None"}}))
    }]);
    let other = world().account("n/build", bare());
    check([
        ("no account is asked for", none, pod(), NONE),
        (
            "another account",
            other,
            Pod {
                account: "build".into(),
                ..pod()
            },
            NONE,
        ),
    ]);
}

#[test]
fn a_pod_without_known_controller_is_left() {
    let of = |controller| Pod { controller, ..pod() };
    check([
        ("bare", world(), of(None), Some(Verdict::Leave(Cause::NoController))),
        (
            "another kind",
            world(),
            of(Some(controller(ControllerKind::Other))),
            Some(Verdict::Leave(Cause::OtherController)),
        ),
        (
            "StatefulSet",
            world(),
            of(Some(controller(ControllerKind::StatefulSet))),
            REPLACE,
        ),
        (
            "DaemonSet",
            world(),
            of(Some(controller(ControllerKind::DaemonSet))),
            REPLACE,
        ),
        (
            "ReplicationController",
            world(),
            of(Some(controller(ControllerKind::ReplicationController))),
            REPLACE,
        ),
        (
            "Job, to be read",
            world(),
            of(Some(controller(ControllerKind::Job))),
            REPLACE,
        ),
    ]);
}

/// A reference that the Pod has may serve the image as soon as its login is right.
#[test]
fn a_pod_with_another_reference_for_the_image_heals() {
    let both = || {
        World::of([
            serving("company", &["r.example.com"]),
            serving("base", &["r.example.com", "b.example.com"]),
        ])
        .secret("n/company", copy("company", &["r.example.com"]))
        .secret("n/base", copy("base", &["r.example.com", "b.example.com"]))
        .account("n/default", account(&["base", "company"], &["base", "company"]))
    };
    check([
        ("the other serves it too", both(), listing(&["base"], pod()), NONE),
        (
            "the other does not",
            both(),
            waiting(&["b.example.com/x"], listing(&["company"], pod())),
            REPLACE,
        ),
        ("it has both", both(), listing(&["base", "company"], pod()), NONE),
        ("it has none", both(), pod(), REPLACE),
    ]);
    let (_, objects) = verdict(&both(), &waiting(&["b.example.com/x"], pod())).expect("a verdict");
    assert_eq!(objects, ["base".into()]);
}

//! Lists that a successor would have again.

use plan::observed::{Account, Entry, Pod};
use plan::recovery::{Cause, Verdict};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::common::account;
use super::{listing, pod, verdict, world};

fn is_replaced(account: Account, pod: &Pod) -> bool {
    let found = verdict(&world().account("n/default", account), pod).map(|(verdict, _)| verdict);
    let replaced = found == Some(Verdict::Replace);
    assert!(replaced || found == Some(Verdict::Leave(Cause::OwnList)), "{found:?}");
    replaced
}

/// Each row: the account's list, its record, the Pod's list, and whether it is replaced.
#[test]
fn a_list_of_its_own_masks_a_pod() {
    type Row<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str], bool);
    let rows: [Row<'_>; 12] = [
        (&["company"], &["company"], &[], true),
        (&["company"], &["company"], &["theirs"], false),
        (&["company"], &["company"], &[""], false),
        (&["a", "b", "company"], &["company"], &["a", "b"], true),
        (&["a", "b", "company"], &["company"], &["b", "a"], false),
        (&["a", "b", "company"], &["company"], &["a"], false),
        (&["a", "b", "company"], &["company"], &["a", "b", "c"], false),
        (&["a", "b", "company"], &["company"], &[], true),
        (&["a", "base", "company"], &["base", "company"], &["a", "base"], true),
        (&["a", "base", "company"], &["base", "company"], &["base"], false),
        (&["base", "a", "company"], &["base", "company"], &["a"], true),
        // A reference that the operator found is not its own.
        (&["base", "company"], &["company"], &[], true),
    ];
    for (entries, recorded, listed, expected) in rows {
        let seen = is_replaced(account(entries, recorded), &listing(listed, pod()));
        assert_eq!(seen, expected, "{entries:?} {recorded:?} {listed:?}");
    }
}

#[test]
fn an_unreadable_list_is_its_own() {
    let unread = Pod {
        pull_secrets: None,
        ..pod()
    };
    assert!(!is_replaced(account(&["company"], &["company"]), &unread));
    let names: Vec<String> = (0..60).map(|at| format!("a-long-name-of-a-secret-{at}")).collect();
    let mut long = account(&["company"], &["company"]);
    long.entries = names
        .iter()
        .map(|name| Entry::named(name))
        .chain(long.entries.iter().cloned())
        .collect();
    long.compact(|name| name == "company");
    assert!(long.hidden.is_some() && !is_replaced(long, &pod()));
    let large = Account {
        too_large: true,
        ..account(&["company"], &["company"])
    };
    assert!(!is_replaced(large, &pod()));
}

const NAMES: [&str; 5] = ["a", "b", "base", "company", ""];

proptest! {
    /// A Pod that was admitted at some time, while the operator only added to the account, is replaced. A Pod with any
    /// other list is not.
    #[test]
    fn only_lists_from_admission_are_replaced(
        theirs in subsequence(vec!["a", "b", ""], 0..=3),
        ours in subsequence(vec!["base", "x", "y"], 0..=3),
        had in 0_usize..=3,
        listed in prop::collection::vec(select(&NAMES[..]), 0..4),
    ) {
        let recorded: Vec<&str> = ours.iter().copied().chain(["company"]).collect();
        let entries: Vec<&str> = theirs.iter().copied().chain(recorded.iter().copied()).collect();
        let then: Vec<&str> = theirs.iter().chain(ours.iter().take(had)).copied().collect();
        let account = account(&entries, &recorded);
        prop_assert!(is_replaced(account.clone(), &listing(&then, pod())));

        // The same question, asked another way: does the list remain when some of ours are struck out?
        if !listed.contains(&"company") {
            let remains = |mask: u32| {
                let struck = |name: &&str| recorded.iter().position(|one| one == name).is_some_and(|at| mask & (1 << at) != 0);
                entries.iter().filter(|name| !struck(name)).copied().collect::<Vec<_>>() == listed
            };
            let expected = listed.is_empty() || (0..16).any(remains);
            prop_assert_eq!(is_replaced(account, &listing(&listed, pod())), expected, "{:?} {:?}", entries, listed);
        }
    }
}

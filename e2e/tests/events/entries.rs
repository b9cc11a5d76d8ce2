//! Entries on accounts and their records: removed, claimed or restored by others.

use std::time::{Duration, Instant};

use e2e::oracle::ATTACHED;
use e2e::scenario::SOON;
use e2e::wait::eventually;
use serde_json::json;

use crate::events::env::Entries;
use crate::events::row::rows;

/// A party that restores the reference keeps the credential no longer than this, plus the time of a busy machine.
const REFERENCES_FIRST: Duration = Duration::from_secs(10 + 10);

rows! {
    an_entry_that_is_removed_is_put_back {
        given |it| { it.served(&["a"]).await; }
        when |it| { it.patch_account("a", "default", json!({"imagePullSecrets": [{"name": "theirs"}]})).await; }
        then |it| {
            it.holds(&["a"]).await;
            it.account_becomes("a", "default", |seen: &Entries| seen.are(&["theirs", it.name()])).await;
        }
        writes (0, 1, 0)
    }

    /// A list that another tool replaces keeps its entries and gets the operator's again.
    replaced_list_gets_our_entry_again {
        given |it| { it.served(&["a"]).await; }
        when others |it| {
            let entries = json!([{"name": "another"}, {"name": "theirs"}, {"name": "third"}]);
            it.patch_account("a", "default", json!({"imagePullSecrets": entries})).await;
        }
        then |it| {
            it.holds(&["a"]).await;
            let all = ["another", "theirs", "third", it.name()];
            it.account_becomes("a", "default", |seen: &Entries| seen.are(&all)).await;
        }
        writes (0, 1, 0)
    }

    /// An entry that is removed with its record is restored with it.
    entry_and_record_are_restored_together {
        given |it| { it.served(&["a"]).await; }
        when |it| {
            let bare = json!({"imagePullSecrets": [{"name": "theirs"}], "metadata": {"annotations": {ATTACHED: null}}});
            it.patch_account("a", "default", bare).await;
        }
        then |it| { it.holds(&["a"]).await; }
        writes (0, 1, 0)
    }

    /// A record that another writer removes is restored.
    record_removed_by_others_is_restored {
        given |it| { it.served(&["a"]).await; }
        when |it| { it.patch_account("a", "default", json!({"metadata": {"annotations": {ATTACHED: null}}})).await; }
        then |it| {
            it.holds(&["a"]).await;
            let restored = |seen: &Entries| seen.recorded.as_deref() == Some(it.name());
            it.account_becomes("a", "default", restored).await;
        }
        writes (0, 1, 0)
        only up "another writer owns the list since, and without it no proof is left"
    }

    /// An entry whose record is removed leaves with the namespace.
    unrecorded_entry_goes_with_the_namespace {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| {
            it.patch_account("b", "default", json!({"metadata": {"annotations": {ATTACHED: null}}})).await;
            it.labels_out("b").await;
        }
        then |it| {
            it.copies_are_in(&["a"]).await;
            it.account_becomes("b", "default", |seen: &Entries| seen.are(&["theirs"])).await;
        }
        writes (1, 2, 0)
        only up "another writer owns the list since, and without it no proof is left"
    }

    /// A record that claims foreign entries does not remove them.
    forged_record_removes_no_foreign_entry {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| {
            let claim = format!("theirs,{}", it.name());
            it.patch_account("b", "default", json!({"metadata": {"annotations": {ATTACHED: claim}}})).await;
            it.labels_out("b").await;
        }
        then |it| {
            it.holds(&["a"]).await;
            it.account_becomes("b", "default", |seen: &Entries| seen.are(&["theirs"])).await;
        }
        writes (1, 1, 0)
    }

    /// An entry that is removed repeatedly is reported and restored more slowly.
    contended_entry_is_reported_and_backs_off {
        given |it| { it.served(&["a"]).await; }
        when |it| {
            eventually("the fight is reported", SOON, async || {
                it.patch_account("a", "default", json!({"imagePullSecrets": [{"name": "theirs"}]})).await;
                match it.scenario().condition("ServiceAccountsSynced").await {
                    Some(seen) if seen.reason == "Contended" => Ok(()),
                    seen => Err(format!("{seen:?}")),
                }
            })
            .await;
        }
        then |it| { it.holds(&["a"]).await; }
        // Three at once, then after one, two and four seconds.
        writes (0, 6, 0)
        only up "while no operator restores it, repeated removals are one removal"
    }

    /// An entry that was there before the operator is used and not recorded.
    earlier_entry_is_used_and_not_recorded {
        given |it| {
            it.scenario().unselected_namespaces(&["b"]).await;
            it.merge_entries(&it.namespace("b"), &json!([{"name": it.name()}])).await;
            it.declared(&["a"], json!({})).await;
            it.copies_are_in(&["a"]).await;
        }
        when |it| { it.labels_in("b").await; }
        then |it| {
            it.copies_are_in(&["a", "b"]).await;
            let theirs = |seen: &Entries| {
                seen.names.iter().filter(|name| *name == it.name()).count() == 1 && seen.recorded.is_none()
            };
            it.account_becomes("b", "default", theirs).await;
            it.tells_accounts(2, 2).await;
            it.scenario().says("Ready", "True", "Synced").await;
        }
        writes (1, 0, 0)
    }

    /// An entry that was there before the operator stays when the copy goes.
    earlier_entry_stays_when_copy_goes {
        given |it| {
            it.scenario().unselected_namespaces(&["b"]).await;
            it.merge_entries(&it.namespace("b"), &json!([{"name": it.name()}])).await;
            it.labels_in("b").await;
            it.declared(&["a"], json!({})).await;
            it.copies_are_in(&["a", "b"]).await;
        }
        when |it| { it.labels_out("b").await; }
        then |it| {
            it.copies_are_in(&["a"]).await;
            let theirs = |seen: &Entries| seen.names.iter().any(|name| name == it.name()) && seen.recorded.is_none();
            it.account_becomes("b", "default", theirs).await;
        }
        writes (1, 0, 0)
    }

    /// A tool that keeps putting the operator's entry back after deselection does not keep the copy.
    restored_entry_does_not_keep_the_copy {
        given |it| { it.served(&["a", "b"]).await; }
        when |it| {
            it.note(serde_json::to_string(&it.account("b", "default").await).unwrap());
            it.labels_out("b").await;
        }
        then |it| {
            let before = serde_json::from_str(&it.noted()).unwrap();
            let begun = Instant::now();
            eventually("the copy goes", REFERENCES_FIRST, async || {
                it.puts_back("b", &before).await;
                let copy = it.secrets("b").get_opt(it.name()).await.map_err(|error| error.to_string())?;
                copy.map_or(Ok(()), |_| Err(format!("it is there after {:?}", begun.elapsed())))
            })
            .await;
            it.holds(&["a"]).await;
        }
        // The operator removes the reference three times at once, then after one, two, four and eight seconds. A few
        // removals lose a race against the other writer.
        writes (1, 12, 0)
    }
}

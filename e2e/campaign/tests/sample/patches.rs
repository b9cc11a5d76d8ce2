//! The bugs of `e2e/bugs` stay seedable.

use campaign::bugs;
use campaign::workload;

#[test]
fn each_seeded_bug_still_applies_and_says_what_is_to_show_it() {
    let all = bugs::all().unwrap();
    assert!(all.len() >= 31, "{}", all.len());
    for bug in all {
        bug.apply(&e2e::workspace(), true).unwrap();
        for attempt in bug.tries {
            assert!(workload::ALL.contains(&attempt.workload.as_str()), "{}", bug.name);
        }
    }
}

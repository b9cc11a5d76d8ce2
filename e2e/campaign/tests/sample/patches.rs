//! The bugs of `e2e/bugs` stay seedable.

use campaign::bugs;
use campaign::workload;

/// Each seeded bug still applies to the tree and names the plans that should show it.
#[test]
fn each_seeded_bug_applies_and_names_its_plans() {
    let all = bugs::all().unwrap();
    assert!(all.len() >= 31, "{}", all.len());
    for bug in all {
        bug.apply(&e2e::workspace(), true).unwrap();
        for attempt in bug.tries {
            assert!(workload::ALL.contains(&attempt.workload.as_str()), "{}", bug.name);
        }
    }
}

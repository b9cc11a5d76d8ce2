//! Limits on how processes end, and on the number of writes.

use tokio::time::Instant;

use crate::supervisor::Ends;
use crate::verdict::{Oracle, Wrong};
use e2e::faults::plan::Fault;
use e2e::faults::proxy::Record;

/// This many writes more than a clean run count as a loop; each second of an outage allows as many again.
const WRITES_TOO_MANY: u64 = 40;

/// If another writer undoes a write for four seconds, the operator restores it three times at once, and then backs off.
const RESTORES_TOO_MANY: usize = 8;

/// Checks that the processes ended only in allowed ways.
pub(super) fn process(ends: &Ends, fault: Option<Fault>) -> Result<(), Wrong> {
    let allowed = fault.map_or(0, Fault::ends_allowed);
    let asked = u32::from(fault == Some(Fault::HandOver));
    let wrong = |what: String| Err(Wrong::new(Oracle::Ended, what));
    if ends.not_alive > 0 {
        return wrong("it says that it does not live".to_owned());
    }
    if ends.by_itself.len() > allowed {
        return wrong(format!("it ended by itself: {:?}", ends.by_itself));
    }
    if ends.asked > asked {
        return wrong("it ended with success without SIGTERM".to_owned());
    }
    Ok(())
}

/// Checks that the number of writes is near the minimum.
pub(super) fn economy(record: &Record, writes: u64, begun: Instant) -> Result<(), Wrong> {
    let seen = u64::try_from(record.seen.len()).unwrap_or_default();
    let disturbed = record
        .lasts_until
        .map_or(0, |until| until.saturating_duration_since(begun).as_secs());
    if writes > WRITES_TOO_MANY * (1 + disturbed) + seen {
        return Err(Wrong::new(Oracle::Loop, format!("{writes} writes")));
    }
    if record.undone > RESTORES_TOO_MANY {
        return Err(Wrong::new(
            Oracle::Loop,
            format!("{} restores in four seconds", record.undone),
        ));
    }
    Ok(())
}

//! Measurements through a relay: bytes on the wire, and a distant server.

use std::time::Duration;

use crate::env::{ACCOUNTS, Env};
use crate::figures::count;
use crate::phase::{Outcome, Work};
use crate::progress::Progress;
use crate::requests::Order;
use crate::rounds;
use crate::table::{Row, Table};

/// Delay of each response.
const FAR: Duration = Duration::from_millis(100);

/// The operator's number of concurrent writes.
const CONNECTIONS: usize = 32;

pub(crate) const STEPS: u64 = 4;

pub(crate) async fn run(env: &mut Env, progress: &Progress, table: &mut Table) -> anyhow::Result<()> {
    let accounts = &ACCOUNTS[..1];
    env.go_through_a_wire(Duration::ZERO).await?;
    progress.step("bytes on the wire: operator");
    let ours = rounds::operator(env, accounts).await?;
    progress.step("bytes on the wire: limit loop");
    let limit = rounds::limit_loop(env, accounts, [CONNECTIONS; 3], Order::ByKind).await?;
    for ((work, ours), limit) in Work::ALL.into_iter().zip(ours).zip(limit) {
        bytes(env.size, work, &ours, &limit, table);
    }
    env.go_through_a_wire(FAR).await?;
    progress.step("a server that takes 100 ms longer: operator");
    let ours = rounds::operator(env, accounts).await?;
    progress.step("a server that takes 100 ms longer: limit loop");
    let limit = rounds::limit_loop(env, accounts, [CONNECTIONS; 3], Order::ByKind).await?;
    for ((work, ours), limit) in Work::ALL.into_iter().zip(ours).zip(limit) {
        let what = format!("{work:?}, a server that takes 100 ms longer: time").to_lowercase();
        let row = Row::single(env.size, what, "s", ours.seconds);
        table.push(row.beside(limit.seconds).target("1.25 times"));
    }
    env.wire = None;
    Ok(())
}

/// Reports the bytes of a whole task per namespace, with finalizer, state and status.
fn bytes(size: usize, work: Work, ours: &Outcome, limit: &Outcome, table: &mut Table) {
    for (index, way) in ["sent", "received"].into_iter().enumerate() {
        let each = |outcome: &Outcome| count(usize::try_from(outcome.bytes[index]).unwrap_or(usize::MAX) / size);
        let what = format!("{work:?}, 1 account: bytes {way} for each namespace").to_lowercase();
        table.push(Row::single(size, what, "", each(ours)).beside(each(limit)));
    }
}

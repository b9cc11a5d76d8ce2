//! Random calls.

use super::*;

/// In any order of calls, the queue loses no key and hands none out twice at a time.
#[tokio::test(start_paused = true)]
async fn nothing_is_lost_in_any_order_of_calls() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed);
    let mut queue = Queue::with_slots(8, 4);
    let mut out: Vec<u32> = Vec::new();
    let mut owed: std::collections::HashSet<u32> = std::collections::HashSet::new();
    for _ in 0..20_000 {
        let key = rand::Rng::random_range(&mut random, 0..12_u32);
        let lane = [Lane::Fresh, Lane::Bulk, Lane::Retry][rand::Rng::random_range(&mut random, 0..3)];
        let now = Instant::now();
        match rand::Rng::random_range(&mut random, 0..6_u32) {
            0 | 1 => {
                queue.push(key, lane);
                owed.insert(key);
            }
            2 => {
                queue.push_at(key, lane, now + Duration::from_millis(u64::from(key) * 50));
                owed.insert(key);
            }
            3 | 4 => {
                if let Some(key) = queue.pop(now) {
                    assert!(!out.contains(&key), "{key} is out twice");
                    out.push(key);
                    owed.remove(&key);
                }
            }
            _ if !out.is_empty() => queue.done(&out.swap_remove(0), now),
            _ => tokio::time::advance(Duration::from_millis(10)).await,
        }
        let count = |is: &dyn Fn(&KeyState) -> bool| queue.keys.values().filter(|state| is(state)).count();
        let waits =
            |lane| count(&|state| *state == KeyState::Waiting(lane)) + count(&|state| *state == KeyState::Parked(lane));
        let depth = Depth {
            fresh: waits(Lane::Fresh),
            bulk: waits(Lane::Bulk),
            delayed: waits(Lane::Retry) + count(&|state| matches!(state, KeyState::Delayed(..))),
        };
        assert_eq!(queue.depth(), depth);
        let of = |group| out.iter().filter(|key| key.group() == group).count();
        assert!(
            (0..3).all(|group| of(group) <= 2),
            "a group has more than its quarter: {out:?}"
        );
    }
    for key in out.drain(..) {
        queue.done(&key, Instant::now());
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    while let Some(at) = queue.next_at(Instant::now()) {
        tokio::time::sleep_until(at).await;
        if let Some(key) = queue.pop(Instant::now()) {
            owed.remove(&key);
            queue.done(&key, Instant::now());
        }
    }
    assert!(owed.is_empty(), "forgotten: {owed:?}");
    assert!(queue.is_empty());
}

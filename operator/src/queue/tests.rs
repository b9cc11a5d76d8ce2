//! Tests of the queue: lanes and delays here, shares of the slots and random calls in files of their own.

use std::time::Duration;

use super::lanes::FRESH_FOR;
use super::*;

mod random;
mod shares;

/// The part of a key before the slash is its group.
impl Grouped for &'static str {
    type Group = &'static str;
    fn group(&self) -> &'static str {
        self.split('/').next().unwrap_or_default()
    }
}

impl Grouped for u32 {
    type Group = u32;
    fn group(&self) -> u32 {
        self % 3
    }
}

fn drain(queue: &mut Queue<&'static str>, now: Instant) -> Vec<&'static str> {
    std::iter::from_fn(|| queue.pop(now)).collect()
}

#[tokio::test(start_paused = true)]
async fn fresh_keys_go_before_bulk_keys() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for key in ["b1", "b2", "b3"] {
        queue.push(key, Lane::Bulk);
    }
    queue.push("f1", Lane::Fresh);
    queue.push("b3", Lane::Fresh);
    assert_eq!(drain(&mut queue, now), ["f1", "b3", "b1", "b2"]);
    assert_eq!(queue.next_at(now), None);
}

#[tokio::test(start_paused = true)]
async fn fresh_keys_limit_bulk_keys_in_flight() {
    let (mut queue, now) = (Queue::with_slots(100, 2), Instant::now());
    for key in ["b1", "b2", "b3", "b4", "b5", "b6"] {
        queue.push(key, Lane::Bulk);
    }
    let first: Vec<_> = (0..3).filter_map(|_| queue.pop(now)).collect();
    assert_eq!(
        first,
        ["b1", "b2", "b3"],
        "without a fresh key, as many as are asked for"
    );
    queue.push("f", Lane::Fresh);
    assert_eq!(drain(&mut queue, now), ["f"]);
    assert_eq!(queue.next_at(now), None, "it waits for the end of another");
    queue.done(&"b1", Instant::now());
    assert_eq!(drain(&mut queue, now), [""; 0]);
    queue.done(&"b2", Instant::now());
    assert_eq!(queue.next_at(now), Some(now));
    assert_eq!(drain(&mut queue, now), ["b4"]);
    tokio::time::advance(FRESH_FOR).await;
    assert_eq!(drain(&mut queue, Instant::now()), ["b5", "b6"]);
}

#[tokio::test(start_paused = true)]
async fn no_key_is_in_flight_twice_or_lost() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.push("a", Lane::Fresh);
    queue.push("a", Lane::Fresh);
    assert_eq!(drain(&mut queue, now), ["a"]);
    queue.push("a", Lane::Bulk);
    assert_eq!(queue.pop(now), None, "it is in flight");
    queue.done(&"a", Instant::now());
    assert_eq!(drain(&mut queue, now), ["a"]);
    queue.done(&"a", Instant::now());
    assert!(queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_immediate_push_overrides_a_delay() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let later = now + Duration::from_secs(10);
    queue.push_at("a", Lane::Fresh, later);
    queue.push_at("a", Lane::Fresh, later + Duration::from_secs(10));
    assert_eq!(queue.next_at(now), Some(later));
    assert_eq!(queue.pop(now), None);
    tokio::time::sleep_until(later).await;
    assert_eq!(queue.pop(Instant::now()), Some("a"));
    queue.push_at("a", Lane::Fresh, later + Duration::from_secs(5));
    queue.push("a", Lane::Fresh);
    queue.push_at("a", Lane::Fresh, later + Duration::from_secs(5));
    queue.done(&"a", Instant::now());
    assert_eq!(
        queue.pop(Instant::now()),
        Some("a"),
        "a push at once is not put off by a later delay"
    );
    queue.push_at("a", Lane::Fresh, later + Duration::from_secs(5));
    queue.done(&"a", Instant::now());
    assert_eq!(queue.next_at(Instant::now()), Some(later + Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_everything_back_and_ends() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let end = now + Duration::from_secs(2);
    queue.push("a", Lane::Fresh);
    queue.pause(end);
    queue.pause(now + Duration::from_secs(1));
    assert_eq!(queue.pop(now), None);
    assert_eq!(queue.next_at(now), Some(end));
    tokio::time::sleep_until(end).await;
    assert_eq!(queue.pop(Instant::now()), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn retries_are_paced_and_groups_take_turns() {
    let mut queue = Queue::with_slots(400, 8);
    for key in ["a/1", "a/2", "a/3", "b/1"] {
        queue.push(key, Lane::Retry);
    }
    queue.push("f", Lane::Fresh);
    let begun = Instant::now();
    let mut order = Vec::new();
    while let Some(at) = queue.next_at(Instant::now()) {
        tokio::time::sleep_until(at).await;
        order.extend(queue.pop(Instant::now()));
    }
    assert_eq!(order, ["a/1", "f", "b/1", "a/2", "a/3"]);
    assert!(
        begun.elapsed() >= 3 * Duration::from_secs(1) / RETRIES,
        "{:?}",
        begun.elapsed()
    );
}

//! Shares of the slots.

use super::*;

#[tokio::test(start_paused = true)]
async fn one_group_has_a_quarter_of_the_slots() {
    let (mut queue, now) = (Queue::with_slots(8, 4), Instant::now());
    for key in ["a/1", "a/2", "a/3", "a/4", "b/1"] {
        queue.push(key, Lane::Fresh);
    }
    assert_eq!(drain(&mut queue, now), ["a/1", "a/2", "b/1"]);
    assert_eq!(queue.next_at(now), None, "the others wait for one of theirs");
    assert_eq!(queue.depth().fresh, 2);
    queue.push("c/1", Lane::Fresh);
    queue.done(&"a/2", now);
    assert_eq!(drain(&mut queue, now), ["a/3", "c/1"]);
    queue.done(&"a/1", now);
    queue.done(&"a/3", now);
    assert_eq!(drain(&mut queue, now), ["a/4"]);
}

#[tokio::test(start_paused = true)]
async fn every_slot_is_used_while_nothing_is_slow() {
    let (mut queue, now) = (Queue::with_slots(4, 4), Instant::now());
    for key in ["a/1", "b/1", "c/1", "d/1", "e/1"] {
        queue.push(key, Lane::Bulk);
    }
    assert_eq!(drain(&mut queue, now), ["a/1", "b/1", "c/1", "d/1"]);
    assert_eq!(queue.give_up(now), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn slow_writes_beyond_half_are_given_up() {
    let mut queue = Queue::with_slots(4, 4);
    for key in ["a/1", "b/1", "c/1", "d/1"] {
        queue.push(key, Lane::Fresh);
    }
    assert_eq!(drain(&mut queue, Instant::now()).len(), 4);
    tokio::time::advance(SLOW).await;
    let now = Instant::now();
    assert_eq!(queue.give_up(now), [""; 0], "nobody waits");
    queue.push("new/1", Lane::Fresh);
    queue.push("a/2", Lane::Fresh);
    queue.push("b/2", Lane::Fresh);
    assert_eq!(queue.give_up(now), ["d/1", "c/1"], "the youngest");
    assert_eq!(queue.give_up(now), [""; 0], "each is told once");
    for key in ["c/1", "d/1"] {
        queue.push(key, Lane::Fresh);
        queue.done(&key, now);
    }
    assert_eq!(drain(&mut queue, now), ["new/1"], "what was slow waits for its half");
    queue.push("other/1", Lane::Fresh);
    assert_eq!(drain(&mut queue, now), ["other/1"]);
    queue.done(&"a/1", now);
    assert_eq!(drain(&mut queue, now), ["a/2"]);
    queue.done(&"new/1", now);
    queue.done(&"other/1", now);
    tokio::time::advance(SUSPECT).await;
    let now = Instant::now();
    queue.done(&"a/2", now);
    queue.done(&"b/1", now);
    tokio::time::advance(SUSPECT).await;
    assert_eq!(
        drain(&mut queue, Instant::now()),
        ["b/2", "c/1", "d/1"],
        "it is forgiven"
    );
}

#[tokio::test(start_paused = true)]
async fn slow_writes_limit_bulk_keys_in_flight() {
    let mut queue = Queue::with_slots(16, 8);
    queue.push("slow/1", Lane::Fresh);
    assert_eq!(drain(&mut queue, Instant::now()), ["slow/1"]);
    tokio::time::advance(SLOW).await;
    let now = Instant::now();
    assert_eq!(queue.give_up(now), [""; 0]);
    for key in ["a", "b", "c", "d", "e", "f"] {
        queue.push(key, Lane::Bulk);
    }
    assert_eq!(drain(&mut queue, now).len(), 4);
    queue.push("new", Lane::Fresh);
    assert_eq!(drain(&mut queue, now), ["new"]);
}

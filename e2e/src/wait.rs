//! Waits for conditions, never for a length of time.

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::Instant;

/// Time between the first attempts. It is short compared with the wait, and long compared with an attempt.
const PAUSE: Duration = Duration::from_millis(20);

/// Time between the last attempts of a long wait. Many tests wait at a time, and their looks cost what they wait for.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Returns the time until the next attempt: a twentieth of the wait so far, so that a look comes late by that at most.
fn pause_after(waited: Duration) -> Duration {
    (waited / 20).clamp(PAUSE, LONGEST_PAUSE)
}

/// Repeats `attempt` until it succeeds, and returns its value.
///
/// # Errors
///
/// After `deadline`: `what`, and the reason of the last attempt. An attempt that hangs is cut off at the deadline.
pub async fn until<T>(
    what: &str,
    deadline: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, String>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    let end = began + deadline;
    let mut reason = String::from("the first look did not come back");
    loop {
        match tokio::time::timeout_at(end, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => reason = seen,
            Err(_) => {}
        }
        let pause = pause_after(began.elapsed());
        if Instant::now() + pause >= end {
            bail!("not within {deadline:?}: {what}\n  last seen: {reason}");
        }
        tokio::time::sleep(pause).await;
    }
}

/// As [`until`], for tests.
///
/// # Panics
///
/// After `deadline`, with `what` and the reason of the last attempt.
#[expect(clippy::panic, reason = "a promise that does not come true fails the test")]
pub async fn eventually<T>(what: &str, deadline: Duration, attempt: impl AsyncFnMut() -> Result<T, String>) -> T {
    match until(what, deadline, attempt).await {
        Ok(value) => value,
        Err(reason) => panic!("{reason:#}"),
    }
}

/// Checks for `length` that a change does not happen. This is the only wait for a length of time.
///
/// # Panics
///
/// As soon as `look` finds a change, with `what` and the change.
#[expect(clippy::panic, reason = "a promise that does not hold fails the test")]
pub async fn quiet(what: &str, length: Duration, mut look: impl AsyncFnMut() -> Result<(), String>) {
    let end = Instant::now() + length;
    loop {
        if let Err(seen) = look().await {
            panic!("{what}, and yet: {seen}");
        }
        if Instant::now() >= end {
            return;
        }
        tokio::time::sleep(PAUSE * 5).await;
    }
}

/// Runs blocking work of the harness (starting and stopping processes, builds) outside of the async runtime.
///
/// # Errors
///
/// Those of `work`, and its panic as an error.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .context("blocking work of the test harness panicked")?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_reason_is_told_at_the_deadline() {
        let mut looks = 0;
        let told = until("the sky is green", Duration::from_secs(1), async || {
            looks += 1;
            Err::<(), _>(format!("look {looks}: blue"))
        })
        .await
        .unwrap_err();
        let told = told.to_string();
        assert!(told.contains("the sky is green"), "{told}");
        assert!(told.contains(&format!("look {looks}: blue")), "{told}");
    }

    #[test]
    fn pauses_grow_with_the_wait() {
        let pauses = [0, 1, 4, 600].map(|seconds| pause_after(Duration::from_secs(seconds)).as_millis());
        assert_eq!(pauses, [20, 50, 200, 500]);
    }

    /// A look that hangs is cut off at the deadline.
    #[tokio::test(start_paused = true)]
    async fn hanging_look_ends_at_the_deadline() {
        let told = until("an answer", Duration::from_secs(1), async || {
            std::future::pending::<Result<(), String>>().await
        })
        .await
        .unwrap_err();
        assert!(told.to_string().contains("did not come back"));
    }
}

//! Builds that a process asks for once.

use std::sync::OnceLock;

use anyhow::anyhow;

/// What a build gave. An error is kept as its text.
pub(super) type Kept<T> = OnceLock<Result<T, String>>;

/// Builds it the first time, and keeps the result, also an error, for the life of this process.
pub(super) fn once<T>(kept: &'static Kept<T>, build: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<&'static T> {
    let kept = kept.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    kept.as_ref().map_err(|error| anyhow!("{error}"))
}

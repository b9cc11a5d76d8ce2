//! Files in place of a cluster.

use std::path::{Path, PathBuf};

use super::exit::Stop;
use crate::args::Namespaces;
use crate::input::{self, Limit};
use crate::world::World;

/// The name under which files appear in place of a context.
pub(super) const NAME: &str = "dump";

/// Reads the files that the flags name, from `kubectl get -o json`.
pub(super) async fn world(paths: &[PathBuf], namespaces: &Namespaces) -> Result<World, Stop> {
    let mut world = each(paths, input::DUMP, World::default(), World::add_dump).await?;
    world.end_dump();
    world.namespaces.retain(|name, _| namespaces.selects(name));
    Ok(world)
}

/// Calls `take` with the name and the text of each file. An interrupt ends the tool also while a pipe has nothing to say.
pub(super) async fn each<T: Send + 'static>(
    paths: &[PathBuf],
    limit: Limit,
    mut all: T,
    take: impl Fn(&mut T, &str, &str) + Send + 'static,
) -> Result<T, Stop> {
    let paths = paths.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        for file in files(&paths)? {
            take(&mut all, &file.display().to_string(), &text(&file, limit)?);
        }
        Ok(all)
    });
    let read = reading.await;
    read.unwrap_or_else(|_| Err(Stop("the input cannot be read".to_owned())))
}

/// Returns the text of a file. `-` is standard input.
pub(super) fn text(file: &Path, limit: Limit) -> Result<String, Stop> {
    let read = limit.text(file);
    read.map_err(|error| Stop(format!("cannot read {}: {error}", file.display())))
}

/// The files, and those of folders by name. Hidden files of folders are left out.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Stop> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable = |error: std::io::Error| Stop(format!("cannot read {}: {}", path.display(), error.kind()));
        let mut inner = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            if !is_hidden && entry.path().is_file() {
                inner.push(entry.path());
            }
        }
        inner.sort_unstable();
        files.extend(inner);
    }
    Ok(files)
}

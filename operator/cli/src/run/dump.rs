//! Files in place of a cluster.

use std::path::{Path, PathBuf};

use super::exit::Stop;
use crate::args::Namespaces;
use crate::world::World;

/// The name under which files appear in place of a context.
pub(super) const NAME: &str = "dump";

/// Reads files, and the files of folders, from `kubectl get -o json`.
pub(super) fn read(paths: &[PathBuf], namespaces: &Namespaces) -> Result<World, Stop> {
    let mut world = World::default();
    for file in files(paths)? {
        let text = text(&file)?;
        world.add_dump(&file.display().to_string(), &text);
    }
    world.end_dump();
    world.namespaces.retain(|name, _| namespaces.selects(name));
    Ok(world)
}

/// Returns the text of a file. `-` is standard input.
pub(super) fn text(file: &Path) -> Result<String, Stop> {
    let read = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    read.map_err(|error| Stop(format!("cannot read {}: {}", file.display(), error.kind())))
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

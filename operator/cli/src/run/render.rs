//! `render`.

use super::dump;
use super::exit::{Exit, Stop};
use super::printed;
use crate::args::{RenderArgs, TextFormat};
use crate::input;
use crate::output::{json, note, yaml};
use crate::render::render;
use crate::world::World;

pub(super) fn run(args: &RenderArgs, quiet: bool) -> Result<Exit, Stop> {
    let world = world(args)?;
    let rendered = render(&world, &args.operator_namespace);
    let text = match args.output {
        TextFormat::Json => json(&rendered)?,
        TextFormat::Yaml => {
            let manifests: Result<Vec<String>, String> = rendered.manifests().iter().map(yaml).collect();
            manifests?.join("---\n")
        }
    };
    printed(&text)?;
    let refused = rendered.refused.iter();
    let mut notes: Vec<String> = refused
        .map(|(object, why)| format!("ClusterPullSecret {object}: {why}"))
        .collect();
    for conflict in &rendered.conflicts {
        let (namespace, object, reason) = (&conflict.namespace, &conflict.object, conflict.reason);
        notes.push(format!(
            "namespace {namespace}, {object}: {reason} {}",
            conflict.message
        ));
    }
    let has_findings = !notes.is_empty();
    notes.extend(world.problems.iter().map(|problem| format!("not read: {problem}")));
    notes.iter().filter(|_| !quiet).for_each(|line| note(line));
    Ok(Exit::of(world.problems.is_empty(), has_findings))
}

fn world(args: &RenderArgs) -> Result<World, Stop> {
    let mut world = World::default();
    for file in dump::files(&args.from_dump)? {
        world.add_dump(&file.display().to_string(), &dump::text(&file, input::DUMP)?);
    }
    for file in dump::files(&args.files)? {
        world.add_manifests(&file.display().to_string(), &dump::text(&file, input::MANIFESTS)?);
    }
    for namespace in &args.namespaces {
        world.assume(namespace, "default");
    }
    for account in &args.accounts {
        let (namespace, name) = account
            .split_once('/')
            .ok_or_else(|| Stop(format!("--serviceaccount {account}: give NAMESPACE/NAME")))?;
        world.assume(namespace, name);
    }
    Ok(world)
}

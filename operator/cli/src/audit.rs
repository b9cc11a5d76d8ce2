//! Which workloads could not pull their images if the registry asked for a login now, and why.
//!
//! The verdict on a workload applies to the Pod that its template would create now, on a node that has no image and no
//! login of its own. Beside it stand Pods that exist: those that were admitted before their account had the reference
//! ([`crate::verdict::Reason::TooEarly`]), and those for which the node's own login answered ([`crate::verdict::Reason::NodeOnly`]).

mod auditor;
mod context;
mod join;
mod options;
mod plan;
mod pods;
mod report;
mod unused;
mod words;
mod workload;

use std::collections::BTreeSet;

use crate::world::{PullPolicy, Text, World};

pub use context::Part;
pub use options::{Ignored, IgnoredError, Options};
pub use report::{
    ApiVersion, ContextReport, Fails, Finding, ImageFinding, LoginTrial, NotSeen, PodCount, RegistryUse, Report,
    ReportKind, Step, StepKind, Summary, UnusedReference, UnusedSecret, UnusedWhy,
};

/// Returns the distinct images that an audit with these options judges, for trials of a login.
pub fn images(world: &World, options: &Options) -> BTreeSet<Text> {
    let namespaces = options.namespaces(world);
    let templates = namespaces.flat_map(|(_, seen)| {
        let workloads = seen
            .workloads
            .values()
            .filter(|workload| !workload.finished)
            .map(|workload| &workload.template);
        workloads.chain(
            seen.pods
                .values()
                .filter(|pod| !pod.ended && !pod.is_static)
                .map(|pod| &pod.template),
        )
    });
    let images = templates.flat_map(|template| template.images.iter());
    let counted = images.filter(|image| image.policy != PullPolicy::Never && options.covers(&image.reference));
    counted.map(|image| image.reference.clone()).collect()
}

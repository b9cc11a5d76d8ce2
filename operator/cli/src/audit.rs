//! Which workloads could not pull their images if the registry asked for a login now, and why.
//!
//! The verdict on a workload applies to the Pod that its template would create now, on a node that has no image and no
//! login of its own. Beside it stand Pods that exist: those that were admitted before their account had the reference
//! ([`Reason::TooEarly`]), and those for which the node's own login answered ([`Reason::NodeOnly`]).

mod report;

pub use report::{
    ApiVersion, ContextReport, Fails, Finding, ImageFinding, LoginOutcome, LoginTrial, Near, NotSeen, PodCount, Reason,
    RegistryUse, Report, ReportKind, Step, StepKind, Summary, UnusedReference, UnusedSecret, UnusedWhy,
};

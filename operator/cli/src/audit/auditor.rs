//! What the audit of a workload needs to know, and the images that are not ready.

use super::options::Options;
use super::report::ImageFinding;
use crate::fix::Fixes;
use crate::verdict::{Judge, Verdict};
use crate::world::{Image, PullPolicy, Text};

/// The audit of the workloads of one namespace.
pub(super) struct Auditor<'a> {
    pub(super) context: &'a Text,
    pub(super) namespace: &'a Text,
    pub(super) judge: Judge<'a>,
    pub(super) fixes: Fixes<'a>,
    pub(super) options: &'a Options,
}

/// The images of a workload that are not ready.
#[derive(Default)]
pub(super) struct Failing {
    pub(super) images: Vec<ImageFinding>,
    /// The worst verdict, the first of several, and its image.
    pub(super) worst: Option<(Verdict, Text)>,
}

impl Failing {
    pub(super) fn add(&mut self, image: &Image, verdict: &Verdict) {
        self.images.push(ImageFinding::new(image, verdict));
        if self
            .worst
            .as_ref()
            .is_none_or(|(other, _)| other.reason < verdict.reason)
        {
            self.worst = Some((verdict.clone(), image.reference.clone()));
        }
    }

    pub(super) fn has(&self, image: &Image) -> bool {
        self.images
            .iter()
            .any(|other| other.image == image.reference && other.user == image.user)
    }
}

impl Auditor<'_> {
    /// An image with the policy `Never` is pulled by other means.
    pub(super) fn counts(&self, image: &Image) -> bool {
        image.policy != PullPolicy::Never && self.options.covers(&image.reference)
    }
}

impl ImageFinding {
    pub(super) fn new(image: &Image, verdict: &Verdict) -> Self {
        Self {
            image: image.reference.clone(),
            user: image.user.clone(),
            role: image.role,
            policy: image.policy,
            reason: verdict.reason,
            why: verdict.why.clone(),
            secret: verdict.secret.clone(),
            near: verdict.near.clone(),
        }
    }
}

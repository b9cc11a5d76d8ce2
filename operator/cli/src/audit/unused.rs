//! References and Secrets that no image uses.

use std::collections::BTreeSet;

use plan::keyring::lookup_of;

use super::options::Options;
use super::report::{UnusedReference, UnusedSecret, UnusedWhy};
use crate::subject::{Subject, subjects};
use crate::world::{Kind, Namespace, SecretSeen, SecretsRead, Text, WorkloadId, World};

/// Returns the references that no image uses. Those that the operator recorded are meant for workloads to come.
pub(super) fn references(world: &World, options: &Options) -> Vec<UnusedReference> {
    let namespaces = options.namespaces(world);
    let mut unused: Vec<UnusedReference> = namespaces
        .flat_map(|(name, seen)| references_of(world, name, seen))
        .collect();
    unused.sort();
    unused.dedup();
    unused
}

fn references_of(world: &World, namespace: &Text, seen: &Namespace) -> Vec<UnusedReference> {
    let subjects: Vec<Subject<'_>> = subjects(seen).into_values().collect();
    let mut unused = Vec::new();
    let mut check = |holder: WorkloadId, secret: &Text, images: &BTreeSet<&Text>| {
        if let Some(why) = why_unused(world, namespace, secret, images) {
            let (namespace, secret) = (namespace.clone(), secret.clone());
            unused.push(UnusedReference {
                namespace,
                holder,
                secret,
                why,
            });
        }
    };
    for (name, account) in &seen.accounts {
        let holder = WorkloadId {
            kind: Kind::ServiceAccount.as_str().into(),
            name: name.clone(),
        };
        let images = images(
            subjects
                .iter()
                .filter(|subject| subject.template.account == *name && subject.template.secrets.is_empty()),
        );
        let secrets = account
            .secrets
            .iter()
            .filter(|secret| !account.attached.contains(secret));
        for secret in secrets.filter(|secret| !secret.is_empty()) {
            check(holder.clone(), secret, &images);
        }
    }
    for subject in &subjects {
        let images = images(std::iter::once(subject));
        for secret in subject.template.secrets.iter().filter(|secret| !secret.is_empty()) {
            check(subject.id.clone(), secret, &images);
        }
    }
    unused
}

/// The images of templates, and those that only their Pods have.
fn images<'s>(subjects: impl Iterator<Item = &'s Subject<'s>>) -> BTreeSet<&'s Text> {
    let templates = subjects.flat_map(|subject| {
        let pods = subject.pods.iter().map(|(_, pod)| pod.template.as_ref());
        std::iter::once(subject.template.as_ref()).chain(pods)
    });
    templates
        .flat_map(|template| template.images.iter().map(|image| &image.reference))
        .collect()
}

fn why_unused(world: &World, namespace: &str, secret: &str, images: &BTreeSet<&Text>) -> Option<UnusedWhy> {
    match world.secret(namespace, secret) {
        SecretSeen::Unseen(_) => None,
        SecretSeen::Missing => Some(UnusedWhy::SecretMissing),
        SecretSeen::Found(found) => {
            let entries = || found.entries().iter().map(|entry| (&*entry.key, ()));
            let used = images.iter().any(|image| !lookup_of(entries(), image).is_empty());
            (!used).then_some(UnusedWhy::NoImage)
        }
    }
}

/// Returns the Secrets with logins to which no account, template, Pod or object refers, if all Secrets are known.
pub(super) fn secrets(world: &World, options: &Options) -> Option<Vec<UnusedSecret>> {
    if world.secrets != SecretsRead::Listed || world.unseen.iter().any(|unseen| unseen.name.is_none()) {
        return None;
    }
    let referenced = world.referenced_secrets();
    let sources: BTreeSet<&str> = world
        .objects
        .values()
        .flat_map(|object| object.spec.registries.iter())
        .flat_map(|registry| registry.credentials.references())
        .map(|reference| reference.name.as_str())
        .collect();
    let namespaces = options.namespaces(world);
    let unused = namespaces.flat_map(|(namespace, seen)| {
        let logins = seen
            .secrets
            .iter()
            .filter(|(_, secret)| secret.is_pull_secret() && secret.copy_of.is_none());
        // The namespace of a source may be left out, and then only the operator knows it.
        let unused = logins.filter(|(name, _)| {
            !sources.contains(name.as_str()) && !referenced.contains(&(namespace.clone(), (*name).clone()))
        });
        unused.map(|(name, _)| UnusedSecret {
            namespace: namespace.clone(),
            name: name.clone(),
        })
    });
    Some(unused.collect())
}

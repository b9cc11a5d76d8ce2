//! The source of a group, and the content that its Secrets have in common.

use crd::ClusterPullSecret;

use super::super::content::Content;
use super::super::group::{Candidate, Group, Sorted};
use super::super::leftovers::Leftovers;
use super::super::options::Options;
use super::super::propose::{object_name, source_name};
use super::super::report::Verdict;
use super::Stopped;

/// A source before its content is known.
pub(super) struct Chosen {
    pub(super) name: String,
    /// A person named it, or the object does.
    pub(super) from_given: bool,
    pub(super) content: Content,
    pub(super) from: Option<(String, String)>,
}

/// Returns the source: the one that is given, that of the object, or the one that an earlier run copied.
pub(super) fn source(
    seen: &Leftovers,
    options: &Options<'_>,
    secret: &str,
    existing: Option<&ClusterPullSecret>,
) -> Result<Chosen, Stopped> {
    let taken = |why: String| Stopped::new(Verdict::NameTaken, why);
    let of_object = existing.map(|object| referenced(object, secret, options.operator_namespace).map_err(taken));
    let of_object = of_object.transpose()?;
    let given = options.source.map(str::to_owned);
    if let (Some(given), Some(other)) = (&given, &of_object)
        && given != other
    {
        return Err(taken(format!(
            "ClusterPullSecret {:?} exists, and its source is {other:?}",
            object_name(secret)
        )));
    }
    let from_given = given.is_some() || of_object.as_ref().is_some_and(|name| *name != source_name(secret));
    let name = given.or(of_object).unwrap_or_else(|| source_name(secret));
    let found = seen.secret(options.operator_namespace, &name);
    let content = found.map(|found| found.content.clone()).unwrap_or_default();
    let place = format!("{}/{name}", options.operator_namespace);
    if let Some(why) = &content.unusable {
        return Err(taken(format!("secret {place} cannot be the source: {why}")));
    }
    if from_given && found.is_none() {
        return Err(taken(format!("there is no secret {place}: create the source first")));
    }
    Ok(Chosen {
        name,
        from_given,
        content,
        from: None,
    })
}

/// Returns the source of an object, if it could come from an adoption of this name.
fn referenced(object: &ClusterPullSecret, secret: &str, operator_namespace: &str) -> Result<String, String> {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    if object.metadata.deletion_timestamp.is_some() {
        return Err(format!("ClusterPullSecret {name:?} is being deleted: wait for its end"));
    }
    let mut references = object.spec.registries.iter().map(|registry| &registry.credentials);
    let reference = references
        .next()
        .and_then(|credentials| credentials.docker_config.as_ref())
        .map(|source| &source.secret_ref);
    let local = reference.filter(|reference| {
        let namespace = reference.namespace.as_deref();
        namespace.is_none_or(|namespace| namespace == operator_namespace)
    });
    match local {
        Some(reference) if object.effective_secret_name() == secret && object.spec.registries.len() == 1 => {
            Ok(reference.name.clone())
        }
        _ => Err(format!(
            "ClusterPullSecret {name:?} exists and is not one that adopt makes: rename it, or add these namespaces to it \
             with spec.secret.conflictPolicy Adopt"
        )),
    }
}

/// Returns the content of the group: what the source holds by now, or what most have.
pub(super) fn common(
    seen: &Leftovers,
    options: &Options<'_>,
    source: &Chosen,
    group: &Group<'_>,
    sorted: &Sorted<'_>,
) -> Result<Content, Stopped> {
    let verdict = if sorted.usable.len() > 1 {
        Verdict::ContentsDiffer
    } else {
        Verdict::NothingToAdopt
    };
    let stopped = |why: String| Stopped::new(verdict, why);
    let copied = seen.secret(options.operator_namespace, &source.name);
    if let Some(copied) = copied.filter(|_| !source.from_given)
        && copied.content.digest.is_some()
    {
        let has = |candidate: &Candidate<'_>| candidate.secret.content.is_same(&copied.content);
        return if sorted.usable.iter().any(has) {
            Ok(copied.content.clone())
        } else {
            let place = format!("{}/{}", options.operator_namespace, source.name);
            Err(Stopped::new(
                Verdict::NameTaken,
                format!(
                    "secret {place} exists with a login that no Secret of the group has: delete it, or name it with --source"
                ),
            ))
        };
    }
    let adopted = sorted
        .usable
        .iter()
        .any(|candidate| candidate.secret.content.is_same(&source.content));
    if source.from_given && adopted {
        // A run with this source was interrupted: some have its content by now, the others the old one.
        let rest: Vec<Candidate<'_>> = sorted
            .usable
            .iter()
            .filter(|candidate| !candidate.secret.content.is_same(&source.content))
            .cloned()
            .collect();
        if rest.is_empty() {
            return Ok(source.content.clone());
        }
        let rest = Sorted {
            usable: rest,
            left: Vec::new(),
        };
        return rest.common(false).map_err(stopped);
    }
    sorted.common(group.is_unmarked()).map_err(stopped)
}

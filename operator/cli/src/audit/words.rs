//! The words of findings on Pods.

use super::pods::{Collected, pulls_always};
use crate::subject::Subject;
use crate::world::Text;

pub(super) fn too_early(subject: &Subject<'_>, early: &Collected) -> String {
    let all = subject.pods.len();
    let affected = early.waiting.union(&early.on_restart).count();
    let (of, was) = if all == 1 { ("Pod", "was") } else { ("Pods", "were") };
    let before = if subject.template.secrets.is_empty() {
        format!("before account {} had the reference", subject.template.account)
    } else {
        "before its template had the reference".to_owned()
    };
    let and = match (early.waiting.is_empty(), pulls_always(early)) {
        (false, _) => "wait for the image",
        (true, true) => "pull Always",
        (true, false) => "pull again once a node has removed the image",
    };
    format!("{affected} of {all} {of} {was} admitted {before}, and {and}")
}

/// Admission policies and webhooks add pull secrets that a template does not show. So does an account that listed more before.
pub(super) fn added(why: &str, added: &[&Text]) -> String {
    let names: Vec<&str> = added.iter().map(|name| name.as_str()).collect();
    let names = names.join(", ");
    format!("{why}; its Pods list [{names}], which an admission policy adds, or which the account listed before")
}

pub(super) fn node_only(node_only: &Collected) -> String {
    let images: Vec<&str> = node_only.images.iter().map(|image| image.image.as_str()).collect();
    format!(
        "the registry asks for a login, no Secret has one for {}, and Pods run: the node's own login answered, or the image was \
         on the node",
        images.join(", ")
    )
}

//! The verdict on one image.

use super::evidence::{Evidence, LoginOutcome};
use super::near::{Near, near};
use super::reason::Reason;
use super::view::View;
use super::words;
use crate::world::{Kind, Template, Text, World};

/// Decides about the images of one cluster.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    /// The snapshot of the cluster.
    pub world: &'a World,
    /// What registries answered.
    pub evidence: &'a Evidence,
}

/// What a kubelet would make of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Why it is, or is not, ready.
    pub reason: Reason,
    /// The Secret that has the login, or the one at fault.
    pub secret: Option<Text>,
    /// The entry that nearly matches.
    pub near: Option<Near>,
    /// The reason in words.
    pub why: String,
}

impl Verdict {
    /// Returns whether a kubelet finds a login.
    pub fn is_ready(&self) -> bool {
        self.reason == Reason::Ready
    }

    fn new(reason: Reason, secret: Option<&Text>, why: String) -> Self {
        Self {
            reason,
            secret: secret.cloned(),
            near: None,
            why,
        }
    }
}

impl Judge<'_> {
    /// Returns the verdict on an image of the Pod that the template would create now.
    ///
    /// Admission gives the Pod the list of its account if the template lists no pull secret.
    pub fn of_template(&self, namespace: &str, template: &Template, image: &Text) -> Verdict {
        let account = self
            .world
            .namespaces
            .get(namespace)
            .and_then(|seen| seen.accounts.get(&template.account));
        if !template.secrets.is_empty() {
            let own = self.of_list(namespace, &template.secrets, image);
            let masks = |list: &[Text]| {
                self.of_list(namespace, list, image)
                    .is_some_and(|other| other.is_ready())
            };
            let has_no_login = |own: &Verdict| matches!(own.reason, Reason::NoKey | Reason::SecretMissing);
            let is_masked =
                own.as_ref().is_none_or(has_no_login) && account.is_some_and(|account| masks(&account.secrets));
            return match own {
                _ if is_masked => Verdict::new(Reason::Masked, None, words::masked(template)),
                Some(verdict) => verdict,
                None => Verdict::new(Reason::NoReference, None, words::no_names(template)),
            };
        }
        let Some(account) = account else {
            let seen = self.world.sees(Kind::ServiceAccount, namespace);
            let reason = if seen { Reason::NoReference } else { Reason::Unknown };
            return Verdict::new(reason, None, words::no_account(template, seen));
        };
        let verdict = self.of_list(namespace, &account.secrets, image);
        verdict.unwrap_or_else(|| Verdict::new(Reason::NoReference, None, words::no_reference(template)))
    }

    /// Returns the verdict on an image of a Pod that exists. Its list was decided at its admission.
    pub fn of_pod(&self, namespace: &str, admitted: &Template, image: &Text) -> Verdict {
        let verdict = self.of_list(namespace, &admitted.secrets, image);
        verdict.unwrap_or_else(|| Verdict::new(Reason::NoReference, None, words::no_list()))
    }

    /// Returns the verdict on an image with this list, or `None` if the list names no Secret.
    pub fn of_list(&self, namespace: &str, names: &[Text], image: &Text) -> Option<Verdict> {
        let view = View::of(self.world, namespace, names);
        if let Some((secret, why)) = view.unreadable() {
            return Some(Verdict::new(
                Reason::Unreadable,
                Some(secret),
                words::unreadable(secret, why),
            ));
        }
        if let Some((secret, why)) = view.unseen {
            return Some(Verdict::new(Reason::Unknown, Some(secret), words::unseen(secret, why)));
        }
        let mut sent = view
            .tried(image)
            .into_iter()
            .filter(|(_, entry)| !entry.blank)
            .peekable();
        if let Some(&(first, _)) = sent.peek() {
            let working = sent.find(|(_, entry)| self.evidence.of_login(entry.login, image) != LoginOutcome::Refused);
            return Some(match working {
                Some((secret, _)) => Verdict::new(Reason::Ready, Some(secret), words::ready(secret)),
                None => Verdict::new(Reason::LoginRefused, Some(first), words::refused(first)),
            });
        }
        if let Some(&missing) = view.missing.first() {
            return Some(Verdict::new(
                Reason::SecretMissing,
                Some(missing),
                words::missing(missing),
            ));
        }
        (!view.is_empty()).then(|| no_key(&view, image))
    }
}

fn no_key(view: &View<'_>, image: &Text) -> Verdict {
    let near = near(view, image);
    let ignored = view.ignored();
    let why = words::no_key(view, image, near.as_ref(), ignored);
    let at_fault = near.as_ref().map(|near| near.secret.clone());
    Verdict {
        reason: Reason::NoKey,
        secret: at_fault.or_else(|| ignored.map(|(name, _)| name.clone())),
        near,
        why,
    }
}

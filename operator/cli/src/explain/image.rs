//! An image, in a Pod that does not exist.

use super::{Explanation, Teller};
use crate::world::{Image, Kind, PullPolicy, Role, Template, Text, WorkloadId};

impl Teller<'_> {
    pub(super) fn image(&self, image: &Text, account: &Text) -> Option<Explanation> {
        if self.judge.world.sees(Kind::ServiceAccount, self.namespace) && !self.seen.accounts.contains_key(account) {
            return None;
        }
        let template = Template {
            account: account.clone(),
            secrets: Box::default(),
            images: Box::new([Image {
                reference: image.clone(),
                user: "app".into(),
                role: Role::Container,
                policy: PullPolicy::Always,
            }]),
            restarts: true,
        };
        let (mut parts, worst) = self.parts(&template, &WorkloadId::new("Pod", "app"));
        for part in &mut parts {
            "in a Pod without pull secrets of its own".clone_into(&mut part.used_by);
        }
        let (outcome, fix) = match worst {
            _ if plan::image::repository(image).is_none() => {
                ("Kubelets refuse this name of an image.".to_owned(), None)
            }
            Some((verdict, fix)) => (format!("A Pod could not pull it: {}.", verdict.why), fix),
            None => ("A Pod finds a login for it.".to_owned(), None),
        };
        Some(Explanation {
            subject: format!("Image {image}, account {}/{account}", self.namespace),
            parts,
            outcome,
            fix,
        })
    }
}

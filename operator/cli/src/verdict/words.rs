//! The reasons in words. None holds a value of a Secret, and of its keys only those that are servers.

use plan::docker_config::{Ignored, Unreadable};
use plan::image::repository;
use plan::keyring::Difference;

use super::near::Near;
use super::view::View;
use crate::world::{Template, Text};

pub(super) fn ready(secret: &str) -> String {
    format!("secret {secret} has a login for it")
}

pub(super) fn unreadable(secret: &str, why: &Unreadable) -> String {
    format!("secret {secret} cannot be read by a kubelet, so no image of this Pod can be pulled: {why}")
}

pub(super) fn unseen(secret: &str, why: &str) -> String {
    format!("secret {secret} could not be read: {why}")
}

pub(super) fn refused(secret: &str) -> String {
    format!("the registry refuses the login of secret {secret}")
}

pub(super) fn masked(template: &Template) -> String {
    let (own, account) = (listed(&template.secrets), &template.account);
    format!("its template lists imagePullSecrets {own}, so those of account {account} are not used")
}

pub(super) fn missing(secret: &str) -> String {
    format!("secret {secret} does not exist")
}

pub(super) fn no_names(template: &Template) -> String {
    let own = listed(&template.secrets);
    format!("its template lists imagePullSecrets {own} without a name, so those of its account are not used")
}

pub(super) fn no_reference(template: &Template) -> String {
    format!(
        "neither its template nor account {} lists a pull secret",
        template.account
    )
}

pub(super) fn no_account(template: &Template, seen: bool) -> String {
    let account = &template.account;
    if seen {
        format!("account {account} does not exist, so no Pod can be created")
    } else {
        format!("account {account} could not be read")
    }
}

pub(super) fn no_list() -> String {
    "it was admitted without a pull secret".to_owned()
}

pub(super) fn no_key(view: &View<'_>, image: &str, near: Option<&Near>, ignored: Option<(&Text, Ignored)>) -> String {
    let repository = repository(image).unwrap_or_default();
    let host = repository.split('/').next().unwrap_or_default();
    if let Some(near) = near {
        return nearly(near, &repository, host);
    }
    if let Some((secret, why)) = ignored {
        return format!("secret {secret} holds no login for kubelets: {why}");
    }
    let names: Vec<&str> = view.found.iter().map(|(name, _)| name.as_str()).collect();
    match names.as_slice() {
        [name] => format!("secret {name} has no key for {host}"),
        names => format!("none of the secrets [{}] has a key for {host}", names.join(", ")),
    }
}

fn nearly(Near { secret, entry, differs }: &Near, repository: &str, host: &str) -> String {
    let entry = entry
        .strip_prefix("entry ")
        .map_or_else(|| entry.clone(), |place| format!("a key in entry {place}"));
    let says = if differs.contains(&Difference::Path) {
        repository
    } else {
        host
    };
    match differs.as_slice() {
        [] => format!("secret {secret} has {entry} without a user name; kubelets ignore tokens such as identitytoken"),
        [Difference::Scheme] => format!("secret {secret} has {entry} with a scheme that kubelets do not know"),
        [Difference::Case] => format!("secret {secret} has {entry} in another case; the image says {says}"),
        [Difference::Port] => format!("secret {secret} has {entry}; the image says {says}, and ports must be equal"),
        [Difference::Path] => format!("secret {secret} has {entry}; the image is {says}, which is not under that path"),
        _ => format!("secret {secret} has {entry}; the image says {says}"),
    }
}

/// Writes a list as people write it in YAML.
pub(super) fn listed(names: &[Text]) -> String {
    let names: Vec<&str> = names.iter().map(Text::as_str).collect();
    format!("[{}]", names.join(", "))
}

//! The ways in which a copy and its sources may serve an image differently, with reasons.

use crate::author::Step;
use e2e::keyring::{Answer, Login};

/// A way in which a copy may differ from its sources, with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exception {
    NotCopiedNotJudged,
    OneBadEntryIsLeftOut,
    OneOfEqualKeysStays,
    OneSpellingStays,
    OneHubLoginStays,
    DeclaredBeatsWhole,
    EarlierBeatsLater,
    BrokenKeepsItsPlace,
    AnyHubHostIsTheHub,
    RegistryOneIsNotServed,
    HubYieldsToOtherKeys,
    HubServesBareHosts,
}

impl Exception {
    pub(crate) const ALL: [Self; 12] = [
        Self::NotCopiedNotJudged,
        Self::OneBadEntryIsLeftOut,
        Self::OneOfEqualKeysStays,
        Self::OneSpellingStays,
        Self::OneHubLoginStays,
        Self::DeclaredBeatsWhole,
        Self::EarlierBeatsLater,
        Self::BrokenKeepsItsPlace,
        Self::AnyHubHostIsTheHub,
        Self::RegistryOneIsNotServed,
        Self::HubYieldsToOtherKeys,
        Self::HubServesBareHosts,
    ];

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::NotCopiedNotJudged => {
                "wider: `email` or `HttpHeaders` of a wrong type stop the kubelet in a source; a copy has neither"
            }
            Self::OneBadEntryIsLeftOut => {
                "wider: one entry that the kubelet cannot parse stops it in a source; a copy has the other entries"
            }
            Self::OneOfEqualKeysStays => {
                "narrower: of keys that differ in what kubelets drop only, such as a user before the host, one stays"
            }
            Self::OneSpellingStays => {
                "narrower: a declared server takes one entry; its own key is chosen where a config spells it in several ways"
            }
            Self::OneHubLoginStays => {
                "narrower: all names of Docker Hub in one config become one key; the entry the kubelet would try stays"
            }
            Self::DeclaredBeatsWhole => "narrower: a declared server beats the entry of a docker config taken whole",
            Self::EarlierBeatsLater => "narrower: of two registries for the same server the earlier in the list wins",
            Self::BrokenKeepsItsPlace => {
                "narrower: a declared server beats all others while its own source gives nothing"
            }
            Self::AnyHubHostIsTheHub => {
                "wider: who declares a path of index.docker.io, or registry-1.docker.io, means Docker Hub"
            }
            Self::RegistryOneIsNotServed => {
                "narrower: an image named by registry-1.docker.io is not on docker.io to the kubelet"
            }
            Self::HubYieldsToOtherKeys => {
                "narrower: the key that all readers know as Docker Hub is tried only where no other key matches"
            }
            Self::HubServesBareHosts => {
                "wider: the kubelet takes a host without dot and port for Docker Hub when it uses that key"
            }
        }
    }
}

/// The kubelet's answers for one image, before and after one step.
pub(crate) struct Change<'a> {
    pub(crate) step: Step,
    pub(crate) image: &'a str,
    pub(crate) before: Vec<&'a Login>,
    pub(crate) after: Vec<&'a Login>,
    /// The answer for all that is left after the step.
    pub(crate) left: &'a Answer,
}

/// Returns the exception that this change is, or `None` if the design does not allow it.
pub(crate) fn allowed(change: &Change<'_>) -> Option<Exception> {
    let lost = missing_from(&change.after, &change.before);
    let gained = missing_from(&change.before, &change.after);
    // Docker Hub's own key is the last resort, so it appears and disappears as other keys go and come.
    let last_resort = |logins: &[&Login]| logins.iter().all(|login| login.0 == "index.docker.io");
    let dropped = || {
        let gone = lost.iter().all(|login| !change.left.logins.contains(login));
        !lost.is_empty() && gone && last_resort(&gained)
    };
    let host = host(change.image);
    let on = |logins: &[&Login], host: &str| logins.iter().all(|login| on_host(&login.0, host));
    match change.step {
        Step::OneOfEqualKeys if dropped() && gained.is_empty() => Some(Exception::OneOfEqualKeysStays),
        Step::OneSpelling if dropped() => Some(Exception::OneSpellingStays),
        Step::OneHub if dropped() && gained.is_empty() => Some(Exception::OneHubLoginStays),
        Step::ExplicitWins if dropped() => Some(Exception::DeclaredBeatsWhole),
        Step::EarlierWins if dropped() => Some(Exception::EarlierBeatsLater),
        Step::BrokenWins if dropped() => Some(Exception::BrokenKeepsItsPlace),
        Step::DeclaredHub if host == "docker.io" && !gained.is_empty() => {
            (on(&gained, host) && last_resort(&lost)).then_some(Exception::AnyHubHostIsTheHub)
        }
        Step::DeclaredHub if host == "registry-1.docker.io" && !lost.is_empty() => {
            (on(&lost, host) && gained.is_empty()).then_some(Exception::RegistryOneIsNotServed)
        }
        Step::HubKey if host == "docker.io" && !lost.is_empty() && !change.after.is_empty() => {
            (on(&lost, host) && gained.is_empty()).then_some(Exception::HubYieldsToOtherKeys)
        }
        Step::HubKey if !host.contains(['.', ':']) && change.before.is_empty() => {
            last_resort(&gained).then_some(Exception::HubServesBareHosts)
        }
        _ => None,
    }
}

/// The logins of `of` that `list` lacks, each under its key.
fn missing_from<'a>(list: &[&Login], of: &[&'a Login]) -> Vec<&'a Login> {
    of.iter().copied().filter(|login| !list.contains(login)).collect()
}

fn on_host(key: &str, host: &str) -> bool {
    key.strip_prefix(host)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The host of an image, parsed as image names are.
fn host(image: &str) -> &str {
    match image.split_once('/') {
        Some(("index.docker.io", _)) | None => "docker.io",
        Some((first, _)) if first == "localhost" || first.contains(['.', ':']) || first.to_lowercase() != first => {
            first
        }
        Some(_) => "docker.io",
    }
}

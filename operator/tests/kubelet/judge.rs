//! The properties that must hold in every case.

use std::collections::BTreeSet;

use crd::Registry;
use crd::names::DOCKER_CONFIG_TYPE;
use plan::docker_config::PullSecret;
use plan::keyring::{image_for, lookup};

use crate::case::Content;
use crate::exceptions::{Change, Exception, allowed};
use crate::table::Table;
use crate::trial::{Trial, place};
use e2e::keyring::{Answer, Login};

impl Trial {
    /// Checks all properties of this case.
    pub(crate) fn judge(&self, table: &mut Table) -> Result<(), String> {
        self.count(table);
        self.our_lookup_is_the_kubelets("keys", &self.keys, &self.by_key)?;
        self.a_pull_secret_is_read_as_the_kubelet_reads_it(table)?;
        self.what_the_kubelet_reads_is_used(table)?;
        self.an_image_is_known_where_the_kubelet_matches_one()?;
        if self.merged.entries.is_empty() {
            table.count("cases without a copy", 1);
            return Ok(());
        }
        self.the_kubelet_reads_all_of_the_copy()?;
        let copied: Vec<String> = self.merged.entries.keys().cloned().collect();
        self.our_lookup_is_the_kubelets("copy", &copied, &self.copy)?;
        self.only_exceptions_separate_the_copy_from_its_sources(table)
    }

    fn count(&self, table: &mut Table) {
        let accepted = self
            .resolved
            .iter()
            .filter(|resolution| resolution.result.is_ok())
            .count();
        table.count("cases", 1);
        table.count("images", self.case.images.len());
        let stages = self.stages.iter().map(|(_, answer)| answer.lookups());
        table.count(
            "lookups",
            stages.sum::<usize>() + self.by_key.lookups() + self.copy.lookups(),
        );
        table.count("registries accepted", accepted);
        table.count("registries refused", self.resolved.len() - accepted);
    }

    fn our_lookup_is_the_kubelets(&self, what: &str, keys: &[String], kubelet: &Answer) -> Result<(), String> {
        for (at, image) in self.case.images.iter().enumerate() {
            let ours = lookup(keys.iter().map(String::as_str), image);
            let theirs = kubelet.tried(at).unwrap_or_default();
            let mut ours: Vec<Login> = ours.into_iter().map(|key| self.login(what, key)).collect();
            // Within one normalised key, the kubelet's order is random and its answer sorted.
            for (login, theirs) in ours.iter_mut().zip(&theirs) {
                login.0.clone_from(&theirs.0);
            }
            ours.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (&a.1, &a.2).cmp(&(&b.1, &b.2))));
            if !ours.iter().eq(theirs.iter().copied()) {
                return Err(format!(
                    "{what}, image {image:?}: ours {ours:?}, the kubelet's {theirs:?}"
                ));
            }
        }
        Ok(())
    }

    fn login(&self, what: &str, key: &str) -> Login {
        if let Some(credential) = self.merged.entries.get(key).filter(|_| what == "copy") {
            return (
                String::new(),
                credential.username().into(),
                credential.password().into(),
            );
        }
        let at = self
            .keys
            .iter()
            .position(|other| other == key)
            .expect("one of the keys");
        (String::new(), place(at), "x".to_owned())
    }

    /// Checks that we refuse a pull secret if the kubelet does, and read the same logins in it otherwise.
    fn a_pull_secret_is_read_as_the_kubelet_reads_it(&self, table: &mut Table) -> Result<(), String> {
        let parsed: BTreeSet<&str> = self
            .by_key
            .logins
            .iter()
            .map(|(_, place, _)| self.key_at(place))
            .collect();
        for ((name, written), asked) in self.case.sources.iter().zip(&self.sources) {
            let data = &written.secret.data;
            let value = |key: &str| Some(data.iter().find(|(other, _)| other == key)?.1.as_slice());
            let read = PullSecret::read(DOCKER_CONFIG_TYPE, value);
            let refused = matches!(read, PullSecret::Unreadable(_));
            if refused != asked.whole.error.is_some() {
                return Err(format!(
                    "{name}: ours {read:?}, the kubelet's error {:?}",
                    asked.whole.error
                ));
            }
            table.count(
                if refused {
                    "pull secrets that both refuse"
                } else {
                    "pull secrets that both read"
                },
                1,
            );
            let ours = read
                .entries()
                .iter()
                .map(|entry| (entry.key.as_str(), (entry.login.username(), entry.login.password())));
            let theirs: Vec<(&str, &str)> = asked
                .whole
                .logins
                .iter()
                .map(|one| (one.1.as_str(), one.2.as_str()))
                .collect();
            let lost = ours
                .clone()
                .find(|(key, login)| parsed.contains(key) && !theirs.contains(login));
            let spare = theirs
                .iter()
                .find(|login| !ours.clone().any(|(_, other)| other == **login));
            if lost.is_some() || spare.is_some() {
                return Err(format!(
                    "{name}: only we read {lost:?}, only the kubelet reads {spare:?}"
                ));
            }
        }
        Ok(())
    }

    fn key_at(&self, place: &str) -> &str {
        place
            .parse()
            .ok()
            .and_then(|at: usize| self.keys.get(at))
            .map_or("", String::as_str)
    }

    /// Checks that a docker config taken whole is used if the kubelet reads a usable login in it. If the kubelet
    /// refuses the config, single entries that it reads must be used.
    fn what_the_kubelet_reads_is_used(&self, table: &mut Table) -> Result<(), String> {
        for ((name, written), asked) in self.case.sources.iter().zip(&self.sources) {
            let Content::DockerConfig(config) = &written.content else {
                continue;
            };
            let mut uses = self.case.registries.iter().zip(&self.resolved);
            let of = |registry: &Registry| {
                let source = self.case.source(registry);
                registry.server.is_none() && source.is_some_and(|(_, of)| std::ptr::eq(of, written))
            };
            let Some((_, resolution)) = uses.find(|(registry, _)| of(registry)) else {
                continue;
            };
            let pairs = config.entries.iter().zip(&asked.entries);
            let readable = pairs.filter(|((_, entry), alone)| entry.is_usable(alone)).count();
            let read = asked.whole.error.is_none() && !asked.whole.logins.is_empty();
            match (&asked.whole.error, &resolution.result) {
                (None, Ok(_)) => table.count("configs that both take", 1),
                (Some(_), Ok(_)) if readable < config.entries.len() => table.exception(Exception::OneBadEntryIsLeftOut),
                (Some(_), Ok(_)) => table.exception(Exception::NotCopiedNotJudged),
                (Some(_), Err(_)) => table.count("configs that the kubelet and we refuse", 1),
                (None, Err(problem)) if read && readable > 0 && problem.message.contains(", key ") => {
                    return Err(format!(
                        "{name} is refused, while the kubelet reads it: {}",
                        problem.message
                    ));
                }
                (None, Err(_)) => table.count("configs without a login that we may use", 1),
            }
        }
        Ok(())
    }

    /// Checks that a key which matches no image by our rules matches none in the kubelet.
    fn an_image_is_known_where_the_kubelet_matches_one(&self) -> Result<(), String> {
        for (at, image) in self.case.images.iter().enumerate() {
            for (_, place, _) in self.by_key.tried(at).unwrap_or_default() {
                let key = &self.keys[place.parse::<usize>().map_err(|error| error.to_string())?];
                if image_for(key).is_none() {
                    return Err(format!("{key:?} matches {image:?}, and is said to match nothing"));
                }
            }
        }
        Ok(())
    }

    fn the_kubelet_reads_all_of_the_copy(&self) -> Result<(), String> {
        if let Some(error) = &self.copy.error {
            return Err(format!("the kubelet refuses the copy: {error}"));
        }
        let mut ours: Vec<(&str, &str)> = self
            .merged
            .entries
            .values()
            .map(|one| (one.username(), one.password()))
            .collect();
        let mut theirs: Vec<(&str, &str)> = self
            .copy
            .logins
            .iter()
            .map(|(_, user, word)| (user.as_str(), word.as_str()))
            .collect();
        ours.sort_unstable();
        theirs.sort_unstable();
        if ours == theirs {
            Ok(())
        } else {
            Err(format!("we wrote {ours:?}, the kubelet read {theirs:?}"))
        }
    }

    fn only_exceptions_separate_the_copy_from_its_sources(&self, table: &mut Table) -> Result<(), String> {
        for pair in self.stages.windows(2) {
            let [(_, before), (Some(step), left)] = pair else {
                continue;
            };
            for (at, image) in self.case.images.iter().enumerate() {
                let (Some(before), Some(after)) = (before.tried(at), left.tried(at)) else {
                    continue;
                };
                if attempts(&before) == attempts(&after) {
                    continue;
                }
                let shown = format!("{step:?}, image {image:?}: {before:?} before, {after:?} after");
                let change = Change {
                    step: *step,
                    image,
                    before,
                    after,
                    left,
                };
                table.exception(allowed(&change).ok_or(format!("not allowed: {shown}"))?);
            }
        }
        let last = self.stages.last().map(|(_, answer)| answer);
        if let Some(error) = last.and_then(|answer| answer.error.as_ref()) {
            return Err(format!("the kubelet refuses what was accepted: {error}"));
        }
        // Equal keyrings cannot differ for any image.
        let expected = last.map(|answer| &answer.logins);
        if expected == Some(&self.copy.logins) {
            Ok(())
        } else {
            Err(format!(
                "the kubelet reads {:?} in the copy, not {expected:?}",
                self.copy.logins
            ))
        }
    }
}

/// The attempts of a kubelet. Trying one login twice makes no difference.
fn attempts<'a>(logins: &[&'a Login]) -> Vec<(&'a str, &'a str)> {
    let mut attempts = Vec::new();
    for (_, username, password) in logins {
        if !attempts.contains(&(username.as_str(), password.as_str())) {
            attempts.push((username, password));
        }
    }
    attempts
}

//! Which contexts are meant.

use plan::glob::covers;

use super::config::Config;
use crate::args::Connection;

/// Returns the contexts that the flags choose, sorted by name and each once. The error says which names exist.
pub fn choose(config: &Config, connection: &Connection) -> Result<Vec<String>, String> {
    let mut known: Vec<&str> = config.0.contexts.iter().map(|context| context.name.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    if connection.all_contexts {
        return match known.as_slice() {
            [] => Err("the kubeconfig has no context".to_owned()),
            all => Ok(all.iter().map(ToString::to_string).collect()),
        };
    }
    if connection.contexts.is_empty() {
        let current = config.0.current_context.as_deref().filter(|name| !name.is_empty());
        return match current {
            Some(name) if known.contains(&name) => Ok(vec![name.to_owned()]),
            Some(name) => Err(format!("the current context {name:?} does not exist{}", among(&known))),
            None => Err(format!("no context is current: give --context{}", among(&known))),
        };
    }
    let mut chosen = Vec::new();
    for pattern in &connection.contexts {
        let before = chosen.len();
        let matching = known
            .iter()
            .filter(|name| **name == pattern || covers(pattern.as_bytes(), name.as_bytes()));
        chosen.extend(matching.map(ToString::to_string));
        if chosen.len() == before {
            return Err(format!("no context matches {pattern:?}{}", among(&known)));
        }
    }
    chosen.sort_unstable();
    chosen.dedup();
    Ok(chosen)
}

/// Most names in an error.
const NAMED: usize = 10;

fn among(known: &[&str]) -> String {
    let more = if known.len() > NAMED { ", …" } else { "" };
    match known {
        [] => ": the kubeconfig has none".to_owned(),
        names => format!("; there are {}{more}", names[..names.len().min(NAMED)].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use kube::config::{Kubeconfig, NamedContext};

    use super::*;

    fn config(names: &[&str], current: Option<&str>) -> Config {
        let context = |name: &&str| NamedContext {
            name: (*name).to_owned(),
            ..NamedContext::default()
        };
        Config(Kubeconfig {
            contexts: names.iter().map(context).collect(),
            current_context: current.map(str::to_owned),
            ..Kubeconfig::default()
        })
    }

    fn chosen(patterns: &[&str], all_contexts: bool, current: Option<&str>) -> Result<Vec<String>, String> {
        let connection = Connection {
            contexts: patterns.iter().map(ToString::to_string).collect(),
            all_contexts,
            ..Connection::default()
        };
        let names = ["prod-us", "prod-eu", "arn:aws:eks:eu:1:cluster/Test", "odd*name"];
        choose(&config(&names, current), &connection)
    }

    #[test]
    fn contexts_are_the_current_one_or_what_globs_match() {
        let names = |names: &[&str]| Ok(names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(chosen(&[], false, Some("prod-eu")), names(&["prod-eu"]));
        assert_eq!(
            chosen(&["prod-*", "prod-us"], false, None),
            names(&["prod-eu", "prod-us"])
        );
        assert_eq!(
            chosen(&["*cluster/T?st"], false, None),
            names(&["arn:aws:eks:eu:1:cluster/Test"])
        );
        assert_eq!(chosen(&["odd*name"], false, None), names(&["odd*name"]));
        assert_eq!(chosen(&[], true, None).map(|all| all.len()), Ok(4));
    }

    #[test]
    fn a_context_that_does_not_exist_is_said() {
        let known = "there are arn:aws:eks:eu:1:cluster/Test, odd*name, prod-eu, prod-us";
        assert_eq!(
            chosen(&["prod-*", "x"], false, None),
            Err(format!("no context matches \"x\"; {known}"))
        );
        assert_eq!(
            chosen(&[], false, Some("x")),
            Err(format!("the current context \"x\" does not exist; {known}"))
        );
        assert_eq!(
            chosen(&[], false, None),
            Err(format!("no context is current: give --context; {known}"))
        );
    }
}

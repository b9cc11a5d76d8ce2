//! What may come at the place of the last word.

use std::collections::BTreeMap;

use clap::{Arg, Command};

/// A candidate for the last word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// The word.
    pub word: String,
    /// What it means.
    pub description: Option<String>,
}

/// What is wanted at the place of the last word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The argument whose value is wanted, by the name of its field; none for a word of the command line itself.
    pub value_of: Option<String>,
    /// What stands before the value in the same word: `--context=`.
    pub before: String,
    /// The beginning of the value, or of the word.
    pub begun: String,
    /// Candidates that need no cluster.
    pub fixed: Vec<Candidate>,
    /// The values of the arguments before, by the names of their fields.
    pub given: BTreeMap<String, Vec<String>>,
}

/// Returns what may come at the place of the last word.
pub fn wanted(command: &mut Command, words: &[String]) -> Wanted {
    command.build();
    let mut wanted = Wanted::default();
    let (last, before) = match words.split_last() {
        Some((last, before)) => (last.as_str(), before),
        None => ("", &[][..]),
    };
    let mut here: &Command = command;
    let mut pending: Option<&Arg> = None;
    let mut positions = 0;
    for word in before {
        if let Some(arg) = pending.take() {
            give(&mut wanted, arg, word);
        } else if let Some((arg, value)) = flag(here, word) {
            match value {
                Some(value) => give(&mut wanted, arg, value),
                None => pending = Some(arg).filter(|arg| arg.get_action().takes_values()),
            }
        } else if let Some(verb) = here.find_subcommand(word) {
            here = verb;
        } else if !word.starts_with('-') {
            positions += 1;
        }
    }
    at(&mut wanted, here, pending, positions, last);
    let begun = wanted.begun.clone();
    wanted.fixed.retain(|candidate| candidate.word.starts_with(&begun));
    for candidate in &mut wanted.fixed {
        candidate.word.insert_str(0, &wanted.before);
    }
    wanted
}

fn at(wanted: &mut Wanted, here: &Command, pending: Option<&Arg>, positions: usize, last: &str) {
    last.clone_into(&mut wanted.begun);
    let value = match (pending, last.split_once('=')) {
        (Some(arg), _) => Some(arg),
        (None, Some((name, begun))) if last.starts_with("--") => {
            wanted.before = format!("{name}=");
            begun.clone_into(&mut wanted.begun);
            flag(here, name).map(|(arg, _)| arg)
        }
        (None, _) if last.starts_with('-') => {
            wanted.fixed = flags(here);
            return;
        }
        (None, _) => here
            .get_positionals()
            .nth(positions)
            .or_else(|| here.get_positionals().last()),
    };
    if let Some(arg) = value {
        wanted.value_of = Some(arg.get_id().to_string());
        wanted.fixed = possible(arg);
    }
    if pending.is_none() && wanted.before.is_empty() {
        let verbs = here
            .get_subcommands()
            .filter(|verb| !verb.is_hide_set() && verb.get_name() != "help");
        wanted.fixed.extend(verbs.map(|verb| Candidate {
            word: verb.get_name().to_owned(),
            description: verb.get_about().map(ToString::to_string),
        }));
    }
}

fn give(wanted: &mut Wanted, arg: &Arg, value: &str) {
    wanted
        .given
        .entry(arg.get_id().to_string())
        .or_default()
        .push(value.to_owned());
}

/// The argument of a flag, with the value in the same word.
fn flag<'a, 'w>(command: &'a Command, word: &'w str) -> Option<(&'a Arg, Option<&'w str>)> {
    let find = |fits: &dyn Fn(&Arg) -> bool| command.get_arguments().find(|arg| fits(arg));
    if let Some(long) = word.strip_prefix("--") {
        let (name, value) = long
            .split_once('=')
            .map_or((long, None), |(name, value)| (name, Some(value)));
        return find(&|arg| arg.get_long() == Some(name)).map(|arg| (arg, value));
    }
    let mut letters = word.strip_prefix('-')?.chars();
    let short = letters.next()?;
    let arg = find(&|arg| arg.get_short() == Some(short))?;
    let rest = letters.as_str();
    let value = (!rest.is_empty() && arg.get_action().takes_values()).then(|| rest.trim_start_matches('='));
    Some((arg, value))
}

fn flags(command: &Command) -> Vec<Candidate> {
    let shown = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && !arg.is_positional());
    let mut flags: Vec<Candidate> = shown
        .filter_map(|arg| {
            Some(Candidate {
                word: format!("--{}", arg.get_long()?),
                description: arg.get_help().map(ToString::to_string),
            })
        })
        .collect();
    flags.sort();
    flags
}

fn possible(arg: &Arg) -> Vec<Candidate> {
    let values = arg.get_possible_values();
    let shown = values.iter().filter(|value| !value.is_hide_set());
    shown
        .map(|value| Candidate {
            word: value.get_name().to_owned(),
            description: value.get_help().map(ToString::to_string),
        })
        .collect()
}

use clap::CommandFactory as _;

use super::*;
use crate::args::Cli;

fn asked(words: &[&str]) -> Wanted {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    wanted(&mut Cli::command(), &words)
}

fn fixed(words: &[&str]) -> Vec<String> {
    asked(words).fixed.into_iter().map(|candidate| candidate.word).collect()
}

#[test]
fn verbs_flags_and_values_are_candidates() {
    assert_eq!(
        fixed(&[""]),
        [
            "audit",
            "explain",
            "status",
            "adopt",
            "render",
            "rollout",
            "completion",
            "version"
        ]
    );
    assert_eq!(fixed(&["a"]), ["audit", "adopt"]);
    assert_eq!(fixed(&["audit", "--exc"]), ["--exclude-namespace"]);
    assert_eq!(fixed(&["audit", "-o", "j"]), ["json", "junit"]);
    assert_eq!(fixed(&["audit", "--output=y"]), ["--output=yaml"]);
    assert_eq!(
        fixed(&["--context", "x", "completion", ""]),
        ["bash", "zsh", "fish", "powershell", "kubectl"]
    );
    assert!(
        fixed(&["audit", "--"]).contains(&"--context".to_owned()),
        "flags of the connection too"
    );
    assert!(!fixed(&[""]).contains(&"__complete".to_owned()));
}

#[test]
fn values_of_a_cluster_are_asked_with_what_was_given() {
    let after = asked(&["--kubeconfig=f", "audit", "--context", "a", "-n", "te"]);
    assert_eq!((after.value_of.as_deref(), after.begun.as_str()), (Some("named"), "te"));
    assert_eq!(after.given["kubeconfig"], ["f"]);
    assert_eq!(after.given["contexts"], ["a"]);
    let joined = asked(&["status", "--context=pro"]);
    assert_eq!(
        (joined.value_of.as_deref(), joined.before.as_str()),
        (Some("contexts"), "--context=")
    );
    assert_eq!(asked(&["status", ""]).value_of.as_deref(), Some("name"));
    assert_eq!(asked(&["audit", "--login", "cps/"]).value_of.as_deref(), Some("login"));
    assert_eq!(asked(&["explain", ""]).value_of.as_deref(), Some("subject"));
}

#[test]
fn the_protocol_ends_with_no_files() {
    let candidate = |word: &str, description: Option<&str>| Candidate {
        word: word.to_owned(),
        description: description.map(str::to_owned),
    };
    let all = [
        candidate("a", Some("first\nsecond")),
        candidate("b", None),
        candidate("c\nd", None),
    ];
    assert_eq!(protocol(&all), "a\tfirst\nb\n:4\n");
    assert_eq!(protocol(&[]), ":4\n");
}

#[test]
fn each_shell_has_a_script() {
    for (shell, part) in [
        (Shell::Bash, "complete -F _kubectl__pullsecrets"),
        (Shell::Zsh, "#compdef kubectl-pullsecrets"),
        (Shell::Fish, "complete -c kubectl-pullsecrets"),
        (Shell::Powershell, "Register-ArgumentCompleter"),
        (Shell::Kubectl, "exec kubectl pullsecrets __complete \"$@\""),
    ] {
        let script = script(shell, Cli::command());
        assert!(script.contains(part), "{shell:?}: {script}");
    }
}

#[test]
fn each_verb_has_a_man_page() {
    let folder = std::env::temp_dir().join(format!("pullsecrets-man-{}", std::process::id()));
    write_man_pages(Cli::command(), &folder).unwrap();
    let page = std::fs::read_to_string(folder.join("kubectl-pullsecrets-audit.1")).unwrap();
    assert!(page.contains("exclude") && folder.join("kubectl-pullsecrets.1").exists());
    std::fs::remove_dir_all(&folder).unwrap();
}

use clap::CommandFactory as _;

use super::*;

fn parse(words: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from([&["kubectl-pullsecrets"], words].concat())
}

fn subject(words: &[&str]) -> Result<Subject, String> {
    match parse(&[&["explain"], words].concat()).unwrap().verb {
        Verb::Explain(args) => args.subject(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_flag_and_value_is_consistent() {
    Cli::command().debug_assert();
}

/// As with kubectl, flags of the connection may stand before or after the verb.
#[test]
fn flags_may_stand_before_or_after_the_verb() {
    for words in [
        &["--context", "a", "--context=b-*", "audit", "-q"][..],
        &["audit", "--context", "a", "--context=b-*", "-q"],
    ] {
        let cli = parse(words).unwrap();
        assert_eq!(cli.connection.contexts, ["a", "b-*"]);
        assert!(cli.quiet);
    }
}

#[test]
fn wrong_usage_is_refused_with_exit_code_2() {
    for words in [
        &["audit", "--context", "a", "--all-contexts"][..],
        &["audit", "--as-group", "a"],
        &["audit", "--probe"],
        &["audit", "--login", "a/b/c"],
        &["audit", "--login", "cps/"],
        &["audit", "https://user:CANARY@example.com"],
        &["audit", "--from-dump", "x", "--context", "a"],
        &["audit", "-o", "xml"],
        &["completion", "tcsh"],
        &["render"],
        &["explain"],
        &[],
    ] {
        let error = parse(words).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{words:?}");
    }
}

#[test]
fn login_sources_have_three_forms() {
    let source = |text: &str| text.parse::<LoginSource>();
    let secret = |namespace: Option<&str>| LoginSource::Secret {
        namespace: namespace.map(str::to_owned),
        name: "b".to_owned(),
    };
    assert_eq!(source("b"), Ok(secret(None)));
    assert_eq!(source("a/b"), Ok(secret(Some("a"))));
    assert_eq!(source("cps/b"), Ok(LoginSource::Object("b".to_owned())));
    assert!(source("").is_err() && source("a/").is_err() && source("/b").is_err());
}

#[test]
fn subjects_have_the_names_that_kubectl_knows() {
    assert_eq!(subject(&["pod", "a"]), Ok(Subject::Pod("a".to_owned())));
    assert_eq!(
        subject(&["deploy/a"]),
        Ok(Subject::Workload("Deployment", "a".to_owned()))
    );
    assert_eq!(subject(&["sa/a"]), Ok(Subject::Account("a".to_owned())));
    let image = "ghcr.io/acme/app:1";
    assert_eq!(subject(&["image", image]), Ok(Subject::Image(image.to_owned())));
    assert_eq!(
        subject(&[&format!("image/{image}")]),
        Ok(Subject::Image(image.to_owned()))
    );
    assert!(subject(&["node/a"]).unwrap_err().contains("is no kind"));
    assert!(subject(&["pod"]).unwrap_err().contains("has no name"));
}

#[test]
fn namespaces_are_named_globbed_and_excluded() {
    let namespaces = |named: &[&str], excluded: &[&str]| Namespaces {
        named: named.iter().map(ToString::to_string).collect(),
        excluded: excluded.iter().map(ToString::to_string).collect(),
    };
    let all = namespaces(&[], &["kube-*"]);
    assert!(all.selects("a") && !all.selects("kube-system"));
    assert_eq!(all.exact(), None);
    let some = namespaces(&["team-?", "a"], &["team-b"]);
    assert!(some.selects("team-a") && some.selects("a") && !some.selects("team-b") && !some.selects("b"));
    assert_eq!(some.exact(), None);
    let named = namespaces(&["a", "b"], &[]);
    assert_eq!(named.exact().map(<[String]>::len), Some(2));
}

/// A password never stands on the command line, and what stands there by mistake is not repeated.
#[test]
fn no_usage_error_repeats_a_password() {
    let login = ["rollout", "--server", "a.example.com", "--username", "u"];
    for words in [
        &["--password=CANARY"][..],
        &["--password", "CANARY"],
        &["-p", "CANARY"],
        &["-pCANARY"],
        &["--password-stdin", "--password", "CANARY"],
        &["--password-stdin=CANARY"],
    ] {
        let error = parse(&[&login, words].concat()).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{words:?}");
        let error = redacted(error).to_string();
        assert!(!error.contains("CANARY"), "{words:?}: {error}");
    }
}

#[test]
fn a_rollout_has_a_file_or_a_login() {
    let login = &["--server", "a.example.com", "--username", "u", "--password-stdin"][..];
    for words in [
        &["-f", "a"][..],
        login,
        &[login, &["--ignore", "a,b-*", "--name", "x"]].concat(),
        &["-f", "a", "--install"],
        &["-f", "a", "--delete"],
        &["--server", "a.example.com", "--delete"],
        &["-f", "a", "--dry-run=server"],
    ] {
        parse(&[&["rollout"], words].concat()).unwrap();
    }
    for words in [
        &[][..],
        &["-f", "a", "--server", "b"],
        &["-f", "a", "--username", "u"],
        &["-f", "a", "--ignore", "x"],
        &["--server", "a.example.com"],
        &["--server", "a.example.com", "--username", "u"],
        &["-f", "a", "--image", "x"],
        &["-f", "a", "--delete", "--install"],
        &["-f", "a", "--dry-run=client"],
        &["-f", "a", "--timeout", "5"],
        &["-f", "a", "-o", "junit"],
    ] {
        let error = parse(&[&["rollout"], words].concat()).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{words:?}");
    }
}

#[test]
fn adopt_writes_only_if_it_is_asked_to() {
    let adopt = |words: &[&str]| match parse(&[&["adopt"], words].concat()).unwrap().verb {
        Verb::Adopt(args) => args,
        other => panic!("{other:?}"),
    };
    let plain = adopt(&[]);
    assert!(!plain.apply && !plain.undo && plain.dry_run.is_none());
    let asked = adopt(&[
        "--from",
        "kyverno",
        "--from=name=regcred",
        "--apply",
        "--dry-run=server",
        "-n",
        "a",
    ]);
    assert_eq!(asked.from, ["kyverno", "name=regcred"]);
    assert!(asked.apply && asked.dry_run == Some(DryRun::Server));
    for words in [
        &["adopt", "--from", "unknown"][..],
        &["adopt", "--from", "name="],
        &["adopt", "--apply", "--undo"],
        &["adopt", "--from-dump", "x", "--apply"],
        &["adopt", "--dry-run=client"],
    ] {
        assert_eq!(parse(words).unwrap_err().exit_code(), 2, "{words:?}");
    }
}

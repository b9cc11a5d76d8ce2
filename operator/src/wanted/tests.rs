//! Tests of the words that objects ask for.

use super::*;

fn by(object: &str) -> Asker {
    Asker::Objects(object.into())
}

#[tokio::test(start_paused = true)]
async fn a_new_word_asks_for_a_new_list() {
    let wanted = Wanted::new(&["exclude"]);
    wanted.begin();
    assert_eq!(wanted.want(by("a"), ["exclude"]), 0);
    let more = |within| tokio::time::timeout(Duration::from_secs(within), wanted.more());
    assert!(more(60).await.is_err(), "it was listed already");
    assert_eq!(wanted.want(by("a"), ["team", "exclude"]), 1);
    assert_eq!(wanted.want(by("b"), ["team"]), 1);
    assert!(more(1).await.is_ok());
    wanted.begin();
    assert_eq!(wanted.listing(), 1);
    assert!(more(60).await.is_err());
}

#[test]
fn words_of_former_editions_are_forgotten() {
    let wanted = Wanted::new(&["exclude"]);
    wanted.want(by("b"), ["shared"]);
    for edition in 0..1_000 {
        let words = [format!("key-{edition}"), "shared".to_owned()];
        wanted.want(by("a"), words.iter().map(String::as_str));
    }
    assert_eq!(wanted.words().held.len(), 3);
    assert!(wanted.has("key-999") && wanted.has("shared") && wanted.has("exclude"));
    wanted.want(by("a"), []);
    assert_eq!(wanted.words().held.len(), 2);
    assert!(wanted.words().asked.len() == 2 && wanted.has("shared"));
}

#[test]
fn a_word_that_was_forgotten_is_listed_again() {
    let wanted = Wanted::new(&[]);
    let first = wanted.want(by("a"), ["team"]);
    wanted.want(by("a"), []);
    assert_eq!(wanted.edition(["team"]), None);
    assert!(wanted.want(by("a"), ["team"]) > first);
}

#[test]
fn words_stay_until_both_controllers_drop_them() {
    let wanted = Wanted::new(&[]);
    wanted.want(by("a"), ["old"]);
    let namespaces = || Asker::Namespaces("a".into());
    wanted.want(namespaces(), ["old"]);
    wanted.want(by("a"), ["new"]);
    assert!(wanted.has("old"), "the namespace loop was not told yet");
    wanted.want_too(namespaces(), ["new"]);
    assert!(wanted.has("old"), "the new one waits for a list");
    wanted.want(namespaces(), ["new"]);
    assert!(!wanted.has("old"));
}

#[test]
fn labels_that_nobody_selects_by_are_dropped() {
    let keys = LabelKeys::new();
    keys.accounts.want(by("a"), ["team"]);
    let mut labels: Labels = [("team", "a"), ("theirs", "x"), (LABEL_EXCLUDE, "true")]
        .into_iter()
        .collect();
    prune(&mut labels, &keys.accounts);
    assert_eq!(labels.iter().count(), 2);
    prune(&mut labels, &keys.namespaces);
    assert_eq!(labels.iter().collect::<Vec<_>>(), [(LABEL_EXCLUDE, "true")]);
}

//! Verdicts of the tools' own engines, with this project's configuration for them.

use std::fmt;
use std::io::Write as _;
use std::process::{Command, Stdio};

use e2e::binaries;
use e2e::wait::blocking;
use serde_json::Value;

/// The readers of a status: the name of each, and what `e2e/readers` calls it, with its file.
pub(crate) const READERS: [(&str, &[&str]); 9] = [
    ("Argo CD", &["argo-cd", "config/argocd/health.yaml"]),
    ("Argo CD, in its sources", &["argo-cd", HEALTH_SCRIPT]),
    ("Flux", &["flux", "config/samples/flux-kustomization.yaml"]),
    ("kstatus", &["kstatus"]),
    ("Helm", &["helm"]),
    ("Karmada", &["karmada", "config/fleet/karmada.yaml"]),
    ("OCM", &["ocm", "config/fleet/ocm.yaml"]),
    ("Sveltos", &["sveltos", "config/fleet/sveltos.yaml"]),
    ("Rancher", &["rancher"]),
];

/// The health script in the form of Argo CD's sources.
pub(crate) const HEALTH_SCRIPT: &str =
    "config/fleet/argo-cd/resource_customizations/pullsecrets.dev/ClusterPullSecret/health.lua";

/// One word for an object from each of [`READERS`], in their order.
pub(crate) type Words = [&'static str; READERS.len()];

/// The words of the readers for one object, with what else each of them says.
#[derive(Clone)]
pub(crate) struct Verdict(Vec<Value>);

impl Verdict {
    /// Returns the word of one of [`READERS`].
    pub(crate) fn of(&self, reader: &str) -> &str {
        let at = READERS.iter().position(|(name, _)| *name == reader);
        self.word(at.expect("a reader of that name"))
    }

    fn word(&self, at: usize) -> &str {
        self.0[at]["status"].as_str().expect("a word")
    }

    /// Returns whether all readers say these words.
    pub(crate) fn is(&self, words: Words) -> bool {
        words.into_iter().enumerate().all(|(at, word)| self.word(at) == word)
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = READERS.iter().enumerate().map(|(at, (name, _))| (name, self.word(at)));
        formatter.debug_map().entries(words).finish()
    }
}

/// Returns the verdicts on these objects, in order.
pub(crate) async fn judge(objects: &[Value]) -> Vec<Verdict> {
    let mut verdicts = vec![Vec::new(); objects.len()];
    for (_, arguments) in READERS {
        let answers = ask(arguments, objects).await;
        assert_eq!(answers.len(), objects.len(), "{arguments:?}");
        for (verdict, answer) in verdicts.iter_mut().zip(answers) {
            verdict.push(answer);
        }
    }
    verdicts.into_iter().map(Verdict).collect()
}

/// Returns the answer of one reader to each object.
pub(crate) async fn ask(arguments: &[&str], objects: &[Value]) -> Vec<Value> {
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let lines = objects.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let answer = blocking(move || {
        let mut child = Command::new(binaries::readers()?)
            .args(&arguments)
            .current_dir(e2e::workspace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().expect("standard input");
        // Written in a second thread: the child answers each object at once, and this thread reads only later.
        let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
        let output = child.wait_with_output()?;
        writer.join().expect("the writer")?;
        anyhow::ensure!(output.status.success(), "{arguments:?} failed");
        Ok(String::from_utf8(output.stdout)?)
    });
    let answer = answer.await.unwrap();
    answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

//! The kubelet's own keyring in a separate process; see `keyring.go` of the control plane.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crd::names::{DOCKER_CONFIG_KEY, DOCKER_CONFIG_TYPE};
use serde::Deserialize;
use serde_json::json;

/// A pull secret: its type, and its data before base64.
#[derive(Clone, Debug)]
pub(crate) struct Secret {
    pub(crate) kind: String,
    pub(crate) data: Vec<(String, Vec<u8>)>,
}

impl Secret {
    pub(crate) fn docker_config(text: Vec<u8>) -> Self {
        Self {
            kind: DOCKER_CONFIG_TYPE.to_owned(),
            data: vec![(DOCKER_CONFIG_KEY.to_owned(), text)],
        }
    }
}

/// A question to the kubelet: the pull secrets and images of a pod.
pub(crate) struct Question<'a> {
    pub(crate) secrets: Vec<Secret>,
    pub(crate) images: &'a [String],
}

/// Normalised key of an entry, user name, password.
pub(crate) type Login = (String, String, String);

/// The kubelet's answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    /// Why the kubelet refuses the secrets, and with them every pull of the pod.
    #[serde(default)]
    pub(crate) error: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) logins: Vec<Login>,
    /// Per image, the positions of the logins that it would try; `None` if it refuses the name.
    #[serde(default, deserialize_with = "null_is_empty")]
    images: Vec<Option<Vec<usize>>>,
}

impl Answer {
    /// The logins that it would try for this image, in its order; those of one key by user name.
    pub(crate) fn tried(&self, image: usize) -> Option<Vec<&Login>> {
        let positions = self.images[image].as_ref()?;
        Some(positions.iter().map(|&at| &self.logins[at]).collect())
    }

    pub(crate) fn lookups(&self) -> usize {
        self.images.len()
    }
}

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

pub(crate) struct Kubelet {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Kubelet {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut process = Command::new(&e2e::binaries::binaries()?.controlplane)
            .arg("keyring")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let questions = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("stdout is piped"));
        Ok(Self {
            process,
            questions,
            answers,
        })
    }

    /// Returns one answer for each question.
    pub(crate) fn ask(&mut self, questions: &[Question<'_>]) -> anyhow::Result<Vec<Answer>> {
        let Self {
            questions: input,
            answers,
            ..
        } = self;
        let input = input.as_mut().expect("open until dropped");
        thread::scope(|scope| {
            // Writes while it reads, because a pipe holds less than a batch in either direction.
            let writing = scope.spawn(move || -> std::io::Result<()> {
                for question in questions {
                    input.write_all(&line(question))?;
                }
                input.flush()
            });
            let answers = questions.iter().map(|_| {
                let mut line = String::new();
                answers.read_line(&mut line)?;
                anyhow::ensure!(!line.is_empty(), "the kubelet's keyring ended before its answer");
                Ok(serde_json::from_str(&line)?)
            });
            let answers = answers.collect();
            writing.join().expect("the writer does not panic")?;
            answers
        })
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        // The process ends with its input.
        drop(self.questions.take());
        let _ = self.process.wait();
    }
}

fn line(question: &Question<'_>) -> Vec<u8> {
    let secrets = question.secrets.iter().map(|secret| {
        let data = secret
            .data
            .iter()
            .map(|(key, value)| (key.clone(), STANDARD.encode(value).into()));
        json!({"type": secret.kind, "data": data.collect::<serde_json::Map<_, _>>()})
    });
    let line = json!({"secrets": secrets.collect::<Vec<_>>(), "images": question.images});
    format!("{line}\n").into_bytes()
}

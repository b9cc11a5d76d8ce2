//! The kubelet's own keyring in a separate process; see `keyring.go` of the control plane.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use crate::binaries::binaries;

/// A pull secret: its type, and its data before base64.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Its type.
    pub kind: String,
    /// Its data by key.
    pub data: Vec<(String, Vec<u8>)>,
}

impl Secret {
    /// A docker config in its usual type.
    pub fn docker_config(text: Vec<u8>) -> Self {
        Self {
            kind: "kubernetes.io/dockerconfigjson".to_owned(),
            data: vec![(".dockerconfigjson".to_owned(), text)],
        }
    }
}

/// A question to the kubelet: the pull secrets and images of a pod.
pub struct Question<'a> {
    /// The pull secrets, in the order of the pod.
    pub secrets: Vec<Secret>,
    /// The images.
    pub images: &'a [String],
}

/// Normalised key of an entry, user name, password.
pub type Login = (String, String, String);

/// The kubelet's answer.
#[derive(Debug, Deserialize)]
pub struct Answer {
    /// Why the kubelet refuses the secrets, and with them every pull of the pod.
    #[serde(default)]
    pub error: Option<String>,
    /// All that it read, in its order.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub logins: Vec<Login>,
    /// Per image, the positions of the logins that it would try; `None` if it refuses the name.
    #[serde(default, deserialize_with = "null_is_empty")]
    images: Vec<Option<Vec<usize>>>,
}

impl Answer {
    /// The logins that it would try for this image, in its order; those of one key by user name.
    pub fn tried(&self, image: usize) -> Option<Vec<&Login>> {
        let positions = self.images[image].as_ref()?;
        Some(positions.iter().map(|&at| &self.logins[at]).collect())
    }

    /// The number of images that it was asked about.
    pub fn lookups(&self) -> usize {
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

/// The process.
pub struct Kubelet {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Kubelet {
    /// Starts the process, which ends when this is dropped.
    ///
    /// # Panics
    ///
    /// Never: its output is piped.
    pub fn start() -> anyhow::Result<Self> {
        let mut process = Command::new(&binaries()?.controlplane)
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
    ///
    /// # Panics
    ///
    /// If the thread that writes the questions does.
    pub fn ask(&mut self, questions: &[Question<'_>]) -> anyhow::Result<Vec<Answer>> {
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

//! Whether a login may go to a host that the Secret does not name.

use std::collections::BTreeMap;

use tokio::sync::Mutex;

use crate::input::ask;

/// What to answer where no key of the Secret names the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Ask a person at the terminal.
    Ask,
    /// Yes, as a flag says.
    Yes,
    /// No: there is no terminal.
    No,
}

/// Remembers the answer for each host, so that each is asked for once.
pub struct Permission {
    answer: Answer,
    given: Mutex<BTreeMap<String, bool>>,
}

impl Permission {
    /// Makes one without answers.
    pub fn new(answer: Answer) -> Self {
        Self {
            answer,
            given: Mutex::new(BTreeMap::new()),
        }
    }

    /// Returns whether the login of `registry` may go to `host`. Questions come one at a time.
    pub(super) async fn to_send(&self, registry: &str, host: &str) -> bool {
        let mut given = self.given.lock().await;
        if let Some(known) = given.get(host) {
            return *known;
        }
        let answer = match self.answer {
            Answer::Yes => true,
            Answer::No => false,
            Answer::Ask => {
                ask(format!(
                    "{registry} wants the login at {host}, which the Secret does not name. Send it? [y/N] "
                ))
                .await
            }
        };
        given.insert(host.to_owned(), answer);
        answer
    }

    /// Returns the hosts to which no login was sent.
    pub async fn refused(&self) -> Vec<String> {
        let given = self.given.lock().await;
        given
            .iter()
            .filter(|(_, may)| !**may)
            .map(|(host, _)| host.clone())
            .collect()
    }
}

//! Which namespace the next round tries: the operator's own first, then all namespaces of the cluster in turn.
//!
//! An unclear answer in another namespace is no proof, so the next round is in the operator's own namespace. A
//! namespace where the server accepted a dry run is tried until it no longer does.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use plan::restraint::Round;

use crate::api::call::DEADLINE;

/// Where rounds take place.
#[derive(Debug, Default)]
pub(super) struct Tour {
    /// The next round may be in another namespace.
    is_away: bool,
    /// The namespace of the round that is not over yet.
    current: Option<String>,
    /// The server's token for the list behind the last namespace.
    token: Option<String>,
}

impl Tour {
    /// Returns the namespace of the next round. `None` is the operator's own.
    pub(super) async fn namespace(&mut self, client: Client) -> Option<String> {
        if !self.is_away {
            return None;
        }
        if self.current.is_none() {
            self.current = tokio::time::timeout(DEADLINE, self.list_next(client))
                .await
                .ok()
                .flatten();
        }
        self.current.clone()
    }

    /// Lists one namespace, behind the last one.
    async fn list_next(&mut self, client: Client) -> Option<String> {
        let mut params = ListParams::default().limit(1);
        if let Some(token) = &self.token {
            params = params.continue_token(token);
        }
        let api: Api<Namespace> = Api::all(client);
        match api.list_metadata(&params).await {
            Ok(mut list) => {
                self.token = list.metadata.continue_.filter(|token| !token.is_empty());
                list.items.pop().map(|namespace| namespace.name_any())
            }
            Err(kube::Error::Api(status)) if status.code == 410 => {
                // The version of the list is compacted. The server sends a token with which it goes on from there.
                let token = status.metadata.and_then(|metadata| metadata.continue_);
                self.token = token.filter(|token| !token.is_empty());
                None
            }
            Err(_) => None,
        }
    }

    /// Records the round that ended.
    pub(super) fn record(&mut self, round: &Round) {
        let is_accepted_here = matches!(round, Round::Accepted(_));
        self.is_away = match round {
            Round::Refused => true,
            Round::Accepted(_) => self.current.is_some(),
            Round::Skipped | Round::Unclear(_) => false,
        };
        if !is_accepted_here {
            self.current = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(tour: &mut Tour, current: Option<&str>, round: &Round) -> (bool, Option<String>) {
        tour.current = current.map(ToOwned::to_owned);
        tour.record(round);
        (tour.is_away, tour.current.clone())
    }

    #[test]
    fn an_accepted_dry_run_is_repeated_in_its_namespace() {
        let mut tour = Tour::default();
        let accepted = Round::Accepted("accepted".into());
        assert_eq!(after(&mut tour, None, &accepted), (false, None));
        assert_eq!(after(&mut tour, None, &Round::Refused), (true, None));
        assert_eq!(after(&mut tour, Some("a"), &accepted), (true, Some("a".to_owned())));
        assert_eq!(after(&mut tour, Some("a"), &Round::Refused), (true, None));
    }

    #[test]
    fn unclear_answers_lead_to_the_own_namespace() {
        let mut tour = Tour::default();
        for round in [Round::Skipped, Round::Unclear("unclear".into())] {
            assert_eq!(after(&mut tour, Some("a"), &round), (false, None));
        }
    }
}

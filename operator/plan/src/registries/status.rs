//! The status of one registry.

use crd::{Reason, RegistryState, RegistryStatus};

use super::contribution::{Contribution, Known};
use super::problem::Problem;

/// Returns the status of one registry. `superseded` are its servers that another registry decides.
pub(super) fn status(
    contribution: &Contribution<'_>,
    problem: Option<&Problem>,
    superseded: &[String],
    known: &Known<'_>,
) -> RegistryStatus {
    let warning = contribution.warning().map(str::to_owned);
    let (state, reason, message) = match problem {
        None if !superseded.is_empty() => {
            let message = format!(
                "another registry of this object provides the login for: {}",
                superseded.join(", ")
            );
            let message = warning.map_or(message.clone(), |warning| format!("{message}; {warning}"));
            (RegistryState::Ready, Reason::Superseded, Some(message))
        }
        None => (RegistryState::Ready, Reason::Resolved, warning),
        Some(problem) => {
            let still = match known {
                Known::Own(_) if contribution.now.is_some() => String::new(),
                Known::Own(_) => "; copies keep the last good login".to_owned(),
                Known::Tied(saved) => {
                    let origin = saved.iter().find_map(|(_, saved)| saved.origin.as_ref());
                    let from = origin.map_or_else(
                        || "from an unknown source".to_owned(),
                        |origin| match &contribution.resolution.origin {
                            Some(now) if now.to_string() == origin.to_string() => {
                                format!("from secret {:?}, keys {:?}", origin.to_string(), origin.keys)
                            }
                            _ => format!("from secret {:?}", origin.to_string()),
                        },
                    );
                    format!("; existing copies keep the login {from}, and no other namespace gets it")
                }
                Known::Unknown => String::new(),
            };
            let message = format!("{}{still}", problem.message);
            (RegistryState::NotReady, problem.reason, Some(message))
        }
    };
    let status = RegistryStatus::new(contribution.resolution.server.clone(), state, reason, message);
    status.with_servers(contribution.servers(known))
}

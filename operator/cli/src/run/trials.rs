//! `audit --login`: what registries answer.

use crate::args::AuditArgs;
use crate::audit::{Options, images};
use crate::cluster::Connected;
use crate::login::{Answer, Permission, Registries, offers};
use crate::output::{asks, note};
use crate::verdict::{Evidence, LoginOutcome, Probe};
use crate::world::{Text, Unseen, World};

/// Tries the logins of the flag, if it is given. The error says which Secret could not be read.
pub(super) async fn evidence(
    connected: &Connected,
    world: &mut World,
    (args, quiet): (&AuditArgs, bool),
    options: &Options,
) -> Result<Evidence, Unseen> {
    let mut evidence = Evidence::default();
    let Some(source) = &args.login else {
        return Ok(evidence);
    };
    let offers = offers(connected, source, &mut world.logins).await?;
    let answer = match (args.yes, asks()) {
        (true, _) => Answer::Yes,
        (false, true) => Answer::Ask,
        (false, false) => Answer::No,
    };
    let Ok(registries) = Registries::new(Permission::new(answer)) else {
        note("this machine has no certificate authorities, so no login was tried");
        return Ok(evidence);
    };
    let images = images(world, options);
    for trial in registries.try_logins(&offers, images.iter().map(Text::as_str)).await {
        if let Some(login) = trial.login {
            evidence.login(login, &trial.image, trial.outcome);
        }
    }
    if args.probe {
        for trial in registries.probe(images.iter().map(Text::as_str)).await {
            let probe = match trial.outcome {
                LoginOutcome::Accepted => Probe::Open,
                LoginOutcome::Unknown => Probe::Unknown,
                LoginOutcome::Refused => Probe::Closed,
            };
            evidence.probe(&trial.image, probe);
        }
    }
    for host in registries.withheld().await.iter().filter(|_| !quiet) {
        note(&format!(
            "no login was sent to {host}, which the Secret does not name: --yes allows it"
        ));
    }
    Ok(evidence)
}

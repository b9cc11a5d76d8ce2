//! Oracle of the references: each expected account has one, recorded as the operator's, and no other account has one.

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use super::{ATTACHED, Expected, list};

pub(super) async fn check(client: &Client, expected: &Expected) -> Result<(), String> {
    check_on(&Api::all(client.clone()), expected).await
}

pub(super) async fn check_in(client: &Client, expected: &Expected, namespace: &str) -> Result<(), String> {
    check_on(&Api::namespaced(client.clone(), namespace), expected).await
}

async fn check_on(api: &Api<ServiceAccount>, expected: &Expected) -> Result<(), String> {
    let accounts = list(api, &ListParams::default()).await?;
    let mut found = 0;
    for account in &accounts {
        let (namespace, name) = (account.namespace().unwrap_or_default(), account.name_any());
        let wanted = expected
            .holders
            .get(&namespace)
            .is_some_and(|names| names.contains(&name));
        found += usize::from(wanted);
        let counts = (
            references(account, &expected.secret),
            records(account, &expected.secret),
        );
        let right = usize::from(wanted);
        if counts != (right, right) {
            let (references, records) = counts;
            return Err(format!(
                "serviceaccount {namespace}/{name} refers {references} times to {} and records it {records} times, \
                 {right} expected of each",
                expected.secret
            ));
        }
    }
    let wanted: usize = expected.holders.values().map(std::collections::BTreeSet::len).sum();
    if found != wanted {
        return Err(format!("{found} of the {wanted} expected ServiceAccounts exist"));
    }
    Ok(())
}

fn references(account: &ServiceAccount, secret: &str) -> usize {
    let entries = account.image_pull_secrets.iter().flatten();
    entries.filter(|entry| entry.name == secret).count()
}

fn records(account: &ServiceAccount, secret: &str) -> usize {
    let names = account.annotations().get(ATTACHED).map_or("", String::as_str);
    names.split(',').filter(|name| name.trim() == secret).count()
}

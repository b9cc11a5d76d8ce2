//! Tools that own an installation.

use crate::cluster::Metadata;

/// Field managers, and the tools that use them.
const MANAGERS: [(&str, &str); 6] = [
    ("helm", "Helm"),
    ("helm-controller", "Flux"),
    ("kustomize-controller", "Flux"),
    ("flux-client-side-apply", "Flux"),
    ("argocd-controller", "Argo CD"),
    ("argocd-application-controller", "Argo CD"),
];

/// Returns the tool that owns an object, by the field managers that wrote it. Such a tool would undo what another writes.
pub(in super::super) fn owner(metadata: &Metadata) -> Option<&'static str> {
    let known = |manager: &str| {
        MANAGERS
            .iter()
            .find(|(name, _)| *name == manager)
            .map(|(_, tool)| *tool)
    };
    metadata.managers().find_map(known)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_tools_that_reconcile_own_an_installation() {
        let owner_of = |manager: &str| {
            let metadata = json!({"managedFields": [{"manager": "kubectl-edit"}, {"manager": manager}]});
            owner(&serde_json::from_value(metadata).unwrap())
        };
        assert_eq!(owner_of("helm"), Some("Helm"));
        assert_eq!(owner_of("kustomize-controller"), Some("Flux"));
        assert_eq!(owner_of("argocd-controller"), Some("Argo CD"));
        assert_eq!(owner_of("kubectl-client-side-apply"), None);
    }
}

//! Linker settings of programs that ask for the version of Kubernetes in their own binary.

use std::fmt::Write as _;

use anyhow::Context;

/// Returns linker settings that embed the Kubernetes release, from the version that `go.mod` requires.
///
/// Without them `kubectl version` fails, and so do programs that parse the server's version as semver. A wrong minor
/// version would change the server's feature gates, so the version has one source.
pub(super) fn kubernetes_version(module: &str) -> anyhow::Result<String> {
    let version = required(module, "k8s.io/kubernetes")?;
    let (major, rest) = version.split_once('.').context("a version of Kubernetes")?;
    let (minor, _) = rest.split_once('.').context("a version of Kubernetes")?;
    let package = "k8s.io/component-base/version";
    Ok(format!(
        "-s -w -X {package}.gitVersion=v{version} -X {package}.gitMajor={major} \
         -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean"
    ))
}

/// Returns linker settings that tell Helm 3 which Kubernetes it was made for, as its release builds do. Without them it
/// renders charts for Kubernetes 1.20, and refuses those that need a later one. Helm 4 finds the version by itself.
pub(super) fn newest_kubernetes_of_helm_3(module: &str) -> anyhow::Result<String> {
    let client = required(module, "k8s.io/client-go")?;
    let minor = client.split('.').nth(1).context("a version of client-go")?;
    let mut settings = "-s -w".to_owned();
    for package in ["pkg/chartutil", "pkg/lint/rules"] {
        let package = format!("helm.sh/helm/v3/{package}");
        write!(
            settings,
            " -X {package}.k8sVersionMajor=1 -X {package}.k8sVersionMinor={minor}"
        )?;
    }
    Ok(settings)
}

/// Returns the version, without `v`, that the text of a `go.mod` requires of a module.
fn required<'a>(text: &'a str, module: &str) -> anyhow::Result<&'a str> {
    let prefix = format!("{module} v");
    text.lines()
        .filter_map(|line| line.trim().strip_prefix(prefix.as_str()))
        .find_map(|rest| rest.split_whitespace().next())
        .with_context(|| format!("go.mod requires no {module}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The server is built with the release that go.mod requires.
    #[test]
    fn server_reports_release_of_go_mod() {
        let flags = kubernetes_version("require (\n\tk8s.io/kubernetes v1.36.4\n)\n").unwrap();
        assert!(flags.contains("gitVersion=v1.36.4 "), "{flags}");
        assert!(flags.contains("gitMinor=36 "), "{flags}");
        assert!(kubernetes_version("module example.invalid/empty\n").is_err());
    }

    /// Helm 3 renders for the Kubernetes of its client.
    #[test]
    fn helm_3_knows_kubernetes_of_its_client() {
        let flags = newest_kubernetes_of_helm_3("require (\n\tk8s.io/client-go v0.37.2 // indirect\n)\n").unwrap();
        assert!(flags.contains("chartutil.k8sVersionMinor=37 "), "{flags}");
        assert!(newest_kubernetes_of_helm_3("module example.invalid/empty\n").is_err());
    }
}

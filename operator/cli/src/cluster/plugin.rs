//! Exec plugins of a kubeconfig, which print a credential.
//!
//! The plugin runs here and not in kube. So it runs once for each context and not once for each part of a client, and no
//! error holds what it printed.

use std::collections::HashMap;
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::{AuthInfo, ExecAuthCluster, ExecConfig, ExecInteractiveMode};
use serde::{Deserialize, Serialize};

use crate::input::up_to;

/// The longest output that is read: a credential.
const LONGEST: u64 = 1024 * 1024;

/// What the plugin gets in `KUBERNETES_EXEC_INFO`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    api_version: Option<&'a str>,
    kind: &'static str,
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Spec<'a> {
    interactive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a ExecAuthCluster>,
}

/// What the plugin prints. Without `Debug`, because it is the credential.
#[derive(Deserialize)]
struct Answer {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// Runs the plugin of this user, if it has one, and puts its credential in the plugin's place. A plugin may ask a person
/// only if `terminal` is set. The error names the command and its exit status.
pub(super) fn run(user: &mut AuthInfo, terminal: bool) -> Result<(), String> {
    // kubectl prefers the other credentials of a user too.
    if user.token.is_some() || user.token_file.is_some() || user.auth_provider.is_some() {
        return Ok(());
    }
    let Some(plugin) = user.exec.take() else {
        return Ok(());
    };
    let command = plugin.command.as_deref().unwrap_or_default();
    let shown = command.rsplit(['/', '\\']).next().unwrap_or_default();
    let printed = printed(&plugin, command, shown, terminal)?;
    let answer: Answer = serde_saphyr::from_slice(&printed)
        .map_err(|_| format!("the exec plugin {shown:?} printed no ExecCredential"))?;
    let status = answer
        .status
        .ok_or_else(|| format!("the exec plugin {shown:?} printed no credential"))?;
    match (status.token, status.client_certificate_data, status.client_key_data) {
        (None, Some(certificate), Some(key)) => set_certificate(user, &certificate, &key),
        (Some(token), Some(certificate), Some(key)) => {
            set_certificate(user, &certificate, &key);
            user.token = Some(token.into());
        }
        (Some(token), ..) => user.token = Some(token.into()),
        (None, ..) => return Err(format!("the exec plugin {shown:?} printed no credential")),
    }
    Ok(())
}

/// A kubeconfig has both in base64, a plugin prints them as they are.
fn set_certificate(user: &mut AuthInfo, certificate: &str, key: &str) {
    user.client_certificate_data = Some(STANDARD.encode(certificate));
    user.client_key_data = Some(STANDARD.encode(key).into());
}

fn printed(plugin: &ExecConfig, command: &str, shown: &str, terminal: bool) -> Result<Vec<u8>, String> {
    let mode = plugin.interactive_mode.as_ref();
    if mode == Some(&ExecInteractiveMode::Always) && !terminal {
        return Err(format!(
            "the exec plugin {shown:?} wants to ask a person, and there is no terminal"
        ));
    }
    let interactive = terminal && mode != Some(&ExecInteractiveMode::Never);
    let request = Request {
        api_version: plugin.api_version.as_deref(),
        kind: "ExecCredential",
        spec: Spec {
            interactive,
            cluster: plugin.cluster.as_ref().filter(|_| plugin.provide_cluster_info),
        },
    };
    let request = serde_json::to_string(&request).map_err(|_| format!("cannot call the exec plugin {shown:?}"))?;
    let variables = plugin.env.iter().flatten().filter_map(variable);
    // Where a plugin may ask, it needs the terminal. Otherwise what it says goes nowhere, since it may say a token.
    let (input, errors) = if interactive {
        (Stdio::inherit(), Stdio::inherit())
    } else {
        (Stdio::null(), Stdio::null())
    };
    let mut child = Command::new(command)
        .args(plugin.args.iter().flatten())
        .envs(variables)
        .env("KUBERNETES_EXEC_INFO", request)
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .map_err(|error| failed(shown, error.kind()))?;
    let (status, printed) = ended(&mut child).map_err(|error| failed(shown, error.kind()))?;
    let printed = printed.ok_or_else(|| format!("the exec plugin {shown:?} printed more than 1 MiB"))?;
    if status.success() {
        return Ok(printed);
    }
    // A signal has no code.
    let code = status
        .code()
        .map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
    Err(format!(
        "the exec plugin {shown:?} failed with {code}: run it by hand to see why"
    ))
}

/// Why a plugin could not be run.
fn failed(shown: &str, error: io::ErrorKind) -> String {
    let hint = match error {
        io::ErrorKind::NotFound => "it is not installed, or not on PATH".to_owned(),
        kind => kind.to_string(),
    };
    format!("cannot run the exec plugin {shown:?}: {hint}")
}

/// Waits for a plugin, and returns what it printed, or none if that was too much. Then the plugin is killed.
fn ended(child: &mut Child) -> io::Result<(ExitStatus, Option<Vec<u8>>)> {
    let printed = child.stdout.take().map(|printed| up_to(printed, LONGEST));
    let printed = printed.unwrap_or_else(|| Ok(Some(Vec::new())));
    if !matches!(printed, Ok(Some(_))) {
        let _ = child.kill();
    }
    Ok((child.wait()?, printed?))
}

fn variable(entry: &HashMap<String, String>) -> Option<(&String, &String)> {
    entry.get("name").zip(entry.get("value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(script: &str) -> AuthInfo {
        let exec = ExecConfig {
            api_version: Some("client.authentication.k8s.io/v1".to_owned()),
            command: Some("/bin/sh".to_owned()),
            args: Some(vec!["-c".to_owned(), script.to_owned()]),
            env: Some(vec![HashMap::from([
                ("name".to_owned(), "GIVEN".to_owned()),
                ("value".to_owned(), "from-env".to_owned()),
            ])]),
            ..ExecConfig::default()
        };
        AuthInfo {
            exec: Some(exec),
            ..AuthInfo::default()
        }
    }

    #[test]
    fn tokens_and_certificates_replace_the_plugin() {
        let mut with_token = user(r#"echo "{status: {token: $GIVEN}}""#);
        run(&mut with_token, false).unwrap();
        assert!(with_token.token.is_some() && with_token.exec.is_none());
        let mut with_certificate = user(r#"echo '{"status": {"clientCertificateData": "a", "clientKeyData": "b"}}'"#);
        run(&mut with_certificate, false).unwrap();
        assert_eq!(with_certificate.client_certificate_data.as_deref(), Some("YQ=="));
        assert!(with_certificate.client_key_data.is_some());
    }

    #[test]
    fn plugins_know_whether_they_may_ask() {
        let script = r#"case $KUBERNETES_EXEC_INFO in *'"interactive":false'*) echo '{"status":{"token":"a"}}';; *) exit 9;; esac"#;
        run(&mut user(script), false).unwrap();
        let mut always = user(script);
        always.exec.as_mut().unwrap().interactive_mode = Some(ExecInteractiveMode::Always);
        assert!(run(&mut always, false).unwrap_err().contains("no terminal"));
    }

    /// A plugin that prints a token and then fails is the common leak of others.
    #[test]
    fn no_error_holds_what_a_plugin_said() {
        for (script, expected) in [
            ("echo CANARY; echo CANARY >&2; exit 3", "failed with exit code 3"),
            ("echo CANARY; kill -9 $$", "failed with a signal"),
            ("echo '[CANARY'", "printed no ExecCredential"),
            (
                "echo '{\"status\": {\"token\": [\"CANARY\"]}}'",
                "printed no ExecCredential",
            ),
            ("echo '{\"kind\": \"CANARY\"}'", "printed no credential"),
            (
                "echo '{\"status\": {\"clientKeyData\": \"CANARY\"}}'",
                "printed no credential",
            ),
        ] {
            let error = run(&mut user(script), false).unwrap_err();
            assert!(
                error.contains(expected) && !error.contains("CANARY"),
                "{script}: {error}"
            );
        }
        let endless = run(&mut user("while :; do echo CANARY; done"), false).unwrap_err();
        assert_eq!(endless, "the exec plugin \"sh\" printed more than 1 MiB");
        let mut absent = user("");
        absent.exec.as_mut().unwrap().command = Some("/nowhere/aws-plugin".to_owned());
        let error = run(&mut absent, false).unwrap_err();
        assert_eq!(
            error,
            "cannot run the exec plugin \"aws-plugin\": it is not installed, or not on PATH"
        );
    }
}

//! The one command that fixes a problem.
//!
//! No command holds a value of a Secret. Where a login is needed, the command has the words `USER` and `PASSWORD`.
//!
//! Tenants choose the names in lists of pull secrets, and the API server does not check them. So there
//! is no command with a name that no object can have.

use crd::ClusterPullSecret;
use plan::image::repository;
use plan::keyring;
use plan::server::Server;

use crate::verdict::{Reason, Verdict, View};
use crate::world::{SecretSeen, Template, Text, WorkloadId, World};

/// Writes commands for one cluster.
#[derive(Clone, Copy, Debug)]
pub struct Fixes<'a> {
    /// The snapshot of the cluster.
    pub world: &'a World,
    /// The context that the commands name, if they must.
    pub context: Option<&'a str>,
}

/// A workload with one of its images.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// What creates its Pods.
    pub workload: &'a WorkloadId,
    /// The Pod that it would create.
    pub template: &'a Template,
    /// The image.
    pub image: &'a Text,
}

impl Fixes<'_> {
    /// Returns the command for a verdict, or `None` if no command fixes it.
    pub fn of(&self, subject: Subject<'_>, verdict: &Verdict) -> Option<String> {
        let Subject {
            namespace,
            workload,
            template,
            image,
        } = subject;
        let secret = verdict
            .secret
            .as_ref()
            .or_else(|| self.first_listed(namespace, template));
        let mut names = [namespace, &workload.name, &template.account]
            .into_iter()
            .chain(secret.map(Text::as_str));
        if !names.all(is_name) {
            return None;
        }
        match verdict.reason {
            // Of Pods; see `replace_pods`.
            Reason::Ready | Reason::NodeOnly | Reason::TooEarly => None,
            Reason::Unknown => Some(match &verdict.secret {
                Some(secret) => self.kubectl(&format!("get secret {secret} -n {namespace}")),
                None => self.kubectl(&format!("get serviceaccount {} -n {namespace}", template.account)),
            }),
            Reason::Masked => self.unmask(namespace, workload),
            Reason::NoReference => Some(self.refer(subject)),
            Reason::SecretMissing | Reason::NoKey | Reason::LoginRefused | Reason::Unreadable => {
                Some(self.write_secret(namespace, secret?, image, verdict.reason))
            }
        }
    }

    /// Replaces Pods of a workload by new ones, which pass admission again.
    pub fn replace_pods<'t>(
        &self,
        namespace: &str,
        workload: &WorkloadId,
        pods: impl IntoIterator<Item = &'t Text>,
    ) -> Option<String> {
        let (kind, name) = (workload.kind.to_lowercase(), &workload.name);
        let pods: Vec<&str> = pods.into_iter().map(Text::as_str).collect();
        if ![namespace, name.as_str()]
            .into_iter()
            .chain(pods.iter().copied())
            .all(is_name)
        {
            return None;
        }
        if matches!(&*workload.kind, "Deployment" | "StatefulSet" | "DaemonSet") {
            return Some(self.kubectl(&format!("rollout restart {kind}/{name} -n {namespace}")));
        }
        if &*workload.kind == "Pod" {
            // No controller creates another.
            let context = self.flag();
            let again = format!("kubectl{context} replace --force -f -");
            return Some(self.kubectl(&format!("get pod {name} -n {namespace} -o yaml | {again}")));
        }
        Some(self.kubectl(&format!("delete pod {} -n {namespace}", pods.join(" "))))
    }

    /// Removes the list of a template, so that Pods get the list of their account.
    fn unmask(&self, namespace: &str, workload: &WorkloadId) -> Option<String> {
        let path = match &*workload.kind {
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => "/spec/template/spec/imagePullSecrets",
            "CronJob" => "/spec/jobTemplate/spec/template/spec/imagePullSecrets",
            // The template of a Job and the list of a Pod cannot be changed.
            _ => return None,
        };
        let (kind, name) = (workload.kind.to_lowercase(), &workload.name);
        let removal = format!(r#"[{{"op":"remove","path":"{path}"}}]"#);
        Some(self.kubectl(&format!(
            "patch {kind}/{name} -n {namespace} --type=json -p '{removal}'"
        )))
    }

    /// Gives the account a reference, or makes an object select it.
    fn refer(&self, subject: Subject<'_>) -> String {
        let Subject {
            namespace,
            template,
            image,
            ..
        } = subject;
        let account = &template.account;
        if let Some(object) = self.object_for(image) {
            return self.kubectl(&format!(
                "edit clusterpullsecret {object}  # select namespace {namespace}, account {account}"
            ));
        }
        let seen = self.world.namespaces.get(namespace);
        let mut secrets = seen.into_iter().flat_map(|seen| seen.secrets.iter());
        let holds_login = |name: &Text| {
            let view = View::of(self.world, namespace, std::slice::from_ref(name));
            view.tried(image).iter().any(|(_, entry)| !entry.blank)
        };
        match secrets.find(|(name, _)| is_name(name) && holds_login(name)) {
            Some((secret, _)) => self.kubectl(&format!(
                r#"patch serviceaccount {account} -n {namespace} --type=json -p '[{{"op":"add","path":"/imagePullSecrets","value":[{{"name":"{secret}"}}]}}]'"#
            )),
            None => self.kubectl(&format!(
                "create secret docker-registry pull -n {namespace} --docker-server={} --docker-username=USER \
                 --docker-password=PASSWORD  # then refer to it from account {account}",
                quoted(&server_of(image))
            )),
        }
    }

    /// Writes the Secret, or changes the object whose copy it is.
    fn write_secret(&self, namespace: &str, secret: &str, image: &str, reason: Reason) -> String {
        let server = quoted(&server_of(image));
        if let SecretSeen::Found(seen) = self.world.secret(namespace, secret)
            && let Some(object) = &seen.copy_of
        {
            let what = if reason == Reason::NoKey {
                "declare"
            } else {
                "correct the login of"
            };
            return self.kubectl(&format!("edit clusterpullsecret {object}  # {what} {server}"));
        }
        let create = format!(
            "create secret docker-registry {secret} -n {namespace} --docker-server={server} --docker-username=USER \
             --docker-password=PASSWORD"
        );
        if reason == Reason::SecretMissing {
            return self.kubectl(&create);
        }
        let context = self.flag();
        self.kubectl(&format!(
            "{create} --dry-run=client -o yaml | kubectl{context} replace --force -f -"
        ))
    }

    fn first_listed<'t>(&'t self, namespace: &str, template: &'t Template) -> Option<&'t Text> {
        let account = || self.world.namespaces.get(namespace)?.accounts.get(&template.account);
        let mut listed = template
            .secrets
            .iter()
            .chain(account().into_iter().flat_map(|account| account.secrets.iter()));
        listed.find(|name| !name.is_empty())
    }

    /// Returns the object that declares a server which matches the image.
    fn object_for(&self, image: &str) -> Option<&Text> {
        let matches = |object: &ClusterPullSecret| {
            let servers = object
                .spec
                .registries
                .iter()
                .filter_map(|registry| registry.server.as_deref());
            let mut servers = servers.filter_map(|server| Server::parse(server).ok());
            servers.any(|server| keyring::matches(server.as_str(), image))
        };
        let mut objects = self.world.objects.iter();
        objects.find(|(_, object)| matches(object)).map(|(name, _)| name)
    }

    fn kubectl(&self, rest: &str) -> String {
        format!("kubectl{} {rest}", self.flag())
    }

    fn flag(&self) -> String {
        self.context
            .map(|context| format!(" --context {}", quoted(context)))
            .unwrap_or_default()
    }
}

/// Returns the server that a login for this image is declared under.
pub fn server_of(image: &str) -> String {
    let repository = repository(image).unwrap_or_default();
    let host = repository.split('/').next().unwrap_or_default();
    Server::parse(host).map_or_else(|_| host.to_owned(), |server| server.to_string())
}

/// Returns whether an object can have this name: it is a DNS subdomain.
fn is_name(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.bytes().all(is_allowed)
}

/// Quotes a word for a shell, if it must be.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

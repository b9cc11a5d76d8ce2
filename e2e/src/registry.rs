//! A real registry with password authentication, its access log, and images for it.

mod log;
mod open;
mod push;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::binaries::binaries;
use crate::folder::Folder;
use crate::image::Image;
use crate::login::Login;
use crate::process::{Process, Program};
use crate::wait::{blocking, until};
use crate::{loopback, ports};

pub use log::Request;
pub use open::OpenRegistry;

/// The user who pushes images.
const PUSHER: &str = "harness";

/// Time limit until it answers.
const STARTS_WITHIN: Duration = Duration::from_mins(2);

/// The cheapest bcrypt, because the passwords protect no data.
const BCRYPT_COST: u32 = 4;

/// The CNCF registry on a loopback port, without images. Dropping it ends it.
pub struct Registry {
    /// Ended before its folder is removed.
    _process: Process,
    folder: Folder,
    address: String,
    passwords: BTreeMap<String, String>,
    /// The login that pushes images. It exists from the first image on.
    pusher: Option<Login>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Registry")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// Starts a registry without users.
    ///
    /// # Errors
    ///
    /// When it cannot be built, or does not answer within half a minute; the error has its log.
    pub async fn start() -> anyhow::Result<Self> {
        let binary = &blocking(binaries).await?.registry;
        let folder = Folder::new("pullsecrets-e2e-registry")?;
        let address = format!("127.0.0.1:{}", ports::free()?);
        let config = folder.join("config.yml");
        std::fs::write(&config, configuration(&address, &folder))?;
        write_htpasswd(&folder, &BTreeMap::new())?;
        let program = Program::new(binary, ["serve".as_ref(), config.as_os_str()]);
        let mut process = Process::start("registry", &program, &folder.join("registry.log"))?;
        let answer = until("the registry answers", STARTS_WITHIN, async || {
            if let Some(status) = process.ended().map_err(|error| error.to_string())? {
                return Err(format!("it ended: {status}"));
            }
            loopback::get(&address, "/v2/", None)
                .await
                .map_err(|error| format!("{error:#}"))
        });
        if let Err(late) = answer.await {
            bail!("{late:#}\n{}", process.tail(20));
        }
        Ok(Self {
            _process: process,
            folder,
            address,
            passwords: BTreeMap::new(),
            pusher: None,
        })
    }

    /// Returns `127.0.0.1:PORT`, the `server` of a `ClusterPullSecret` for it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Accepts `user` with this password from now on, and with no earlier one.
    ///
    /// # Errors
    ///
    /// When the password file cannot be written.
    pub fn set_password(&mut self, user: &str, password: &str) -> anyhow::Result<()> {
        let hash = bcrypt::hash(password, BCRYPT_COST).context("cannot hash a password")?;
        self.passwords.insert(user.to_owned(), hash);
        write_htpasswd(&self.folder, &self.passwords)
    }

    /// Pushes an image as `repository:tag`, and returns its full name.
    ///
    /// # Errors
    ///
    /// When the registry refuses a part of it.
    pub async fn push(&mut self, repository: &str, tag: &str, image: &Image) -> anyhow::Result<String> {
        let pusher = self.pusher()?;
        push::push(&self.address, &pusher, repository, tag, image).await?;
        Ok(format!("{}/{repository}:{tag}", self.address))
    }

    /// Returns a login that may push and pull.
    ///
    /// # Errors
    ///
    /// As [`set_password`](Self::set_password).
    pub fn pusher(&mut self) -> anyhow::Result<Login> {
        if let Some(pusher) = &self.pusher {
            return Ok(pusher.clone());
        }
        let pusher = Login::new(PUSHER, &format!("{:032x}", rand::random::<u128>()));
        self.set_password(&pusher.username, &pusher.password)?;
        self.pusher = Some(pusher.clone());
        Ok(pusher)
    }

    /// Returns the requests of nodes for a repository so far, in the order of their answers.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn requests(&self, repository: &str) -> anyhow::Result<Vec<Request>> {
        Ok(log::requests(&self.log()?, repository))
    }

    /// Returns how often a password was refused so far, in requests for repositories whose name contains `part`.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn failed_checks(&self, part: &str) -> anyhow::Result<usize> {
        Ok(log::failed_checks(&self.log()?, part))
    }

    fn log(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(self.folder.join("registry.log")).context("the registry's log")
    }

    /// Returns the status of `GET /v2/` with this login, or without one: 200 accepts it, 401 refuses it.
    ///
    /// # Errors
    ///
    /// When the registry does not answer.
    pub async fn status_with(&self, login: Option<(&str, &str)>) -> anyhow::Result<u16> {
        let authorization =
            login.map(|(user, password)| format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        self.status(authorization.as_deref()).await
    }

    /// Returns the status of `GET /v2/` with the entry for this registry in a docker config (the bytes of
    /// `.dockerconfigjson`). It sends the entry's `auth` unchanged, as a kubelet would.
    ///
    /// # Errors
    ///
    /// When it is not a docker config, has no entry for this registry, or the registry does not answer. No error quotes
    /// it.
    pub async fn status_with_docker_config(&self, bytes: &[u8]) -> anyhow::Result<u16> {
        let Ok(config) = serde_json::from_slice::<Value>(bytes) else {
            bail!("the docker config is no JSON");
        };
        let auth = config["auths"][self.address.as_str()]["auth"]
            .as_str()
            .with_context(|| format!("the docker config has no login for {}", self.address))?;
        self.status(Some(&format!("Basic {auth}"))).await
    }

    async fn status(&self, authorization: Option<&str>) -> anyhow::Result<u16> {
        Ok(loopback::get(&self.address, "/v2/", authorization).await?.0)
    }
}

fn configuration(address: &str, folder: &Folder) -> String {
    let passwords = folder.join("htpasswd");
    format!(
        "version: 0.1\n\
         log: {{level: warn}}\n\
         storage: {{inmemory: {{}}}}\n\
         http: {{addr: \"{address}\", secret: e2e}}\n\
         auth: {{htpasswd: {{realm: e2e, path: {}}}}}\n",
        passwords.display()
    )
}

/// Replaces the file atomically, because the registry reads it again when its modification time differs.
fn write_htpasswd(folder: &Folder, passwords: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let mut text = String::new();
    for (user, hash) in passwords {
        text.push_str(user);
        text.push(':');
        text.push_str(hash);
        text.push('\n');
    }
    let unfinished = folder.join("htpasswd.unfinished");
    std::fs::write(&unfinished, text)?;
    std::fs::rename(&unfinished, folder.join("htpasswd")).context("cannot replace htpasswd")
}

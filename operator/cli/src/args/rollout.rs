//! Arguments of `rollout`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{DryRun, OPERATOR_NAMESPACE};

/// Arguments of `rollout`.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct RolloutArgs {
    /// A file, or a folder of files, with `ClusterPullSecret`s and their source Secrets. May be repeated; `-` is
    /// standard input.
    #[arg(
        long = "filename",
        short,
        value_name = "FILE",
        required_unless_present = "server",
        conflicts_with = "server"
    )]
    pub files: Vec<PathBuf>,

    /// In place of a file: the registry, such as harbor.example.com. All namespaces get the login.
    #[arg(long, value_name = "SERVER[/PATH]")]
    pub server: Option<String>,

    /// With --server: the user name.
    #[arg(
        long,
        value_name = "NAME",
        requires = "server",
        conflicts_with = "files",
        required_unless_present_any = ["files", "delete"]
    )]
    pub username: Option<String>,

    /// With --server: reads the password from standard input.
    #[arg(
        long,
        requires = "server",
        conflicts_with = "files",
        required_unless_present_any = ["files", "delete"]
    )]
    pub password_stdin: bool,

    /// With --server: a namespace, or a glob over namespaces, that gets no login. May be repeated, or a list with
    /// commas.
    #[arg(
        long = "ignore",
        value_name = "NAMESPACE",
        value_delimiter = ',',
        requires = "server",
        conflicts_with = "files"
    )]
    pub excluded: Vec<String>,

    /// With --server: the name of the object, its source and its copies. Without it: made of the server.
    #[arg(long, value_name = "NAME", requires = "server", conflicts_with = "files")]
    pub name: Option<String>,

    /// Removes the objects, and then their sources. The operator stays.
    #[arg(long, conflicts_with_all = ["install", "force_conflicts"])]
    pub delete: bool,

    /// First installs the definition, the policies and the operator, or updates them.
    #[arg(long)]
    pub install: bool,

    /// With --install: the image of the operator, by digest. Without it: that of this release.
    #[arg(long, value_name = "IMAGE@DIGEST", requires = "install")]
    pub image: Option<String>,

    /// The namespace of the operator, which holds the sources that name none.
    #[arg(long, value_name = "NAME", default_value = OPERATOR_NAMESPACE)]
    pub operator_namespace: String,

    /// Takes over fields that another tool has set.
    #[arg(long)]
    pub force_conflicts: bool,

    /// `server`: the API servers check each write and store nothing.
    #[arg(long, value_enum, value_name = "MODE")]
    pub dry_run: Option<DryRun>,

    /// How long each context may take until all is ready, such as 90s, 5m or 1h. With 0 it is looked at once.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    pub timeout: Duration,

    /// Does not ask.
    #[arg(long, short)]
    pub yes: bool,

    /// The format of the result.
    #[arg(long, short, value_enum, default_value_t = RolloutFormat::Table)]
    pub output: RolloutFormat,
}

/// The format of the result of `rollout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RolloutFormat {
    /// A table of what is left.
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// The name of each object that was written.
    Name,
}

impl RolloutFormat {
    /// Returns whether machines read it, so that no progress is shown.
    pub fn is_for_machines(self) -> bool {
        self != Self::Table
    }
}

/// Reads a duration as kubectl writes it: `90s`, `5m`, `1h30m`, or `0`.
fn duration(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "give a number with s, m or h, such as 90s or 5m";
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut seconds: u64 = 0;
    let mut number = String::new();
    for letter in text.chars() {
        let unit = match letter {
            '0'..='9' => {
                number.push(letter);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return Err(FORM),
        };
        let count: u64 = std::mem::take(&mut number).parse().map_err(|_| FORM)?;
        let more = count.checked_mul(unit).and_then(|more| seconds.checked_add(more));
        // A week, as the longest wait of kubectl.
        seconds = more
            .filter(|seconds| *seconds <= 7 * 24 * 3600)
            .ok_or("a week is the longest")?;
    }
    if number.is_empty() && !text.is_empty() {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(FORM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_units_of_kubectl() {
        for (text, seconds) in [("0", 0), ("0s", 0), ("90s", 90), ("5m", 300), ("1h30m", 5400)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "5",
            "m",
            "5m3",
            "-1s",
            "5 m",
            "1.5h",
            "8d",
            "169h",
            "99999999999999999999h",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}

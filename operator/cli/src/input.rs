//! Files and streams, each read up to a limit. A device or a broken pipe must not take the memory of the machine.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

use thiserror::Error;

const MIB: u64 = 1024 * 1024;

/// What a file is for, and how much of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// The flag or variable that names the file.
    flag: &'static str,
    mib: u64,
    /// What to do about a larger file.
    fix: &'static str,
}

/// The output of `kubectl get -o json`. A cluster with 50,000 Pods has about 400 MiB of them.
pub(crate) const DUMP: Limit = Limit {
    flag: "--from-dump",
    mib: 512,
    fix: "write one file for each kind or namespace",
};

/// Manifests.
pub(crate) const MANIFESTS: Limit = Limit {
    flag: "-f",
    mib: 32,
    fix: "name files with ClusterPullSecrets and their sources alone",
};

/// A password. A Secret holds no more.
pub(crate) const PASSWORD: Limit = Limit {
    flag: "--password-stdin",
    mib: 1,
    fix: "a Secret holds no more",
};

/// Patterns of workloads.
pub(crate) const IGNORED: Limit = Limit {
    flag: "--ignore-file",
    mib: 1,
    fix: "use globs",
};

/// A kubeconfig.
pub(crate) const KUBECONFIG: Limit = Limit {
    flag: "--kubeconfig or KUBECONFIG",
    mib: 16,
    fix: "name a file with contexts, clusters and users alone",
};

/// Why a file was not read. It holds no part of the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum InputError {
    /// The error of the system.
    #[error("{0}")]
    Read(io::ErrorKind),
    /// The file goes on after the limit.
    #[error("it has more than {} MiB, the most that {} reads: {}", .0.mib, .0.flag, .0.fix)]
    TooLarge(Limit),
}

impl From<io::Error> for InputError {
    fn from(error: io::Error) -> Self {
        Self::Read(error.kind())
    }
}

impl Limit {
    /// Returns the text of a file. `-` is standard input.
    pub(crate) fn text(self, file: &Path) -> Result<String, InputError> {
        if file == Path::new("-") {
            return self.text_of(io::stdin().lock());
        }
        let file = File::open(file)?;
        self.check(file.metadata()?.len())?;
        self.text_of(file)
    }

    /// Returns an error if a file of this length is too large. Devices and pipes have the length 0.
    pub(crate) fn check(self, length: u64) -> Result<(), InputError> {
        if length > self.mib * MIB {
            return Err(InputError::TooLarge(self));
        }
        Ok(())
    }

    fn text_of(self, stream: impl Read) -> Result<String, InputError> {
        let read = up_to(stream, self.mib * MIB)?.ok_or(InputError::TooLarge(self))?;
        String::from_utf8(read).map_err(|_| InputError::Read(io::ErrorKind::InvalidData))
    }
}

/// Returns all bytes of a stream, or none if there are more than `most`.
pub(crate) fn up_to(stream: impl Read, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut read = Vec::new();
    stream.take(most.saturating_add(1)).read_to_end(&mut read)?;
    let length = u64::try_from(read.len()).unwrap_or(u64::MAX);
    Ok((length <= most).then_some(read))
}

/// Asks a person, who answers at standard input.
pub(crate) async fn ask(question: String) -> bool {
    answered(question, |line| io::stdin().read_line(line)).await
}

/// Asks a person, who answers at the terminal of the process. Standard input was a file.
pub(crate) async fn ask_at(terminal: File, question: String) -> bool {
    answered(question, |line| BufReader::new(terminal).read_line(line)).await
}

/// Returns the terminal of the process, which it may have although standard input is a file.
pub(crate) fn terminal() -> Option<File> {
    File::open(if cfg!(windows) { "CONIN$" } else { "/dev/tty" }).ok()
}

async fn answered(question: String, read: impl FnOnce(&mut String) -> io::Result<usize> + Send + 'static) -> bool {
    let asked = tokio::task::spawn_blocking(move || {
        anstream::eprint!("{question}");
        let mut line = String::new();
        read(&mut line).is_ok() && matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
    });
    asked.await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Limit = Limit { mib: 1, ..DUMP };

    /// A stream without end, and a file that is larger than the limit.
    #[test]
    fn larger_input_is_refused_with_a_fix() {
        let expected =
            "it has more than 1 MiB, the most that --from-dump reads: write one file for each kind or namespace";
        let endless = SMALL.text_of(io::repeat(b' ')).unwrap_err();
        assert_eq!(endless.to_string(), expected);
        assert_eq!(SMALL.check(MIB + 1).unwrap_err().to_string(), expected);
        SMALL.check(MIB).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn an_endless_device_is_refused_by_each_limit() {
        for limit in [MANIFESTS, IGNORED, KUBECONFIG] {
            let error = limit.text(Path::new("/dev/zero")).unwrap_err();
            assert_eq!(error, InputError::TooLarge(limit));
        }
    }

    #[test]
    fn input_up_to_the_limit_is_read_whole() {
        let all = vec![b'a'; usize::try_from(MIB).unwrap()];
        assert_eq!(SMALL.text_of(all.as_slice()).map(|text| text.len()), Ok(all.len()));
        assert_eq!(up_to(&b"abc"[..], 3).unwrap().as_deref(), Some(&b"abc"[..]));
        assert_eq!(up_to(&b"abcd"[..], 3).unwrap(), None);
        let error = SMALL.text_of(&b"\xff"[..]).unwrap_err();
        assert_eq!(error, InputError::Read(io::ErrorKind::InvalidData));
    }
}

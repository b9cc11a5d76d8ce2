//! Why a request or a context failed.

use std::time::Duration;

use http::StatusCode;
use thiserror::Error;

use crate::world::PageError;

/// How long a server may be silent.
pub(super) const READ_WITHIN: Duration = Duration::from_secs(30);

/// How long one answer may take as a whole: a page of the largest objects over a slow line.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_mins(5);

/// The longest answer that is read: more than half of what a page of the largest objects has.
pub(super) const LONGEST: usize = 512 * 1024 * 1024;

/// Why a request failed. It holds no text of a server.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// No connection, or it broke.
    #[error("{0} cannot be reached")]
    Unreachable(String),
    /// No answer in time.
    #[error("{0} did not answer within {reads} s", reads = READ_WITHIN.as_secs())]
    Late(String),
    /// An answer that does not end.
    #[error("{0} took longer than {minutes} minutes for one answer", minutes = ANSWER_WITHIN.as_secs() / 60)]
    Slow(String),
    /// An answer is longer than any page.
    #[error("the answer has more than {mib} MiB: choose fewer namespaces with -n", mib = LONGEST / 1024 / 1024)]
    TooLarge,
    /// A list has more pages than any cluster fills.
    #[error("the list does not end")]
    Endless,
    /// The certificate, the key or the authority is not accepted, here or there.
    #[error("TLS with {0} failed: compare the certificates in the kubeconfig with those of the server")]
    Tls(String),
    /// The credentials are not accepted.
    #[error("the server does not accept your credentials (401): log in again")]
    Unauthorized,
    /// A right is missing.
    #[error("you may not {verb} them (403)")]
    Forbidden {
        /// The verb of RBAC.
        verb: &'static str,
    },
    /// The object, or the kind, does not exist.
    #[error("the server does not have it (404)")]
    NotFound,
    /// The list changed too much between two pages.
    #[error("the list expired (410) twice while it was read")]
    Gone,
    /// The server asks for fewer requests.
    #[error("the server asks for fewer requests (429)")]
    Throttled,
    /// Other field managers have set what is to be written.
    #[error("{managers} set {fields} before: --force-conflicts takes over what others set")]
    Claimed {
        /// The managers.
        managers: String,
        /// The fields.
        fields: String,
    },
    /// The object was created, changed or replaced while it was written.
    #[error("it was created, changed or replaced at the same time (409): try again")]
    Changed,
    /// A rule or a policy does not allow the write.
    #[error("the API server refuses it{policy}{fields}")]
    Denied {
        /// ` by policy NAME`, if it is known.
        policy: String,
        /// `: FIELDS`, if they are known.
        fields: String,
    },
    /// Another answer.
    #[error("the server answered {0}")]
    Status(u16),
    /// The answer is no list.
    #[error(transparent)]
    NotAList(#[from] PageError),
    /// The answer has not the expected form.
    #[error("the answer cannot be read: error at line {line}, column {column}")]
    Unreadable {
        /// The line of the error.
        line: usize,
        /// The column of the error.
        column: usize,
    },
    /// The credentials of the context cannot be got.
    #[error("{0}")]
    Credentials(String),
}

impl Failure {
    /// An answer of another form. The text of the error may quote a value, so only the position is kept.
    pub(crate) fn unreadable(error: &serde_json::Error) -> Self {
        Self::Unreadable {
            line: error.line(),
            column: error.column(),
        }
    }

    /// What a status other than success means for a request with this verb of RBAC.
    pub(super) fn of_status(status: StatusCode, verb: &'static str) -> Self {
        match status.as_u16() {
            401 => Self::Unauthorized,
            403 => Self::Forbidden { verb },
            404 => Self::NotFound,
            410 => Self::Gone,
            429 => Self::Throttled,
            code => Self::Status(code),
        }
    }

    /// What an error of kube means. Only its variant counts, because its text may hold the output of a plugin.
    pub(super) fn of_error(error: &kube::Error, host: &str) -> Self {
        match error {
            kube::Error::Auth(error) => Self::Credentials(credentials(error).to_owned()),
            kube::Error::RustlsTls(_) => Self::Tls(host.to_owned()),
            kube::Error::Service(error) => Self::of_cause(error.as_ref(), host),
            kube::Error::HyperError(error) => Self::of_cause(error, host),
            _ => Self::Unreachable(host.to_owned()),
        }
    }

    pub(super) fn of_cause(error: &(dyn std::error::Error + 'static), host: &str) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<kube::client::AuthError>() {
                return Self::Credentials(credentials(error).to_owned());
            }
            if error.is::<rustls::Error>() {
                return Self::Tls(host.to_owned());
            }
            if let Some(error) = error.downcast_ref::<std::io::Error>() {
                let inner = error.get_ref();
                if inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>) {
                    return Self::Tls(host.to_owned());
                }
                if error.kind() == std::io::ErrorKind::TimedOut {
                    return Self::Late(host.to_owned());
                }
            }
            cause = error.source();
        }
        Self::Unreachable(host.to_owned())
    }

    /// Returns whether the whole context cannot be read, so that a further request would fail in the same way.
    pub(crate) fn is_of_the_context(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::Late(_)
                | Self::Slow(_)
                | Self::Tls(_)
                | Self::Unauthorized
                | Self::Credentials(_)
        )
    }
}

/// What failed, in words of this tool. The text of the error may hold what a plugin printed.
fn credentials(error: &kube::client::AuthError) -> &'static str {
    use kube::client::AuthError as Error;
    match error {
        Error::InvalidBasicAuth(_) => "the user name or password of the context cannot be sent",
        Error::InvalidBearerToken(_) => "the token of the context cannot be sent",
        Error::UnrefreshableTokenResponse => "the token of the context cannot be renewed",
        Error::ReadTokenFile(..) => "the token file of the context cannot be read",
        Error::Oidc(_) => "the OIDC provider of the context gave no token: log in again",
        Error::AuthExec(_) => "the auth-provider of the context is not supported, or failed: use an exec plugin",
        Error::AuthExecRun { .. } | Error::AuthExecStart(_) => "the auth-provider's command failed",
        _ => "the credentials of the context cannot be used",
    }
}

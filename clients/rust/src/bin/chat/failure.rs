//! Why a command did not do what it should, and the exit code that tells a script.

use std::{fmt, process::ExitCode};

use chatcluster_client::{Cause, ConfigError, Fatal, QueryError, SendError};

/// A failure, by what the caller can do about it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The servers refused, or a file or pipe failed. Exit code 1.
    Failed(String),
    /// The arguments do not work out. Exit code 2.
    Usage(String),
    /// No answer in time. Exit code 3.
    Late(String),
    /// Something must change before another attempt. Exit code 4.
    Change(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Late(_) => 3,
            Self::Change(_) => 4,
        })
    }

    /// An I/O error, with what was being done.
    pub(crate) fn io(what: impl fmt::Display) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::Failed(format!("{what}: {error}"))
    }

    /// What will not be better in a second: a certificate that is not trusted, a wrong URL.
    pub(crate) fn of_cause(cause: &Cause) -> Option<Self> {
        match cause {
            Cause::Certificate(_) => Some(Self::Change(format!(
                "{cause}\nname the authority that issued it with --ca FILE"
            ))),
            Cause::WrongScheme(_) => Some(Self::Usage(format!("--url: {cause}"))),
            Cause::Refused { status: 400..=407, .. } => {
                Some(Self::Usage(format!("{cause}: the URL is not that of a gateway")))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Failed(text) | Self::Usage(text) | Self::Late(text) | Self::Change(text)) = self;
        f.write_str(text)
    }
}

impl From<Fatal> for Failure {
    fn from(fatal: Fatal) -> Self {
        Self::Change(fatal.to_string())
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Fatal(fatal) => fatal.into(),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Fatal(fatal) => fatal.into(),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

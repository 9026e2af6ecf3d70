//! How a program ends that could not do its work.

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

/// Prints an error as one line, `error: …`, and gives the exit code: 1, or 0 without an error.
pub fn exit_code(result: Result<(), impl AsRef<dyn Error + Send + Sync>>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    // A reader that went away changes nothing.
    let _ = writeln!(io::stderr().lock(), "error: {}", in_one_line(error.as_ref()));
    ExitCode::FAILURE
}

/// The error and its causes. An error of ours says its cause itself, since logs show nothing else; what
/// has been said is not repeated.
fn in_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = error.source();
    }
    text.split('\n').map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failed {
        #[error("starting failed")]
        Silent(#[source] io::Error),
        #[error("reading a.yaml failed: {0}")]
        Telling(#[source] io::Error),
    }

    #[test]
    fn causes_are_told_once_and_in_one_line() {
        let cause = || io::Error::other("no\nspace");
        assert_eq!(in_one_line(&Failed::Silent(cause())), "starting failed: no space");
        assert_eq!(in_one_line(&Failed::Telling(cause())), "reading a.yaml failed: no space");
    }
}

//! Logs: one line an event, on standard error. `RUST_LOG` filters (default `info`), and
//! `CHATCLUSTER_LOG_FORMAT` is `json` or `text` (default: text on a terminal, JSON elsewhere).
//!
//! What goes into events is up to the programs: never a token, a key or a message's content.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

/// Logs cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The format is unknown.
    #[error("CHATCLUSTER_LOG_FORMAT is {0:?}: write json or text")]
    Format(String),
    /// The filter is wrong.
    #[error("RUST_LOG: {0}")]
    Filter(String),
    /// Something else has set up logs before.
    #[error("setting up logs failed: {0}")]
    Setup(String),
}

/// Sets up logs for the process; once, before anything that logs.
pub fn init() -> Result<(), LogsError> {
    init_with("info")
}

/// As [`init`], with another filter where `RUST_LOG` says nothing.
pub fn init_with(default_filter: &str) -> Result<(), LogsError> {
    let wanted = std::env::var("CHATCLUSTER_LOG_FORMAT").ok();
    let format = choose(wanted.as_deref(), io::stderr().is_terminal())?;
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => {
            EnvFilter::try_new(text).map_err(|error| LogsError::Filter(error.to_string()))?
        }
        _ => EnvFilter::new(default_filter),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let set = match format {
        Format::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        Format::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
    };
    set.map_err(|error| LogsError::Setup(error.to_string()))
}

fn choose(wanted: Option<&str>, terminal: bool) -> Result<Format, LogsError> {
    match wanted {
        Some("json") => Ok(Format::Json),
        Some("text") => Ok(Format::Text),
        None | Some("") if terminal => Ok(Format::Text),
        None | Some("") => Ok(Format::Json),
        Some(other) => Err(LogsError::Format(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_what_was_asked_or_fits_the_reader() {
        for (wanted, terminal, format) in [
            (None, true, Format::Text),
            (None, false, Format::Json),
            (Some(""), false, Format::Json),
            (Some("text"), false, Format::Text),
            (Some("json"), true, Format::Json),
        ] {
            assert_eq!(choose(wanted, terminal).unwrap(), format, "{wanted:?} {terminal}");
        }
        let error = choose(Some("xml"), true).unwrap_err();
        assert_eq!(error.to_string(), "CHATCLUSTER_LOG_FORMAT is \"xml\": write json or text");
    }
}

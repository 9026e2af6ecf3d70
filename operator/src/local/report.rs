//! What people see on the terminal: one line per event.

use std::io::{self, Write};

use tokio::time::Instant;

/// Writes lines to standard output.
#[derive(Debug, Clone)]
pub(super) struct Report {
    start: Instant,
    verbose: bool,
}

impl Report {
    pub(super) fn new(verbose: bool) -> Self {
        Self { start: Instant::now(), verbose }
    }

    /// What a component does, with the time since the start.
    pub(super) fn event(&self, component: &str, text: &str) {
        let seconds = self.start.elapsed().as_secs_f32();
        self.plain(&format!("{seconds:6.1}s  {component:<11} {text}"));
    }

    /// As [`Self::event`], for those who asked for more.
    pub(super) fn detail(&self, component: &str, text: &str) {
        if self.verbose {
            self.event(component, text);
        }
    }

    /// Lines as they are.
    pub(super) fn plain(&self, text: &str) {
        // A reader that went away is no reason to stop the cluster.
        let _ = writeln!(io::stdout().lock(), "{text}");
    }
}

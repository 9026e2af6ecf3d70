//! What was read from files, and is read again when they change.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use tokio_util::sync::CancellationToken;

use super::{TlsError, files::Stamp};

/// How often files are looked at. A stat of each costs nothing, and a certificate is renewed days before
/// it ends.
const LOOK_EVERY: Duration = Duration::from_secs(3);

type Load<T> = Box<dyn Fn() -> Result<T, TlsError> + Send + Sync>;

/// The last good content of some files.
pub(super) struct Reloaded<T> {
    current: ArcSwap<T>,
    files: Vec<PathBuf>,
    load: Load<T>,
    seen: Mutex<Seen>,
}

/// What became of the files when they were last looked at.
struct Seen {
    stamp: Stamp,
    /// They were bad. They are tried again even if they look the same: two files cannot change at once.
    bad: bool,
}

impl<T> Reloaded<T> {
    pub(super) fn new(files: Vec<PathBuf>, load: Load<T>) -> Result<Self, TlsError> {
        // Before the content: what changes in between is then read twice rather than never.
        let stamp = Stamp::of(&files);
        let current = ArcSwap::from_pointee(load()?);
        Ok(Self { current, files, load, seen: Mutex::new(Seen { stamp, bad: false }) })
    }

    pub(super) fn get(&self) -> Guard<Arc<T>> {
        self.current.load()
    }

    /// Reads the files if they changed, and says whether it took their content. Bad content changes
    /// nothing: the old stays in use.
    pub(super) fn reload(&self) -> Result<bool, TlsError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::of(&self.files);
        if stamp == seen.stamp && !seen.bad {
            return Ok(false);
        }
        let loaded = (self.load)();
        *seen = Seen { stamp, bad: loaded.is_err() };
        self.current.store(Arc::new(loaded?));
        Ok(true)
    }

    /// Looks at the files every few seconds until the token is cancelled.
    pub(super) async fn keep_current(&self, shutdown: CancellationToken) {
        let mut reported = None;
        while shutdown.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            match self.reload() {
                Ok(changed) => {
                    reported = None;
                    if changed {
                        tracing::info!(files = ?self.files, "certificates changed and are in use");
                    }
                }
                Err(error) => {
                    let error = error.to_string();
                    if reported.as_ref() != Some(&error) {
                        tracing::error!(
                            error,
                            "new certificates are unusable; the old stay in use"
                        );
                    }
                    reported = Some(error);
                }
            }
        }
    }
}

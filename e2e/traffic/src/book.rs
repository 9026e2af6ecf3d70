//! The oracle as all users share it, with the clock of the run.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::oracle::Oracle;

/// A handle; clones are of the same book.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    oracle: Arc<Mutex<Oracle>>,
    began: Instant,
}

impl Book {
    pub(crate) fn new(users: usize) -> Self {
        Self { oracle: Arc::new(Mutex::new(Oracle::new(users))), began: Instant::now() }
    }

    /// Writes or reads, with the time since the run began. A std mutex, since nothing is awaited in it.
    pub(crate) fn with<T>(&self, with: impl FnOnce(&mut Oracle, Duration) -> T) -> T {
        let mut oracle = self.oracle.lock().unwrap_or_else(PoisonError::into_inner);
        with(&mut oracle, self.began.elapsed())
    }
}

//! The database, and its way back after a failure.
//!
//! redb refuses everything after a failed write or fsync until the database is opened again. So it is
//! opened again: to write if the disk lets it, else frozen, to read.

use std::{
    io,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use messages_core::{
    replica::ReplicaError,
    view::{Rows, Scan, View, ViewError},
};
use redb::{Database, ReadableDatabase};

use super::{
    Medium,
    view::{RECORDS, RedbView},
};

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{0} is in use by another process")]
    InUse(String),
    /// It could not be opened.
    #[error("opening {name} failed: {error}")]
    Open {
        /// What.
        name: String,
        /// Why.
        error: Box<redb::Error>,
    },
    /// No thread for its writer.
    #[error("starting the writer's thread failed: {0}")]
    Thread(io::Error),
}

/// What can be done with the database now.
pub(super) enum State {
    /// Everything.
    Open(Database),
    /// The last write failed, and why; what was written before can be read.
    Frozen(Database, String),
    /// Nothing, and why.
    Closed(String),
}

pub(super) struct Store {
    medium: Box<dyn Medium>,
    state: RwLock<State>,
}

impl Store {
    pub(super) fn open(medium: Box<dyn Medium>) -> Result<Self, OpenError> {
        let opened = open(&*medium).map_err(|error| match error {
            redb::Error::DatabaseAlreadyOpen => OpenError::InUse(medium.name()),
            error => OpenError::Open { name: medium.name(), error: Box::new(error) },
        });
        let state = RwLock::new(State::Open(opened?));
        Ok(Self { medium, state })
    }

    /// The state, which stays as it is while this is held.
    pub(super) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was opened to write.
    pub(super) fn is_open(&self) -> bool {
        matches!(&*self.state(), State::Open(_))
    }

    /// Opens the database again after a write failed because of `why`.
    pub(super) fn reopen(&self, why: &str) {
        // Readers hold the lock while they read: nobody is inside of the database that goes.
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        // Its lock on the file must go before the file is opened again.
        *state = State::Closed(why.to_owned());
        *state = match open(&*self.medium) {
            Ok(database) => State::Open(database),
            Err(error) => {
                tracing::warn!(%error, "the database cannot be opened for writing");
                match self.medium.open_frozen() {
                    Ok(database) => State::Frozen(database, why.to_owned()),
                    Err(error) => State::Closed(format!("{why}; then opening it failed: {error}")),
                }
            }
        };
    }

    /// Reads ranges from one state of the database.
    pub(super) fn read(&self, scans: &[Scan]) -> Result<Vec<Rows>, ReplicaError> {
        let state = self.state();
        let database = match &*state {
            State::Open(database) | State::Frozen(database, _) => database,
            State::Closed(why) => return Err(ReplicaError::Unavailable(why.clone())),
        };
        let unavailable = |error: redb::Error| ReplicaError::Unavailable(error.to_string());
        let transaction = database.begin_read().map_err(|error| unavailable(error.into()))?;
        let table = transaction.open_table(RECORDS).map_err(|error| unavailable(error.into()))?;
        let view = RedbView::new(table);
        let rows = scans.iter().map(|scan| view.scan(scan));
        rows.collect::<Result<_, _>>().map_err(|error| match error {
            ViewError::Storage(text) => ReplicaError::Unavailable(text),
            ViewError::Corrupt(corrupt) => ReplicaError::Corrupt(corrupt),
        })
    }
}

/// Opens the database to write, with its table.
fn open(medium: &dyn Medium) -> Result<Database, redb::Error> {
    let database = medium.open()?;
    let missing = match database.begin_read()?.open_table(RECORDS) {
        Ok(_) => false,
        Err(redb::TableError::TableDoesNotExist(_)) => true,
        Err(error) => return Err(error.into()),
    };
    if missing {
        let transaction = database.begin_write()?;
        transaction.open_table(RECORDS)?;
        transaction.commit()?;
    }
    Ok(database)
}

//! The one thread that writes: all that has gathered while the last commit was on its way goes into
//! the next one, so under load many appends share an fsync, and alone one waits for nothing.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use messages_core::{apply, replica::Answer, view::ViewError};
use redb::{Database, Durability, Table};
use tokio::sync::mpsc;

use super::{
    SOLE,
    store::{State, Store},
    view::{RECORDS, RedbView},
};
use crate::{
    Clock, Metrics,
    queue::{Replies, Request, unavailable},
};

/// Requests in one transaction. Each is a batch of appends already; more in one make the first wait
/// for the last.
const GROUP: usize = 256;

/// After a failure the disk is left alone for this long. Writes that come meanwhile fail at once.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    store: Arc<Store>,
    clock: Clock,
    metrics: Arc<Metrics>,
    /// Why and until when nothing is tried.
    failed: Option<(String, Instant)>,
}

impl Writer {
    pub(super) fn new(store: Arc<Store>, clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self { store, clock, metrics, failed: None }
    }

    /// Works until nobody can ask any more.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP
                && let Ok(next) = requests.try_recv()
            {
                group.push(next);
            }
            match self.write(&group) {
                Ok(replies) => {
                    for (request, replies) in group.into_iter().zip(replies) {
                        request.answer(Ok(Answer { by: SOLE, what: replies }));
                    }
                }
                Err(text) => {
                    for request in group {
                        request.answer(Err(unavailable(text.clone())));
                    }
                }
            }
        }
    }

    fn write(&mut self, group: &[Request]) -> Result<Vec<Replies>, String> {
        if let Some((why, until)) = &self.failed {
            if Instant::now() < *until {
                return Err(why.clone());
            }
            if !self.store.is_open() {
                self.store.reopen(why);
            }
        }
        let started = Instant::now();
        let outcome = match &*self.store.state() {
            State::Open(database) => {
                self.commit(database, group).map_err(|error| error.to_string())
            }
            State::Frozen(_, why) | State::Closed(why) => Err(why.clone()),
        };
        match &outcome {
            Ok(_) => {
                if self.failed.take().is_some() {
                    tracing::info!("the database takes writes again");
                }
                self.metrics.commit(started.elapsed(), group.len());
            }
            Err(why) => {
                self.metrics.commits_failed.inc();
                if self.failed.is_none() {
                    tracing::error!(why, "the database takes no writes; reading goes on");
                }
                if self.store.is_open() {
                    // At once, so that reading goes on; whether it takes writes is tried later.
                    self.store.reopen(why);
                }
                self.failed = Some((why.clone(), Instant::now() + PAUSE));
            }
        }
        self.metrics.writable.set(i64::from(outcome.is_ok()));
        outcome
    }

    /// Applies all of the group in one transaction, and returns once it is synced.
    fn commit(&self, database: &Database, group: &[Request]) -> Result<Vec<Replies>, redb::Error> {
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        // Two fsyncs instead of one: data first, then the switch to it. After a failed fsync the
        // pages in the system's cache look written and are not; with one fsync, reopening would
        // trust them. It also makes opening after a crash instant, however large the file.
        transaction.set_quick_repair(true);
        let (replies, changed) = self.apply(transaction.open_table(RECORDS)?, group)?;
        if !changed {
            // Repeats and refusals: what they tell is on disk already, and an fsync would add nothing.
            transaction.abort()?;
            return Ok(replies);
        }
        transaction.commit()?;
        Ok(replies)
    }

    /// Applies all of the group; says whether anything changed.
    fn apply(
        &self,
        table: Table<'_, &'static [u8], &'static [u8]>,
        group: &[Request],
    ) -> Result<(Vec<Replies>, bool), redb::Error> {
        let mut view = RedbView::new(table);
        let now = (self.clock)();
        let mut replies = Vec::with_capacity(group.len());
        for request in group {
            let batches = request.batches.iter();
            let applied: Result<Replies, ViewError> =
                batches.map(|batch| apply::apply(&mut view, batch, now)).collect();
            // The caller drops the transaction, which undoes all of it.
            let failed = |error: ViewError| io::Error::other(error.to_string());
            replies.push(applied.map_err(failed)?);
        }
        Ok((replies, view.changed))
    }
}

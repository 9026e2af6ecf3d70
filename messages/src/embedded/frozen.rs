//! Reading a database file whose disk takes no writes.
//!
//! A database that was not closed repairs itself when it is opened, and that writes. Here those writes
//! stay in memory: the file is as the last good commit left it, and what was acknowledged can be read.

use std::{
    collections::HashMap,
    fmt, io,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use redb::{BackendError, StorageBackend};

const PAGE: u64 = 4096;

/// A backend that reads from another one, and keeps what is written to itself.
pub struct Frozen<B> {
    below: B,
    state: Mutex<State>,
}

struct State {
    len: u64,
    /// Nothing at or above this is read from below: the file was shortened to here.
    below: u64,
    pages: HashMap<u64, Box<[u8; PAGE as usize]>>,
}

impl<B: StorageBackend> Frozen<B> {
    /// What `below` holds now.
    pub fn new(below: B) -> io::Result<Self> {
        let len = below.len()?;
        Ok(Self { below, state: Mutex::new(State { len, below: len, pages: HashMap::new() }) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page as it is now.
    fn page(&self, state: &State, number: u64) -> io::Result<Box<[u8; PAGE as usize]>> {
        if let Some(page) = state.pages.get(&number) {
            return Ok(page.clone());
        }
        let mut page = Box::new([0; PAGE as usize]);
        let start = number * PAGE;
        let there = state.below.saturating_sub(start).min(PAGE) as usize;
        if there > 0 {
            self.below.read(start, &mut page[..there])?;
        }
        Ok(page)
    }
}

/// The parts of `offset..offset + length` by page: number, start in the page, start in the buffer, length.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let at = offset + done as u64;
        let inside = (at % PAGE) as usize;
        let take = (PAGE as usize - inside).min(length - done);
        let piece = (at / PAGE, inside, done, take);
        done += take;
        Some(piece)
    })
}

impl<B: StorageBackend> StorageBackend for Frozen<B> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        if offset.saturating_add(out.len() as u64) > state.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, inside, at, take) in pieces(offset, out.len()) {
            let page = self.page(&state, number)?;
            out[at..at + take].copy_from_slice(&page[inside..inside + take]);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        if len < state.len {
            // What is behind the end reads as zero when the file grows again.
            let end = len.div_ceil(PAGE);
            if !len.is_multiple_of(PAGE) {
                let mut last = self.page(&state, len / PAGE)?;
                last[(len % PAGE) as usize..].fill(0);
                state.pages.insert(len / PAGE, last);
            }
            state.pages.retain(|number, _| *number < end);
            state.below = state.below.min(len);
        }
        state.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        for (number, inside, at, take) in pieces(offset, data.len()) {
            let mut page = self.page(&state, number)?;
            page[inside..inside + take].copy_from_slice(&data[at..at + take]);
            state.pages.insert(number, page);
        }
        state.len = state.len.max(offset + data.len() as u64);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.below.close()
    }

    // The file is in use all the same: another process must not write it.

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.below.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.query_lock_range(start, end)
    }
}

impl<B> fmt::Debug for Frozen<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frozen").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Write(u64, Vec<u8>),
        SetLen(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let bytes = prop::collection::vec(any::<u8>(), 0..9000);
        prop_oneof![
            (0u64..20_000, bytes).prop_map(|(at, bytes)| Step::Write(at, bytes)),
            (0u64..20_000).prop_map(Step::SetLen),
        ]
    }

    proptest! {
        #[test]
        fn it_behaves_as_a_file_and_leaves_the_one_below_alone(
            before in prop::collection::vec(any::<u8>(), 0..10_000),
            steps in prop::collection::vec(step(), 0..12),
        ) {
            let below = InMemoryBackend::new();
            below.set_len(before.len() as u64).unwrap();
            below.write(0, &before).unwrap();
            let frozen = Frozen::new(below).unwrap();
            let mut model = before.clone();
            for step in steps {
                match step {
                    Step::Write(at, bytes) => {
                        frozen.write(at, &bytes).unwrap();
                        let end = at as usize + bytes.len();
                        model.resize(model.len().max(end), 0);
                        model[at as usize..end].copy_from_slice(&bytes);
                    }
                    Step::SetLen(len) => {
                        frozen.set_len(len).unwrap();
                        model.resize(len as usize, 0);
                    }
                }
                let mut read = vec![0; frozen.len().unwrap() as usize];
                frozen.read(0, &mut read).unwrap();
                prop_assert!(read == model);
            }
            let mut left = vec![0; before.len()];
            frozen.below.read(0, &mut left).unwrap();
            prop_assert!(left == before && frozen.below.len().unwrap() == before.len() as u64);
        }
    }
}

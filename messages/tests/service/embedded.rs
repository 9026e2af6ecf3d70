//! The embedded replica: it does as a map in memory does, also after it was opened again, and it comes
//! back from a disk that fails.

use std::{
    fs::File,
    io,
    ops::Bound,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use chatcluster_messages::{
    Metrics,
    embedded::{Embedded, FileMedium, Frozen, Medium, OpenError, WriterThread},
    fan_out,
};
use chatcluster_protocol::id::DeviceId;
use messages_core::{
    apply::{Batch, Claim, Part, Unit},
    key::Ids,
    replica::{Replica, ReplicaError},
    repository::{Append, Direction, InboxCursor, Query, Quorum, Refused, Repository, Stored},
    view::MemoryView,
};
use proptest::prelude::*;
use redb::{BackendError, Database, DatabaseError, StorageBackend, backends::FileBackend};
use tokio_util::sync::CancellationToken;

use crate::{
    harness::*,
    replicas::{Engine, does_as_a_map_in_memory, step},
};

fn open(path: &Path) -> (Embedded, WriterThread) {
    Embedded::open(path, SetClock::new().clock(), metrics()).unwrap()
}

struct Reopened {
    path: PathBuf,
    replica: Option<(Embedded, WriterThread)>,
    _folder: tempfile::TempDir,
}

impl Engine for Reopened {
    type Replica = Embedded;

    fn replica(&self) -> &Embedded {
        &self.replica.as_ref().unwrap().0
    }

    fn now(&self) -> u64 {
        NOW
    }

    async fn reopen(&mut self) {
        let (replica, mut writer) = self.replica.take().unwrap();
        drop(replica);
        writer.ended().await;
        self.replica = Some(open(&self.path));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn it_does_as_a_map_in_memory_does_also_when_opened_again(
        steps in prop::collection::vec(step(1), 0..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("messages.redb");
            let replica = Some(open(&path));
            let mut engine = Reopened { path, replica, _folder: folder };
            does_as_a_map_in_memory(&mut engine, MemoryView::default(), steps).await;
        });
    }
}

#[tokio::test]
async fn a_file_in_use_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("messages.redb");
    let (_replica, _writer) = open(&path);
    let error = Embedded::open(&path, SetClock::new().clock(), metrics()).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error:?}");
    assert_eq!(error.to_string(), format!("{} is in use by another process", path.display()));
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_a_clear_error() {
    let path = Path::new("/nowhere/at/all/messages.redb");
    let error = Embedded::open(path, SetClock::new().clock(), metrics()).unwrap_err().to_string();
    assert!(
        error.contains("/nowhere/at/all/messages.redb") && error.contains("No such file"),
        "{error}"
    );
}

/// What is wrong with the disk.
#[derive(Debug, Default)]
struct Faults {
    write: AtomicBool,
    sync: AtomicBool,
    open: AtomicBool,
}

#[derive(Debug)]
struct Faulty {
    below: FileBackend,
    faults: Arc<Faults>,
}

fn fail(fault: &AtomicBool) -> io::Result<()> {
    if fault.load(SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}

impl StorageBackend for Faulty {
    fn len(&self) -> io::Result<u64> {
        self.below.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.below.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        fail(&self.faults.write)?;
        self.below.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        fail(&self.faults.sync)?;
        self.below.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        fail(&self.faults.write)?;
        self.below.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.below.close()
    }
    fn try_lock_range(&self, a: Bound<u64>, b: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_range(a, b)
    }
    fn try_lock_shared_range(&self, a: Bound<u64>, b: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_shared_range(a, b)
    }
    fn lock_range(&self, a: Bound<u64>, b: Bound<u64>) -> Result<(), BackendError> {
        self.below.lock_range(a, b)
    }
    fn lock_shared_range(&self, a: Bound<u64>, b: Bound<u64>) -> Result<(), BackendError> {
        self.below.lock_shared_range(a, b)
    }
    fn unlock_range(&self, a: Bound<u64>, b: Bound<u64>) -> Result<(), BackendError> {
        self.below.unlock_range(a, b)
    }
    fn query_lock_range(&self, a: Bound<u64>, b: Bound<u64>) -> Result<bool, BackendError> {
        self.below.query_lock_range(a, b)
    }
}

struct FaultyMedium {
    path: PathBuf,
    faults: Arc<Faults>,
}

impl FaultyMedium {
    fn backend(&self) -> Result<Faulty, DatabaseError> {
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file =
            options.open(&self.path).map_err(|error| DatabaseError::Storage(error.into()))?;
        Ok(Faulty { below: FileBackend::new(file)?, faults: self.faults.clone() })
    }
}

impl Medium for FaultyMedium {
    fn open(&self) -> Result<Database, DatabaseError> {
        fail(&self.faults.open).map_err(|error| DatabaseError::Storage(error.into()))?;
        Database::builder().create_with_backend(self.backend()?)
    }
    fn open_frozen(&self) -> Result<Database, DatabaseError> {
        let frozen = Frozen::new(self.backend()?);
        let frozen = frozen.map_err(|error| DatabaseError::Storage(error.into()))?;
        Database::builder().create_with_backend(frozen)
    }
    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

struct Service {
    faults: Arc<Faults>,
    quorum: Quorum<Embedded>,
    metrics: Arc<Metrics>,
    _folder: tempfile::TempDir,
}

impl Service {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let faults = Arc::new(Faults::default());
        let path = folder.path().join("messages.redb");
        let medium = Box::new(FaultyMedium { path, faults: faults.clone() });
        let metrics = metrics();
        let opened = Embedded::open_on(medium, SetClock::new().clock(), metrics.clone());
        let quorum = Quorum::of_one(opened.unwrap().0);
        Self { faults, quorum, metrics, _folder: folder }
    }

    async fn store(&self, n: u64) -> Result<Stored, Refused> {
        let message = said("alice", "bob", &n.to_string(), "hi");
        let append = Append { id: id_of(&message, NOW + n), message };
        self.quorum.append(vec![append]).await.pop().unwrap()
    }

    async fn archived(&self) -> usize {
        let query = Query {
            user: None,
            conversation: None,
            sender: None,
            content_type: None,
            ids: Ids::ALL,
            direction: Direction::Backward,
            limit: 1000,
            bytes: usize::MAX,
        };
        self.quorum.query(query, NOW).await.unwrap().messages.len()
    }

    async fn fails_until_it_heals(&self, faults: &[&AtomicBool]) {
        for n in 0..10 {
            self.store(n).await.unwrap();
        }
        for fault in faults {
            fault.store(true, SeqCst);
        }
        // Not only the first time: each failure has to leave something that can be read.
        eventually("three failed transactions", || async {
            assert!(matches!(self.store(10).await, Err(Refused::Unavailable(_))));
            assert_eq!(self.archived().await, 10, "what was acknowledged can be read");
            (self.metrics.commits_failed.get() >= 3).then_some(())
        })
        .await;
        for fault in faults {
            fault.store(false, SeqCst);
        }
        eventually("storing", || async { self.store(10).await.ok() }).await;
        self.store(11).await.unwrap();
        assert_eq!(self.archived().await, 12);
    }
}

#[tokio::test]
async fn a_full_disk_acknowledges_nothing_and_is_read_on() {
    let service = Service::start();
    let faults = service.faults.clone();
    service.fails_until_it_heals(&[&faults.write]).await;
}

#[tokio::test]
async fn a_failed_fsync_acknowledges_nothing_and_is_read_on() {
    let service = Service::start();
    let faults = service.faults.clone();
    service.fails_until_it_heals(&[&faults.sync]).await;
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_for_writing_is_read_frozen() {
    let service = Service::start();
    let faults = service.faults.clone();
    service.fails_until_it_heals(&[&faults.write, &faults.open]).await;
}

#[tokio::test]
async fn more_than_the_queue_holds_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (replica, _writer) = open(&folder.path().join("messages.redb"));
    let message = said("alice", "bob", "1", &"x".repeat(32 * 1024));
    let id = id_of(&message, NOW);
    let home = Part::Home { id, message, claim: Claim::First, group: None };
    // 80 MiB in one call: over the queue's 64.
    let batch = Batch(vec![Unit(vec![home; 2500])]);
    let refused = replica.apply(vec![batch].into()).await;
    assert_eq!(refused, Err(ReplicaError::Busy));
}

#[tokio::test]
async fn what_a_crash_left_half_done_is_finished_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, metrics) = (SetClock::new(), metrics());
    let path = folder.path().join("messages.redb");
    let (replica, _writer) = Embedded::open(&path, clock.clock(), metrics.clone()).unwrap();
    let phone = DeviceId::new("phone").unwrap();
    let message = said("alice", "bob", "1", "hi");
    let id = id_of(&message, NOW);
    let register =
        Part::Register { user: user("bob"), device: phone.clone(), known: None, issued: Some(NOW) };
    let home = Part::Home { id, message, claim: Claim::First, group: None };
    replica.apply(vec![Batch(vec![Unit(vec![register, home])])].into()).await.unwrap();

    clock.set(NOW + 10_001);
    let repository = Arc::new(Quorum::of_one(replica));
    let stop = CancellationToken::new();
    let finishing =
        fan_out::finish_pending(repository.clone(), clock.clock(), metrics.clone(), stop.clone());
    let finishing = tokio::spawn(finishing);
    eventually("finishing", || async { (metrics.finished.get() == 1).then_some(()) }).await;
    let inbox = repository.inbox(user("bob"), phone, InboxCursor::Start, 10, 1000).await.unwrap();
    assert_eq!(inbox.messages[0].message, id);
    stop.cancel();
    finishing.await.unwrap();
}

#[test]
fn the_real_medium_freezes_too() {
    let folder = tempfile::tempdir().unwrap();
    let medium = FileMedium::new(&folder.path().join("messages.redb"));
    drop(medium.open().unwrap());
    let before = std::fs::read(folder.path().join("messages.redb")).unwrap();
    let frozen = medium.open_frozen().unwrap();
    let table = redb::TableDefinition::<u64, u64>::new("t");
    let transaction = frozen.begin_write().unwrap();
    transaction.open_table(table).unwrap().insert(1, 1).unwrap();
    transaction.commit().unwrap();
    drop(frozen);
    assert!(std::fs::read(folder.path().join("messages.redb")).unwrap() == before);
}

//! Replicas in memory with a clock that is set by hand, and short words for messages.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use chatcluster_protocol::{
    client::{Body, ContentType, MemberReceipt, Message},
    id::{ConversationId, DeviceId, GroupId, Identity, MessageId, Reference, Stamp, UserId},
};
use futures_util::FutureExt;
use messages_core::{
    apply::{self, Basis, Batch, Claim, Part, Unit, UnitReply},
    digest::Digest,
    group::Group,
    key::{self, Ids},
    record::{Archived, To},
    repair::{Attendance, Pass, Progress},
    replica::{self, Answer, Replica, ReplicaError},
    repository::{
        Acknowledge, Append, Direction, InboxCursor, InboxPage, MarkPlaced, MarkRead, Marked,
        Query, Quorum, Refused, Registered, Repository, RepositoryError, Stored, Unmarked,
    },
    view::{MemoryView, Rows, Scan, View, ViewMut},
};

/// The wall clock of all tests, until they set it.
pub const NOW: u64 = 1_700_000_000_000;

type Interlude = Box<dyn FnOnce(&mut MemoryView) + Send>;

/// A replica in memory, to be shared with the test.
#[derive(Clone, Default)]
pub struct MemoryReplica(Arc<Inner>);

#[derive(Default)]
struct Inner {
    view: Mutex<MemoryView>,
    now: AtomicU64,
    away: AtomicBool,
    writes_left: AtomicU64,
    interlude: Mutex<Option<Interlude>>,
    behind: Mutex<Option<Vec<Arc<[Batch]>>>>,
    number: u64,
    emptied: AtomicU64,
}

impl MemoryReplica {
    pub fn new(number: u64, view: MemoryView) -> Self {
        let inner = Inner {
            number,
            view: Mutex::new(view),
            now: AtomicU64::new(NOW),
            writes_left: AtomicU64::new(u64::MAX),
            ..Inner::default()
        };
        Self(Arc::new(inner))
    }

    pub fn set_now(&self, now: u64) {
        self.0.now.store(now, SeqCst);
    }

    pub fn set_away(&self, away: bool) {
        self.0.away.store(away, SeqCst);
    }

    pub fn view(&self) -> MemoryView {
        self.0.view.lock().unwrap().clone()
    }

    /// Somebody else's write, between the next call's reads and its write.
    pub fn before_next_write(&self, interlude: impl FnOnce(&mut MemoryView) + Send + 'static) {
        *self.0.interlude.lock().unwrap() = Some(Box::new(interlude));
    }

    /// Goes away after this many more writes.
    pub fn die_after(&self, writes: u64) {
        self.0.writes_left.store(writes, SeqCst);
    }

    /// From now on it carries writes out when it catches up, too late for who asks.
    pub fn fall_behind(&self) {
        *self.0.behind.lock().unwrap() = Some(Vec::new());
    }

    /// It carries out what it has not yet, in order.
    pub fn catch_up(&self) {
        for batch in self.late() {
            self.apply_alone(batch);
        }
    }

    /// What it has not carried out yet. What it is asked for from now on overtakes that.
    pub fn late(&self) -> Vec<Batch> {
        let behind = self.0.behind.lock().unwrap().take().unwrap_or_default();
        behind.iter().flat_map(|batches| batches.iter().cloned()).collect()
    }

    /// Applies a batch past the repository, as if the service had died behind it.
    pub fn apply_alone(&self, batch: Batch) -> Vec<UnitReply> {
        apply::apply(&mut *self.0.view.lock().unwrap(), &batch, self.0.now.load(SeqCst)).unwrap()
    }

    /// A batch comes to this replica alone, under ids of its own, as a late pod brings it.
    pub fn comes_late(&self, batch: Vec<Append>) {
        let home = |Append { id, message }: Append| {
            Unit(vec![Part::Home { id, message, claim: Claim::First, group: None }])
        };
        self.apply_alone(Batch(batch.into_iter().map(home).collect()));
    }

    /// What a message to a group goes by, where this replica's group has been read.
    pub fn basis(&self, group: GroupId, next: Option<Group>) -> Basis {
        let stored = self.view().get(&key::group(group)).unwrap();
        Basis { digest: Group::digest(stored.as_deref()), next: next.map(Box::new) }
    }

    /// Its disk was emptied.
    pub fn empty(&self) {
        *self.0.view.lock().unwrap() = MemoryView::with_tombstones();
        self.0.emptied.fetch_add(1, SeqCst);
    }

    /// Which one it is by now.
    pub fn identity(&self) -> replica::Identity {
        replica::Identity(u128::from(self.0.number) << 64 | u128::from(self.0.emptied.load(SeqCst)))
    }

    fn answer<T>(&self, what: T) -> Answer<T> {
        Answer { by: self.identity(), what }
    }

    fn here(&self) -> Result<(), ReplicaError> {
        let away = self.0.away.load(SeqCst) || self.0.writes_left.load(SeqCst) == 0;
        if away { Err(ReplicaError::Unavailable("away".into())) } else { Ok(()) }
    }
}

impl Replica for MemoryReplica {
    async fn apply(
        &self,
        batches: Arc<[Batch]>,
    ) -> Result<Answer<Vec<Vec<UnitReply>>>, ReplicaError> {
        self.here()?;
        if let Some(behind) = self.0.behind.lock().unwrap().as_mut() {
            behind.push(batches);
            return Err(ReplicaError::Unavailable("late".into()));
        }
        self.0.writes_left.fetch_sub(1, SeqCst);
        let mut view = self.0.view.lock().unwrap();
        if let Some(interlude) = self.0.interlude.lock().unwrap().take() {
            interlude(&mut view);
        }
        let now = self.0.now.load(SeqCst);
        let replies = batches.iter().map(|batch| apply::apply(&mut *view, batch, now).unwrap());
        Ok(self.answer(replies.collect()))
    }

    async fn read(&self, scans: Arc<[Scan]>) -> Result<Answer<Vec<Rows>>, ReplicaError> {
        self.here()?;
        let view = self.0.view.lock().unwrap();
        Ok(self.answer(scans.iter().map(|scan| view.scan(scan).unwrap()).collect()))
    }

    async fn digest(
        &self,
        scan: Scan,
        forgotten_before: u64,
    ) -> Result<Answer<Digest>, ReplicaError> {
        self.here()?;
        let view = self.0.view.lock().unwrap();
        Ok(self.answer(Digest::of(&view.scan(&scan).unwrap(), forgotten_before)))
    }
}

/// A repository whose calls end at once, and its replicas.
pub struct Service {
    pub replicas: Vec<MemoryReplica>,
    pub quorum: Quorum<MemoryReplica>,
}

impl Service {
    pub fn of_one() -> Self {
        let replica = MemoryReplica::new(0, MemoryView::default());
        Self { replicas: vec![replica.clone()], quorum: Quorum::of_one(replica) }
    }

    pub fn of_three() -> Self {
        let service = Self::of_three_new();
        service.attend().unwrap();
        service
    }

    /// Of which none has voted yet.
    pub fn of_three_new() -> Self {
        let replicas: Vec<_> =
            (0..3).map(|n| MemoryReplica::new(n, MemoryView::with_tombstones())).collect();
        Self { quorum: Quorum::new(replicas.clone()), replicas }
    }

    /// Compares the replicas from end to end.
    pub fn pass(&self, forgotten_before: u64) -> Result<Progress, ReplicaError> {
        let mut pass = Pass::new(self.replicas.len());
        while pass.step(&self.quorum, forgotten_before).now_or_never().unwrap()? {}
        Ok(pass.progress().clone())
    }

    pub fn attend(&self) -> Result<Attendance, ReplicaError> {
        self.quorum.attend().now_or_never().unwrap()
    }

    pub fn replica(&self) -> &MemoryReplica {
        &self.replicas[0]
    }

    pub fn append(&self, appends: Vec<Append>) -> Vec<Result<Stored, Refused>> {
        self.quorum.append(appends).now_or_never().unwrap()
    }

    pub fn store(&self, append: &Append) -> Result<Stored, Refused> {
        self.append(vec![append.clone()]).pop().unwrap()
    }

    pub fn register(&self, name: &str, of: &str) -> bool {
        self.comes(name, of, u64::MAX).created
    }

    /// A device comes by a token that was issued then.
    pub fn comes(&self, name: &str, of: &str, issued: u64) -> Registered {
        let call = self.quorum.register(user(name), device(of), issued);
        call.now_or_never().unwrap().unwrap()
    }

    /// Whether these devices of a user are known.
    pub fn seen(&self, name: &str, of: &[&str]) -> Vec<bool> {
        let devices = of.iter().map(|of| (user(name), device(of))).collect();
        let seen = self.quorum.seen(devices).now_or_never().unwrap().unwrap();
        seen.iter().map(|seen| seen.known).collect()
    }

    /// The names of a user's devices; nothing where none has ever been known.
    pub fn devices(&self, name: &str) -> Option<Vec<String>> {
        let devices = self.quorum.devices(user(name)).now_or_never().unwrap().unwrap();
        devices.map(|devices| devices.keys().map(ToString::to_string).collect())
    }

    pub fn remove(&self, name: &str, of: &str) -> Result<bool, RepositoryError> {
        self.quorum.remove_device(user(name), device(of)).now_or_never().unwrap()
    }

    /// Removes all devices that were not seen since, and says how many.
    pub fn expire(&self, unseen_since: u64) -> usize {
        let (mut removed, mut after) = (0, None);
        loop {
            let page = self.quorum.expire_devices(unseen_since, after);
            let (count, next) = page.now_or_never().unwrap().unwrap();
            removed += count;
            after = next;
            if after.is_none() {
                return removed;
            }
        }
    }

    pub fn finish_removals(&self, before: u64) -> usize {
        self.quorum.finish_removals(before).now_or_never().unwrap().unwrap()
    }

    /// All of an inbox, page by page.
    pub fn inbox(&self, name: &str, of: &str) -> InboxPage {
        let (mut all, mut from) = (InboxPage::default(), Some(InboxCursor::Start));
        while let Some(cursor) = from {
            let page = self.inbox_page(name, of, cursor, 3, usize::MAX);
            all.messages.extend(page.messages);
            all.receipts.extend(page.receipts);
            from = page.next;
        }
        all
    }

    pub fn inbox_page(
        &self,
        name: &str,
        of: &str,
        from: InboxCursor,
        limit: usize,
        bytes: usize,
    ) -> InboxPage {
        let page = self.quorum.inbox(user(name), device(of), from, limit, bytes);
        page.now_or_never().unwrap().unwrap()
    }

    /// The ids of the messages in an inbox.
    pub fn waiting(&self, name: &str, of: &str) -> Vec<MessageId> {
        self.inbox(name, of).messages.iter().map(|message| message.message).collect()
    }

    pub fn acknowledge(
        &self,
        name: &str,
        of: &str,
        messages: impl IntoIterator<Item = MessageId>,
    ) -> Vec<MarkPlaced> {
        self.acknowledge_all(name, of, messages, [])
    }

    pub fn acknowledge_all(
        &self,
        name: &str,
        of: &str,
        messages: impl IntoIterator<Item = MessageId>,
        receipts: impl IntoIterator<Item = MessageId>,
    ) -> Vec<MarkPlaced> {
        let acknowledge = Acknowledge {
            user: user(name),
            device: device(of),
            messages: messages.into_iter().collect::<BTreeSet<_>>(),
            receipts: receipts.into_iter().collect(),
            stamp: Stamp::new(NOW, 0),
        };
        self.quorum.acknowledge(vec![acknowledge]).now_or_never().unwrap().unwrap()
    }

    /// A user (`bob/phone`) has read what they have with another one up to here.
    pub fn read(&self, who: &str, with: &str, up_to: MessageId) -> Result<Marked, Unmarked> {
        let who = who.split_once('/').unwrap();
        self.mark_read(who, conversation(who.0, with), up_to)
    }

    /// A user has read a conversation up to here.
    pub fn mark_read(
        &self,
        who: (&str, &str),
        conversation: ConversationId,
        up_to: MessageId,
    ) -> Result<Marked, Unmarked> {
        let (user, device) = device_of(who);
        let mark = MarkRead { user, device, conversation, up_to, stamp: Stamp::new(NOW, 0) };
        let mut marked = self.quorum.mark_read(vec![mark]).now_or_never().unwrap().unwrap();
        marked.pop().unwrap()
    }

    /// What the others have of a message of this user: `r` have read it, `d` have it, `-` have not.
    pub fn receipts(&self, sender: &str, message: MessageId) -> Option<Vec<(String, char)>> {
        let found = self.quorum.receipts(user(sender), message).now_or_never().unwrap().unwrap();
        let mark = |one: MemberReceipt| {
            let mark = match (one.delivered, one.read) {
                (true, true) => 'r',
                (true, false) => 'd',
                (false, false) => '-',
                (false, true) => panic!("{one:?} is read and not delivered"),
            };
            (one.user.to_string(), mark)
        };
        Some(found?.into_iter().map(mark).collect())
    }

    pub fn finish_pending(&self, before: MessageId) -> usize {
        self.quorum.finish_pending(before).now_or_never().unwrap().unwrap()
    }

    /// All that a query finds, page by page, and how often a forward page came again.
    pub fn all(&self, mut query: Query, now: u64) -> Vec<Message> {
        let mut all = Vec::new();
        loop {
            let page = self.quorum.query(query.clone(), now).now_or_never().unwrap().unwrap();
            assert!(page.messages.len() <= query.limit);
            all.extend(page.messages);
            match (page.next, query.direction) {
                (Some(next), _) if !page.more => assert!(next <= MessageId::MAX),
                (Some(next), Direction::Forward) => {
                    query.ids = query.ids.above(next);
                    continue;
                }
                (Some(next), Direction::Backward) => {
                    query.ids = query.ids.below(next);
                    continue;
                }
                (None, _) => {}
            }
            return all;
        }
    }
}

/// Without one of the replicas, or with all of them.
pub fn with_away<T>(service: &Service, away: Option<usize>, call: impl FnOnce() -> T) -> T {
    for (at, replica) in service.replicas.iter().enumerate() {
        replica.set_away(Some(at) == away);
    }
    call()
}

pub fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub fn device(name: &str) -> DeviceId {
    DeviceId::new(name).unwrap()
}

/// A device of a user.
pub fn device_of((name, of): (&str, &str)) -> (UserId, DeviceId) {
    (user(name), device(of))
}

pub fn conversation(one: &str, other: &str) -> ConversationId {
    ConversationId::between(&user(one), &user(other))
}

/// Everything, newest first, 50 at a time.
pub fn everything() -> Query {
    Query {
        user: None,
        conversation: None,
        sender: None,
        content_type: None,
        ids: Ids::ALL,
        direction: Direction::Backward,
        limit: 50,
        bytes: usize::MAX,
    }
}

/// A message from a sender's device (`alice/phone`) to a user, stamped `millis` after [`NOW`].
pub fn message(from: &str, to: &str, reference: &str, millis: i64, body: &str) -> Append {
    let (from, of) = from.split_once('/').unwrap_or((from, "phone"));
    let message = Archived {
        from: user(from),
        device: device(of),
        reference: Reference::new(reference).unwrap(),
        to: To::User(user(to)),
        kind: ContentType::default(),
        body: Body::new(body).unwrap(),
    };
    let identity = Identity::of(&message.from, &message.device, &message.reference);
    let stamp = Stamp::new(NOW.checked_add_signed(millis).unwrap(), 0);
    Append { id: MessageId::new(stamp, identity), message }
}

/// Makes a device known past the repository.
pub fn register_in(view: &mut MemoryView, name: &str, of: &str) {
    let part =
        Part::Register { user: user(name), device: device(of), known: None, issued: Some(NOW) };
    apply::apply(view, &Batch(vec![Unit(vec![part])]), NOW).unwrap();
}

/// The same as [`ViewMut`] has it, for tests that damage records.
pub fn put(replica: &MemoryReplica, key: Vec<u8>, value: Vec<u8>) {
    replica.0.view.lock().unwrap().put(key, value).unwrap();
}

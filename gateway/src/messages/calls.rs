//! The calls, each with its deadline, its bound and its figures.

use std::{future::Future, time::Duration};

use chatcluster_messages_api::v1;
use chatcluster_protocol::{
    Millis,
    client::{
        GroupRequest, GroupState, History, HistoryPage, PresenceTo, Read, Receipts, ReceiptsRequest,
    },
    id::{MessageId, UserId},
    limits::ACK_IDS,
};
use gateway_core::{
    Away, Device, Push,
    registrar::Seen,
    revocations::Page,
    session::{Append, AppendResult, HistoryFailure, InboxPage, MarkFailure, Registration},
};
use prost::Message;
use tokio::sync::Semaphore;
use tonic::{Code, Response, Status};

use super::{
    Service,
    batch::{Batcher, Failed, Limits},
    batched, convert,
};
use crate::metrics::{Metrics, count};

/// How long a call may take before its outcome counts as unknown. A client then sends again, so this
/// is longer than the slowest fsync that is worth waiting for.
const WITHIN: Duration = Duration::from_secs(5);

/// The service takes 256 items and 4 MiB in a call, and joins what several calls bring into one
/// transaction. With 8 calls under way it never waits for us; 16,384 waiting jobs are about a second's
/// work of one island. One session's lane of 64 sends of 32 KiB is 2 MiB by itself.
const APPENDS: Limits = Limits { queue: 16_384, items: 256, bytes: 3 << 20, calls: 8 };
const ACKS: Limits = Limits { queue: 16_384, items: 256, bytes: 1 << 20, calls: 8 };
const READS: Limits = ACKS;

/// What an append to a group counts for beside its own bytes: the answer names the devices of all members.
const GROUP_ANSWER: usize = 256 << 10;

/// Calls of single sessions under way at the same time; further ones wait within their deadline.
const SINGLE: usize = 256;

/// Receipts that were stored, each for these devices.
pub(super) type ToRoute = Vec<(Push, Vec<Device>)>;

/// The message service, with its batches.
#[derive(Debug)]
pub struct Messages {
    service: Service,
    appends: Batcher<v1::Append, AppendResult>,
    acks: Batcher<v1::Acknowledgement, ()>,
    reads: Batcher<v1::ReadMark, Result<MessageId, MarkFailure>>,
    single: Semaphore,
    metrics: Metrics,
}

impl Messages {
    /// Starts the batchers; receipts that acknowledgements and marks bring go to `receipts`. Needs a tokio
    /// runtime, in which they end when this is dropped.
    pub fn start(
        service: Service,
        metrics: Metrics,
        receipts: impl Fn(ToRoute) + Clone + Send + Sync + 'static,
    ) -> Self {
        let (to, figures) = (service.clone(), metrics.clone());
        let appends = Batcher::start(APPENDS, move |items| {
            let (service, metrics) = (to.clone(), figures.clone());
            Box::pin(batched::append(service, metrics, items))
        });
        let (to, figures) = (service.clone(), metrics.clone());
        let route = receipts.clone();
        let acks = Batcher::start(ACKS, move |items| {
            let (service, metrics, receipts) = (to.clone(), figures.clone(), route.clone());
            Box::pin(batched::acknowledge(service, metrics, items, receipts))
        });
        let (to, figures) = (service.clone(), metrics.clone());
        let reads = Batcher::start(READS, move |items| {
            let (service, metrics, receipts) = (to.clone(), figures.clone(), receipts.clone());
            Box::pin(batched::mark_read(service, metrics, items, receipts))
        });
        Self { service, appends, acks, reads, single: Semaphore::new(SINGLE), metrics }
    }

    /// Stores messages of one conversation.
    pub async fn append(&self, appends: &[Append]) -> Result<Vec<AppendResult>, Away> {
        let items: Vec<_> = appends.iter().map(convert::append).collect();
        let answers = appends.iter().filter(|one| one.send.to.is_group()).count() * GROUP_ANSWER;
        let bytes = answers + items.iter().map(Message::encoded_len).sum::<usize>();
        self.submitted("append", self.appends.submit(items, bytes)).await
    }

    /// Removes what a device has kept from its inbox.
    pub async fn acknowledge(
        &self,
        device: &Device,
        messages: &[MessageId],
        receipts: &[MessageId],
        stamp: MessageId,
    ) -> Result<(), Away> {
        let ids = |ids: &[MessageId]| ids.iter().map(|id| convert::bytes(*id)).collect();
        let item = |messages: &[MessageId], receipts: &[MessageId]| v1::Acknowledgement {
            device: Some(convert::device(device)),
            messages: ids(messages),
            receipts: ids(receipts),
            stamp: convert::bytes(stamp),
        };
        let of_messages = messages.chunks(ACK_IDS).map(|messages| item(messages, &[]));
        let of_receipts = receipts.chunks(ACK_IDS).map(|receipts| item(&[], receipts));
        let items: Vec<_> = of_messages.chain(of_receipts).collect();
        let bytes = items.iter().map(Message::encoded_len).sum();
        self.submitted("acknowledge", self.acks.submit(items, bytes)).await.map(|_| ())
    }

    /// Raises how far a user has read.
    pub async fn mark_read(
        &self,
        device: &Device,
        read: &Read,
        stamp: MessageId,
    ) -> Result<MessageId, MarkFailure> {
        let item = v1::ReadMark {
            device: Some(convert::device(device)),
            conversation: read.conversation.to_bytes().to_vec().into(),
            up_to: convert::bytes(read.up_to),
            stamp: convert::bytes(stamp),
        };
        let bytes = item.encoded_len();
        let results = self.submitted("mark_read", self.reads.submit(vec![item], bytes)).await;
        results.ok().and_then(|mut one| one.pop()).unwrap_or(Err(MarkFailure::Unavailable))
    }

    /// Makes a device known, by a token that was issued then; with it comes what was revoked of it.
    pub async fn register(
        &self,
        device: &Device,
        issued: Millis,
    ) -> Result<(Registration, Option<Millis>), Away> {
        let request = v1::RegisterRequest { device: Some(convert::device(device)), issued };
        let mut client = self.service.client();
        let answer = self.call("register", async move { client.register(request).await }).await;
        let answer = answer.map_err(|_| Away)?;
        let registration = match &answer {
            answer if answer.too_many_devices => Registration::TooManyDevices,
            answer if answer.created => Registration::New,
            _ => Registration::Known,
        };
        Ok((registration, Some(answer.revoked_before).filter(|before| *before > 0)))
    }

    /// Says that devices are in use.
    pub async fn seen(&self, devices: &[Device]) -> Result<Seen, Away> {
        let devices = devices.iter().map(convert::device).collect();
        let request = v1::SeenRequest { devices };
        let mut client = self.service.client();
        let answer = self.call("seen", async move { client.seen(request).await }).await;
        let answer = answer.map_err(|_| Away)?;
        let revoked = answer.revoked.iter().map(|one| (one.position, one.revoked_before));
        Ok(Seen { revoked: revoked.collect(), unknown: answer.unknown })
    }

    /// Reads whose tokens have been revoked.
    pub async fn revocations(&self, from: bytes::Bytes) -> Result<Page, Away> {
        let request = v1::RevocationsRequest { cursor: from };
        let mut client = self.service.client();
        let page = self.call("revocations", async move { client.revocations(request).await }).await;
        convert::revocations(page.map_err(|_| Away)?).map_err(|error| nonsense(&error))
    }

    /// Reads a page of an inbox.
    pub async fn read_inbox(
        &self,
        device: &Device,
        cursor: Option<bytes::Bytes>,
        limit: u32,
    ) -> Result<InboxPage, Away> {
        let device = Some(convert::device(device));
        let request = v1::ReadInboxRequest { device, cursor: cursor.unwrap_or_default(), limit };
        let mut client = self.service.client();
        let page = self.call("read_inbox", async move { client.read_inbox(request).await }).await;
        self.metrics.inbox_pages.inc();
        convert::inbox_page(page.map_err(|_| Away)?).map_err(|error| nonsense(&error))
    }

    /// Which of these devices have something waiting, by position.
    pub async fn probe(&self, devices: &[Device], older_than: Duration) -> Result<Vec<u32>, Away> {
        self.metrics.probed.inc_by(devices.len() as u64);
        let devices = devices.iter().map(convert::device).collect();
        let request = v1::ProbeRequest { devices, older_than: older_than.as_millis() as u64 };
        let mut client = self.service.client();
        let answer = self.call("probe", async move { client.probe(request).await }).await;
        answer.map(|answer| answer.waiting).map_err(|_| Away)
    }

    /// Who may see when a user is online, after that was set where there is something to set.
    pub async fn privacy(
        &self,
        user: &UserId,
        presence_to: Option<PresenceTo>,
        stamp: MessageId,
    ) -> Result<PresenceTo, Away> {
        let request = v1::PrivacyRequest {
            user: user.to_string(),
            presence_to: convert::presence_to(presence_to).into(),
            stamp: convert::bytes(stamp),
        };
        let mut client = self.service.client();
        let answer = self.call("privacy", async move { client.privacy(request).await }).await;
        let is = answer.map_err(|_| Away)?.presence_to();
        convert::presence_is(is).map_err(|error| nonsense(&error))
    }

    /// Who may see when each of these users is online, in the order asked.
    pub async fn settings(&self, users: &[UserId]) -> Result<Vec<PresenceTo>, Away> {
        let users = users.iter().map(ToString::to_string).collect();
        let request = v1::ReadPrivacyRequest { users };
        let mut client = self.service.client();
        let answer = self.call("read_privacy", async move { client.read_privacy(request).await });
        let answer = answer.await.map_err(|_| Away)?;
        let settings = answer.presence_to().map(convert::presence_is).collect::<Result<_, _>>();
        settings.map_err(|error| nonsense(&error))
    }

    /// Whether each watcher, the first of a pair, was written to by the other one.
    pub async fn contacts(&self, pairs: &[(UserId, UserId)]) -> Result<Vec<bool>, Away> {
        let contact = |(watcher, user): &(UserId, UserId)| v1::Contact {
            user: user.to_string(),
            to: watcher.to_string(),
        };
        let request = v1::ReadContactsRequest { contacts: pairs.iter().map(contact).collect() };
        let mut client = self.service.client();
        let answer = self.call("read_contacts", async move { client.read_contacts(request).await });
        let mut contacts = vec![false; pairs.len()];
        for position in answer.await.map_err(|_| Away)?.contacts {
            if let Some(one) = contacts.get_mut(position as usize) {
                *one = true;
            }
        }
        Ok(contacts)
    }

    /// Reads a page of history for the user of `asker`.
    pub async fn history(
        &self,
        asker: &Device,
        request: &History,
    ) -> Result<HistoryPage, HistoryFailure> {
        let wanted = convert::history_request(asker, request);
        let mut client = self.service.client();
        let page = self.call("history", async move { client.history(wanted).await }).await;
        let page = page.map_err(|status| failure(&status))?;
        convert::history_page(request, page).map_err(|error| unusable(&error))
    }

    /// Reads a group for the user of `asker`.
    pub async fn group(
        &self,
        asker: &Device,
        request: &GroupRequest,
    ) -> Result<GroupState, HistoryFailure> {
        let group = request.group.to_bytes().to_vec().into();
        let wanted = v1::ReadGroupRequest { user: asker.user.as_str().into(), group };
        let mut client = self.service.client();
        let found = self.call("read_group", async move { client.read_group(wanted).await }).await;
        let found = found.map_err(|status| failure(&status))?;
        convert::group(request, found).map_err(|error| unusable(&error))
    }

    /// Reads who has received and read a message of the user of `asker`.
    pub async fn receipts(
        &self,
        asker: &Device,
        request: &ReceiptsRequest,
    ) -> Result<Receipts, HistoryFailure> {
        let message = convert::bytes(request.message);
        let wanted = v1::ReadReceiptsRequest { user: asker.user.as_str().into(), message };
        let mut client = self.service.client();
        let found = self.call("read_receipts", async move { client.read_receipts(wanted).await });
        let found = found.await.map_err(|status| failure(&status))?;
        convert::receipts_of(request, found).map_err(|error| unusable(&error))
    }

    async fn submitted<O>(
        &self,
        what: &'static str,
        job: impl Future<Output = Result<O, Failed>>,
    ) -> Result<O, Away> {
        // Waiting in the queue counts, too; the call inside has the same time again at most.
        match tokio::time::timeout(2 * WITHIN, job).await {
            Ok(Ok(results)) => Ok(results),
            Ok(Err(Failed::Full)) => {
                count(&self.metrics.queue_full, what);
                Err(Away)
            }
            Ok(Err(Failed::Call)) | Err(_) => Err(Away),
        }
    }

    async fn call<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Status> {
        let bounded = async {
            // The semaphore is never closed.
            let _permit = self.single.acquire().await.map_err(|_| Status::unavailable("closed"))?;
            call.await
        };
        limited(&self.metrics, what, bounded).await
    }
}

fn failure(status: &Status) -> HistoryFailure {
    match status.code() {
        Code::PermissionDenied => HistoryFailure::Forbidden,
        _ => HistoryFailure::Unavailable,
    }
}

fn unusable(error: &convert::Invalid) -> HistoryFailure {
    let Away = nonsense(error);
    HistoryFailure::Unavailable
}

pub(super) async fn limited<T>(
    metrics: &Metrics,
    what: &'static str,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    let answer = tokio::time::timeout(WITHIN, call).await;
    let answer = answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")));
    // A refusal is an answer: the service is there.
    let answered = !matches!(&answer, Err(status) if status.code() != Code::PermissionDenied);
    count(&metrics.messages_calls, if answered { "answered" } else { "failed" });
    answer.map(Response::into_inner).inspect_err(|status| {
        tracing::debug!(what, code = ?status.code(), text = status.message(), "call failed");
    })
}

pub(super) fn nonsense(error: &convert::Invalid) -> Away {
    tracing::error!(%error, "an answer of the message service cannot be used");
    Away
}

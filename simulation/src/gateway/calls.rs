//! The calls of the message service. Appends and acknowledgements of all sessions that are ready leave
//! together, as the gateway's batchers do it.

use std::{sync::Arc, time::Duration};

use chatcluster_protocol::{
    Millis,
    client::{History, HistoryPage, Read, Receipts, ReceiptsRequest},
    id::{ConversationId, MessageId},
    limits::{ACK_IDS, HISTORY_DEFAULT},
};
use gateway_core::{
    Away, ConnectionId, Device,
    registrar::Seen,
    revocations::Page,
    session::{AppendResult, Effect, HistoryFailure, Input, MarkFailure, Registration},
};
use messages_core::{
    key::Bounds,
    repository::{
        self, Acknowledge, Direction, Query, Registered, Repository, RepositoryError, stable_up_to,
    },
};

use super::convert;
use crate::{
    clock::{MS, S, Time},
    coverage::hit,
    network::Node,
    storage::Repo,
    trace::trace,
    world::World,
};

/// How long a call may take: `WITHIN` of the gateway's message client.
pub(super) const WITHIN: Time = 5 * S;

/// Revocations in an answer.
const REVOCATIONS: usize = 1000;

/// Bodies in a page of an inbox or of history.
const PAGE_BYTES: usize = 128 * 1024;

/// Appends of one session.
pub(super) struct AppendJob {
    connection: ConnectionId,
    conversation: ConversationId,
    appends: Vec<repository::Append>,
}

/// Acknowledgements of one session.
pub(super) struct AckJob {
    connection: ConnectionId,
    acknowledgements: Vec<Acknowledge>,
}

impl World {
    /// Makes the call that a session asks for.
    pub(super) fn ask_messages(&mut self, at: usize, connection: ConnectionId, effect: Effect) {
        match effect {
            Effect::Register { device, issued } => self.register(at, connection, device, issued),
            Effect::ReadInbox { device, cursor, limit } => {
                let from = convert::read_cursor(cursor.as_ref());
                let Device { user, device } = device;
                let call = move |repository: Arc<Repo>| async move {
                    repository.inbox(user, device, from, limit as usize, PAGE_BYTES).await
                };
                self.call_service(at, WITHIN, call, move |world, page| {
                    let page = page.and_then(Result::ok).map(convert::inbox_page).ok_or(Away);
                    let count = page.as_ref().map_or(0, |page| page.entries.len());
                    trace!(world, Node::Gateway(at), "{connection:?} reads {count} from its inbox");
                    world.answered(at, connection, Input::Inbox(page));
                });
            }
            Effect::Append { conversation, appends } => {
                let appends: Vec<_> = appends.into_iter().map(convert::append).collect();
                self.oracle.writes_to(&appends);
                self.batch_append(at, AppendJob { connection, conversation, appends });
            }
            Effect::Acknowledge { device, messages, receipts, stamp } => {
                let of_messages = messages.chunks(ACK_IDS).map(|ids| (ids, &[][..]));
                let of_receipts = receipts.chunks(ACK_IDS).map(|ids| (&[][..], ids));
                let one =
                    |(messages, receipts)| convert::acknowledge(&device, messages, receipts, stamp);
                let acknowledgements = of_messages.chain(of_receipts).map(one).collect();
                self.batch_ack(at, AckJob { connection, acknowledgements });
            }
            Effect::MarkRead { device, request, stamp } => {
                self.mark_read(at, connection, &device, request, stamp);
            }
            Effect::Privacy { user, request, presence_to, stamp } => {
                self.privacy(at, connection, (user, request), presence_to, stamp);
            }
            Effect::History { device, request } => self.history(at, connection, device, request),
            Effect::ReadReceipts { device, request } => {
                self.read_receipts(at, connection, device, request);
            }
            // The others are carried out by whoever gave this one here.
            _ => {}
        }
    }

    fn register(&mut self, at: usize, connection: ConnectionId, device: Device, issued: Millis) {
        let (user, name) = (device.user.clone(), device.device.clone());
        let asked = self.now;
        if let Some(cell) = self.gateways[at].cells.get_mut(&connection) {
            cell.registered = asked;
        }
        let listed = self.gateways[at].machines.revocations.listed(&device);
        let returns = self.oracle.registers(&device);
        let call = move |repository: Arc<Repo>| async move {
            repository.register(user, name, issued).await
        };
        self.call_service(at, WITHIN, call, move |world, found| {
            world.oracle.has_registered(&device);
            if let Some(Ok(Registered { created, revoked_before })) = &found {
                let refused = Some(issued) < *revoked_before;
                world.check_known(&device, asked, *created, issued);
                world.check_registered(&device, asked, *created, returns, refused);
            }
            let found = match found {
                Some(Ok(Registered { created, revoked_before })) => {
                    if let Some(before) = revoked_before.max(listed) {
                        hit("revocation: at hello");
                        world.feed(at, connection, Input::Revoked(before));
                    }
                    Ok(if created { Registration::New } else { Registration::Known })
                }
                Some(Err(RepositoryError::TooManyDevices)) => Ok(Registration::TooManyDevices),
                Some(Err(_)) | None => Err(Away),
            };
            world.answered(at, connection, Input::Registered(found));
        });
    }

    pub(super) fn seen(
        &mut self,
        at: usize,
        devices: Vec<Device>,
        answer: impl FnOnce(&mut World, Result<Seen, Away>) + 'static,
    ) {
        let devices = devices.into_iter().map(|one| (one.user, one.device)).collect();
        let call = move |repository: Arc<Repo>| async move { repository.seen(devices).await };
        self.call_service(at, WITHIN, call, move |world, found| {
            let seen = found.and_then(Result::ok).ok_or(Away).map(convert::seen);
            answer(world, seen);
        });
    }

    pub(super) fn revocations(
        &mut self,
        at: usize,
        from: bytes::Bytes,
        answer: impl FnOnce(&mut World, Result<Page, Away>) + 'static,
    ) {
        let now = self.pod_wall(0);
        let call = move |repository: Arc<Repo>| async move {
            repository.revocations(from.to_vec(), REVOCATIONS, now).await
        };
        self.call_service(at, WITHIN, call, move |world, page| {
            let page = page.and_then(Result::ok).ok_or(Away);
            answer(world, page.map(convert::revocations));
        });
    }

    fn batch_append(&mut self, at: usize, job: AppendJob) {
        let gateway = &mut self.gateways[at];
        if gateway.full && gateway.chance.one_in(2) {
            hit("append: queue full");
            let (connection, conversation) = (job.connection, job.conversation);
            return self.later(Node::Gateway(at), 1, move |world| {
                world.answered(at, connection, Input::Appended(conversation, Err(Away)));
            });
        }
        let first = gateway.appends.is_empty();
        gateway.appends.push(job);
        if first {
            let wait = self.chance.between(1, MS);
            self.later(Node::Gateway(at), wait, move |world| world.append_batch(at));
        }
    }

    fn append_batch(&mut self, at: usize) {
        let jobs = std::mem::take(&mut self.gateways[at].appends);
        let appends: Vec<_> = jobs.iter().flat_map(|job| job.appends.clone()).collect();
        let call = move |repository: Arc<Repo>| async move { repository.append(appends).await };
        self.call_service(at, WITHIN, call, move |world, outcomes| {
            let Some(outcomes) = outcomes else {
                hit("append: failed call");
                for job in jobs {
                    let input = Input::Appended(job.conversation, Err(Away));
                    world.answered(at, job.connection, input);
                }
                return;
            };
            let mut outcomes = outcomes.into_iter();
            for job in jobs {
                let mut results = Vec::new();
                for (append, outcome) in job.appends.iter().zip(&mut outcomes) {
                    trace!(
                        world,
                        Node::Gateway(at),
                        "append of {} as {}: {outcome:?}",
                        append.message.reference,
                        append.id
                    );
                    let result = convert::append_result(outcome);
                    count(&result);
                    if let AppendResult::Stored { id, .. } = &result {
                        world.check_stored(&append.message, *id);
                    }
                    results.push(result);
                }
                world.answered(at, job.connection, Input::Appended(job.conversation, Ok(results)));
            }
        });
    }

    fn batch_ack(&mut self, at: usize, job: AckJob) {
        let gateway = &mut self.gateways[at];
        if gateway.full && gateway.chance.one_in(2) {
            let connection = job.connection;
            return self.later(Node::Gateway(at), 1, move |world| {
                world.answered(at, connection, Input::Acknowledged(Err(Away)));
            });
        }
        let first = gateway.acks.is_empty();
        gateway.acks.push(job);
        if first {
            let wait = self.chance.between(1, MS);
            self.later(Node::Gateway(at), wait, move |world| world.ack_batch(at));
        }
    }

    fn ack_batch(&mut self, at: usize) {
        let jobs = std::mem::take(&mut self.gateways[at].acks);
        let all: Vec<_> = jobs.iter().flat_map(|job| job.acknowledgements.clone()).collect();
        let call = move |repository: Arc<Repo>| async move { repository.acknowledge(all).await };
        self.call_service(at, WITHIN, call, move |world, marks| {
            let marks = marks.and_then(Result::ok);
            let acknowledged = if marks.is_some() { Ok(()) } else { Err(Away) };
            if let Some(marks) = marks.filter(|marks| !marks.is_empty()) {
                hit("receipt: at once");
                world.route_all(at, marks.into_iter().map(convert::placed).collect());
            }
            for job in jobs {
                world.answered(at, job.connection, Input::Acknowledged(acknowledged));
            }
        });
    }

    fn mark_read(
        &mut self,
        at: usize,
        connection: ConnectionId,
        device: &Device,
        request: Read,
        stamp: MessageId,
    ) {
        let mark = convert::mark(device, &request, stamp);
        let call =
            move |repository: Arc<Repo>| async move { repository.mark_read(vec![mark]).await };
        self.call_service(at, WITHIN, call, move |world, marked| {
            let one = marked.and_then(Result::ok).and_then(|mut one| one.pop());
            let marked = match one {
                Some(Ok(marked)) => {
                    let receipts = marked.receipts.into_iter().map(convert::placed);
                    world.route_all(at, receipts.collect());
                    Ok(marked.up_to)
                }
                Some(Err(unmarked)) => Err(convert::unmarked(unmarked)),
                None => Err(MarkFailure::Unavailable),
            };
            world.answered(at, connection, Input::Marked(request, marked));
        });
    }

    pub(super) fn probe(
        &mut self,
        at: usize,
        devices: Vec<Device>,
        older_than: Duration,
        answer: impl FnOnce(&mut World, Result<Vec<u32>, Away>) + 'static,
    ) {
        // All pods have the time of the first replica here, or nearly.
        let before = self.pod_wall(0).saturating_sub(older_than.as_millis() as u64);
        let devices = devices.into_iter().map(|one| (one.user, one.device)).collect();
        let call = move |repository: Arc<Repo>| async move {
            repository.waiting(devices, MessageId::floor(before)).await
        };
        self.call_service(at, WITHIN, call, move |world, waiting| {
            let waiting = waiting.and_then(Result::ok).ok_or(Away).map(|waiting| {
                (0u32..).zip(waiting).filter_map(|(at, waits)| waits.then_some(at)).collect()
            });
            answer(world, waiting);
        });
    }

    fn read_receipts(
        &mut self,
        at: usize,
        connection: ConnectionId,
        asker: Device,
        request: ReceiptsRequest,
    ) {
        let (user, message) = (asker.user, request.message);
        let call =
            move |repository: Arc<Repo>| async move { repository.receipts(user, message).await };
        self.call_service(at, WITHIN, call, move |world, found| {
            let receipts = match found.and_then(Result::ok) {
                None => Err(HistoryFailure::Unavailable),
                Some(None) => Err(HistoryFailure::Forbidden),
                Some(Some(members)) => Ok(Receipts::of(&request, members)),
            };
            world.answered(at, connection, Input::Receipts(request.id, receipts));
        });
    }

    fn history(&mut self, at: usize, connection: ConnectionId, asker: Device, request: History) {
        let id = request.id;
        let peer = request.user.as_ref();
        let of_peer = peer.map(|peer| ConversationId::between(&asker.user, peer));
        let Some(conversation) = request.conversation.or(of_peer) else { return };
        let History { before, after, since, until, .. } = request;
        let forward = after.is_some();
        let query = Query {
            user: None,
            conversation: Some(conversation),
            sender: request.sender,
            content_type: request.content_type,
            ids: Bounds { before, after, since, until }.into(),
            direction: if forward { Direction::Forward } else { Direction::Backward },
            limit: request.limit.unwrap_or(HISTORY_DEFAULT) as usize,
            bytes: PAGE_BYTES,
        };
        let now = self.pod_wall(0);
        let call = move |repository: Arc<Repo>| async move { repository.query(query, now).await };
        self.call_service(at, WITHIN, call, move |world, page| {
            hit("history: page");
            let page = page.and_then(Result::ok).ok_or(HistoryFailure::Unavailable);
            let page = page.map(|page| HistoryPage {
                id,
                next: page.next.filter(|_| page.more),
                messages: page.messages,
                stable_up_to: stable_up_to(now),
            });
            world.answered(at, connection, Input::History(id, page));
        });
    }
}

fn count(result: &AppendResult) {
    hit(match result {
        AppendResult::Stored { .. } => "append: stored",
        AppendResult::OutOfOrder { .. } => "append: out of order",
        AppendResult::TooOld => "append: too old",
        AppendResult::TooNew => "append: too new",
        AppendResult::Conflict => "append: conflict",
        AppendResult::Forbidden(_) => "append: forbidden",
        AppendResult::GroupFull => "append: group full",
        AppendResult::Unavailable => "append: unavailable",
    });
}
